import Base
import BigCommerce

/// The calls of one store that are in flight or wait, and the rules for them; always under its
/// owner's lock.
///
/// It exists while a store is called and is forgotten a while after.
final class StoreTraffic {
  /// Called once, when it is decided about whoever lined up.
  typealias Turn = @Sendable (Result<CallPass, UpstreamError>) -> Void

  private(set) var governor: QuotaGovernor
  private(set) var breakers = StoreBreakers()
  private var budget = RetryBudget()
  private var turns: [QuotaWaiterID: Turn] = [:]
  private var lastWaiter: UInt64 = 0
  private var random: SplitMix64
  private var alarm: (due: Duration, cancel: Alarm.Cancel)?

  init(seed: UInt64) {
    governor = QuotaGovernor(seed: seed)
    random = SplitMix64(seed: ~seed)
  }

  /// Whether it can be forgotten.
  func isIdle(now: Duration) -> Bool {
    governor.isIdle(now: now) && breakers.isQuiet && turns.isEmpty
  }

  func standing(now: Duration) -> StoreStanding {
    StoreStanding(governor, breakers, budget, now: now)
  }

  /// A pass, when the call neither has to wait nor is refused by a breaker.
  func passAtOnce(_ demand: QuotaDemand, now: Duration) throws(UpstreamError) -> CallPass? {
    if let refusal = breakers.refusal(of: demand.family.id, now) { throw .brokenStore(refusal) }
    return governor.grantAtOnce(demand, now: now).map { pass($0) }
  }

  /// Lines a call up; its turn is in the outcomes when it is decided at once.
  func lineUp(
    _ demand: QuotaDemand, _ turn: @escaping Turn, now: Duration, _ outcomes: inout [Outcome]
  ) -> QuotaWaiterID {
    lastWaiter += 1
    let id = QuotaWaiterID(number: lastWaiter)
    switch governor.request(demand, id: id, now: now) {
    case .granted(let permit): settle(turn, permit, now, &outcomes)
    case .refused(let refusal): outcomes.append(Outcome(turn, .failure(.quota(refusal))))
    case .waits: turns[id] = turn
    }
    settle(now, &outcomes)
    return id
  }

  /// The caller has gone away.
  func withdraw(_ id: QuotaWaiterID, now: Duration, _ outcomes: inout [Outcome]) {
    guard let turn = turns.removeValue(forKey: id) else { return }
    _ = governor.withdraw(id, now: now)
    outcomes.append(Outcome(turn, .failure(.cancelled)))
    settle(now, &outcomes)
  }

  func tick(now: Duration, _ outcomes: inout [Outcome]) {
    governor.tick(now: now)
    settle(now, &outcomes)
  }

  /// - Returns: the cause of a breaker that opened.
  func finish(
    _ pass: CallPass, _ end: CallEnd, now: Duration, _ outcomes: inout [Outcome]
  ) -> BreakerRefusal.Cause? {
    budget.noteCall()
    let verdict: StoreVerdict
    switch end {
    case .answered(let status, let quota):
      verdict = StoreVerdict(status: status, hasRetryAfter: quota.retryAfter != nil)
      governor.finish(pass.permit, .answered(status: status, quota), now: now)
    case .failed(let error):
      verdict = StoreVerdict(error, after: now - pass.permit.grantedAt)
      governor.finish(pass.permit, .unanswered(sent: error.mayHaveBeenSent), now: now)
    }
    var opened: BreakerRefusal.Cause?
    if verdict != .works || !breakers.isQuiet {
      opened = breakers.note(verdict, pass.permit.family, pass.tries, now, &random)
    }
    settle(now, &outcomes)
    return opened
  }

  /// Whether a call may be repeated within the store's budget; counts it.
  func takeRetry() -> Bool { budget.take() }

  /// Sees to it that somebody comes when the time of those who wait has come.
  func arm(now: Duration, _ set: (Duration) -> Alarm.Cancel) {
    guard let due = governor.nextTick(now: now) else {
      alarm?.cancel()
      alarm = nil
      return
    }
    if let alarm {
      if alarm.due <= due && alarm.due > now { return }
      alarm.cancel()
    }
    alarm = (due, set(due - now))
  }

  private func pass(_ permit: QuotaPermit) -> CallPass {
    CallPass(permit: permit, tries: breakers.pass(permit.family))
  }

  /// A permit whose family has broken while the call waited goes back, which may be the next one's
  /// turn.
  private func settle(
    _ turn: @escaping Turn, _ permit: QuotaPermit, _ now: Duration, _ outcomes: inout [Outcome]
  ) {
    if let refusal = breakers.refusal(of: permit.family, now) {
      governor.finish(permit, .unanswered(sent: false), now: now)
      outcomes.append(Outcome(turn, .failure(.brokenStore(refusal))))
    } else {
      outcomes.append(Outcome(turn, .success(pass(permit))))
    }
  }

  private func settle(_ now: Duration, _ outcomes: inout [Outcome]) {
    var settled = governor.takeSettled()
    while !settled.isEmpty {
      for one in settled {
        guard let turn = turns.removeValue(forKey: one.id) else { continue }
        switch one.outcome {
        case .success(let permit): settle(turn, permit, now, &outcomes)
        case .failure(let refusal): outcomes.append(Outcome(turn, .failure(.quota(refusal))))
        }
      }
      settled = governor.takeSettled()
    }
  }
}

/// What somebody who waits is told, once the lock is free.
struct Outcome: Sendable {
  private let turn: StoreTraffic.Turn
  private let result: Result<CallPass, UpstreamError>

  init(_ turn: @escaping StoreTraffic.Turn, _ result: Result<CallPass, UpstreamError>) {
    self.turn = turn
    self.result = result
  }

  func tell() { turn(result) }
}

/// The right to send one call; whoever has it says how the call ended, once.
struct CallPass: Hashable, Sendable {
  let permit: QuotaPermit
  let tries: StoreBreakers.Pass
}

/// How a call that was passed has ended.
enum CallEnd: Sendable {
  case answered(status: Int, QuotaHeaders)
  case failed(UpstreamError)
}
