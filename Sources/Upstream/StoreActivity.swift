package import Base
package import BigCommerce
import Synchronization

/// What this replica has seen of a store's API, and which calls to it are in flight or wait.
///
/// It outlives changes of the store's entry. A store that is not called costs a few words.
package final class StoreActivity: Sendable {
  /// A copy of what is known.
  package struct Seen: Hashable, Sendable {
    /// When the last answer came.
    package fileprivate(set) var lastCallAt: Timestamp?
    /// Its status.
    package fileprivate(set) var lastStatus: Int?
    /// What the last answer that spoke of quota said.
    package fileprivate(set) var quota: QuotaHeaders?
    /// When that answer came.
    package fileprivate(set) var quotaSeenAt: Timestamp?

    /// Nothing is known.
    package init() {}
  }

  private struct State {
    var seen = Seen()
    /// `nil` while the store is not called.
    var traffic: StoreTraffic?

    mutating func makeTraffic() -> StoreTraffic {
      if let traffic { return traffic }
      let made = StoreTraffic(seed: .random(in: .min ... .max))
      traffic = made
      return made
    }
  }

  private let state = Mutex(State())
  /// Calls to the store that this replica holds; counted by ``CallAdmission``.
  let held = Atomic<Int>(0)

  package init() {}

  /// Calls to the store that wait, are under way or stream.
  package var heldCalls: Int { held.load(ordering: .relaxed) }

  /// A copy of what is known now.
  package var current: Seen { state.withLock { $0.seen } }

  /// Takes over what an answer's head said.
  package func observe(status: Int, quota: QuotaHeaders, at now: Timestamp) {
    state.withLock { $0.seen.take(status: status, quota: quota, at: now) }
  }

  /// Forgets the store's traffic when there is none and what it told is over.
  package func forgetIfIdle(now: Duration) {
    state.withLock { state in
      if let traffic = state.traffic, traffic.isIdle(now: now) { state.traffic = nil }
    }
  }

  /// A view of the store's quota for people; `nil` while the store is not called.
  package func quotaStanding(for demand: QuotaDemand, now: Duration) -> QuotaStanding? {
    state.withLock { state in
      state.traffic.map {
        QuotaStanding(
          $0.governor, demand, now: now, refusal: $0.breakers.refusal(of: demand.family.id, now))
      }
    }
  }
}

extension StoreActivity {
  /// What speaks for and against calls now; `nil` while the store is not called.
  func standing(now: Duration) -> StoreStanding? {
    state.withLock { $0.traffic?.standing(now: now) }
  }
}

// MARK: The way of a call

extension StoreActivity {
  /// The right to send a call: at once when nothing speaks against it, else when its turn has come.
  ///
  /// - Throws: `quota` when it would wait longer, or has waited as long, as it may; `brokenStore`;
  ///   `cancelled` as soon as the task is.
  func pass(
    _ demand: QuotaDemand, _ time: CallTime, now: Duration? = nil
  ) async throws(UpstreamError) -> CallPass {
    let asked = now ?? time.clock.now()
    let turn = await turn(demand, time, asked)
    time.note(turn, demand, askedAt: asked)
    return try turn.get()
  }

  private func turn(
    _ demand: QuotaDemand, _ time: CallTime, _ asked: Duration
  ) async -> Result<CallPass, UpstreamError> {
    do throws(UpstreamError) {
      if let pass = try passAtOnce(demand, now: asked) { return .success(pass) }
    } catch {
      return .failure(error)
    }
    let place = QuotaPlace()
    return await withTaskCancellationHandler {
      await withCheckedContinuation { turn in
        lineUp(demand, place, time) { turn.resume(returning: $0) }
      }
    } onCancel: {
      withdraw(place, time)
    }
  }

  /// A pass, when the call neither has to wait nor is refused by a breaker.
  func passAtOnce(
    _ demand: QuotaDemand, now: Duration
  ) throws(UpstreamError) -> CallPass? {
    try state.withLock { state throws(UpstreamError) in
      try state.makeTraffic().passAtOnce(demand, now: now)
    }
  }

  /// Lines a call up; `turn` is called once on any thread, perhaps before this returns, with what
  /// ``pass(_:_:now:)`` returns and throws.
  func lineUp(
    _ demand: QuotaDemand, _ place: QuotaPlace, _ time: CallTime,
    _ turn: @escaping StoreTraffic.Turn
  ) {
    change(time) { traffic, now, outcomes in
      // Whoever withdraws afterwards finds the place.
      guard !place.isGivenUp else {
        outcomes.append(Outcome(turn, .failure(.cancelled)))
        return
      }
      place.set(traffic.lineUp(demand, turn, now: now, &outcomes))
    }
  }

  /// Gives the place up; its turn is told `cancelled`, unless it has been told already.
  func withdraw(_ place: QuotaPlace, _ time: CallTime) {
    change(time) { traffic, now, outcomes in
      guard let id = place.giveUp() else { return }
      traffic.withdraw(id, now: now, &outcomes)
    }
  }

  /// Says how a call has ended; `seenAt` is when a caller's call was answered, `nil` for a call of
  /// our own.
  func finish(_ pass: CallPass, _ end: CallEnd, seenAt: Timestamp?, _ time: CallTime) {
    let now = time.clock.now()
    var opened: BreakerRefusal.Cause?
    change(time, at: now) { traffic, now, outcomes in
      opened = traffic.finish(pass, end, now: now, &outcomes)
    }
    time.meter.ended(end, after: now - pass.permit.grantedAt, pass.permit.priority)
    if let opened { time.meter.opened(opened) }
    if case .answered(let status, let quota) = end, let seenAt {
      observe(status: status, quota: quota, at: seenAt)
    }
  }

  /// Whether a call may be repeated within the store's budget; counts it.
  func takeRetry() -> Bool {
    state.withLock { $0.traffic?.takeRetry() ?? false }
  }

  private func change(
    _ time: CallTime, at moment: Duration? = nil,
    _ body: (StoreTraffic, Duration, inout [Outcome]) -> Void
  ) {
    let now = moment ?? time.clock.now()
    let outcomes = state.withLock { state -> [Outcome] in
      let traffic = state.makeTraffic()
      var outcomes: [Outcome] = []
      body(traffic, now, &outcomes)
      traffic.arm(now: now) { delay in
        time.alarm.set(after: delay) { self.tick(time) }
      }
      return outcomes
    }
    for outcome in outcomes { outcome.tell() }
  }

  private func tick(_ time: CallTime) {
    change(time) { traffic, now, outcomes in traffic.tick(now: now, &outcomes) }
  }
}

extension StoreActivity.Seen {
  fileprivate mutating func take(status: Int, quota: QuotaHeaders, at now: Timestamp) {
    lastCallAt = now
    lastStatus = status
    guard !quota.isEmpty else { return }
    self.quota = quota
    quotaSeenAt = now
  }
}

/// Where a call's waits are measured, and what becomes of calls is counted.
package struct CallTime: Sendable {
  package let clock: MonotonicClock
  package let alarm: Alarm
  package let meter: CallMeter

  package init(clock: MonotonicClock, alarm: Alarm, meter: CallMeter = CallMeter()) {
    self.clock = clock
    self.alarm = alarm
    self.meter = meter
  }

  /// Counts how a call's turn came, or did not.
  func note(
    _ turn: Result<CallPass, UpstreamError>, _ demand: QuotaDemand, askedAt: Duration
  ) {
    switch turn {
    case .success(let pass): meter.waited(pass.permit.grantedAt - askedAt, demand.priority)
    case .failure(let error): meter.refused(error)
    }
  }

  /// By the operating system's clock, with a meter of its own.
  package static var system: CallTime { CallTime(clock: .system, alarm: .sleeping(.system)) }
}

/// A place in a store's queue, between whoever lines up and whoever gives it up.
final class QuotaPlace: Sendable {
  private struct State {
    var id: QuotaWaiterID?
    var isGivenUp = false
  }

  private let state = Mutex(State())

  fileprivate var isGivenUp: Bool { state.withLock { $0.isGivenUp } }

  fileprivate func set(_ id: QuotaWaiterID) { state.withLock { $0.id = id } }

  fileprivate func giveUp() -> QuotaWaiterID? {
    state.withLock { state in
      state.isGivenUp = true
      return state.id
    }
  }
}
