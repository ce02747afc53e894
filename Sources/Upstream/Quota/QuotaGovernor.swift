import Base
import BigCommerce
import HeapModule

/// Decides when calls to one store may be sent: events in, decisions out, no input or output, no
/// clock of its own.
///
/// A call is let through when nobody who waits comes first, the platform has not told to stop, the
/// window has one left for its priority, and a place is free in the store and in the call's family
/// of endpoints.
package struct QuotaGovernor: Sendable {
  /// What becomes of a call that asks.
  package enum Admission: Hashable, Sendable {
    case granted(QuotaPermit)
    case refused(QuotaRefusal)
    case waits
  }

  /// What became of one who waited.
  struct Settlement: Hashable, Sendable {
    let id: QuotaWaiterID
    let outcome: Result<QuotaPermit, QuotaRefusal>
  }

  struct Waiting: Sendable {
    let demand: QuotaDemand
    let deadline: Duration
  }

  private struct Deadline: Comparable {
    let moment: Duration
    let id: QuotaWaiterID

    static func < (left: Deadline, right: Deadline) -> Bool { left.moment < right.moment }
  }

  /// Waiting calls of one caller, and of one store.
  static let mostOfCaller = 1000
  static let most = 4000
  /// How many calls may be out before the first answer tells of the quota, and for how long only so
  /// few.
  private static let unknown = 2
  private static let unknownFor = Duration.milliseconds(500)

  private(set) var window = QuotaWindow()
  private(set) var loads = FamilyLoads()
  private(set) var stoppedUntil: Duration?
  private var paces = (interactive: Pace(), bulk: Pace())
  private var shares = CallerShares()
  private var queues = (interactive: FairQueue(), bulk: FairQueue())
  private(set) var waiting: [QuotaWaiterID: Waiting] = [:]
  private var deadlines = Heap<Deadline>()
  private var settled: [Settlement] = []
  /// Refusals by the platform in a row, and when the last one counted.
  private var strikes = 0
  private var struckAt = Duration.zero
  /// Until then few calls are out, because nothing is known; `nil` once an answer came.
  private var unknownUntil: Duration?
  private var isKnown = false
  private(set) var meanSeconds = 0.2
  private(set) var lastUse = Duration.zero
  private var random: SplitMix64

  /// - Parameter seed: of the jitter.
  package init(seed: UInt64) {
    random = SplitMix64(seed: seed)
  }

  package var waitingCount: Int { waiting.count }
  package var inFlight: Int { loads.inFlight }

  /// A permit, unless the call has to wait or others wait; in constant time.
  package mutating func grantAtOnce(_ demand: QuotaDemand, now: Duration) -> QuotaPermit? {
    guard waiting.isEmpty else { return nil }
    update(now)
    guard isOpen(for: demand.priority, now), loads.isFree(demand.family.id) else { return nil }
    return grant(demand, now)
  }

  /// Takes a call into the queue, unless it can go now, or would wait longer than it may.
  mutating func request(
    _ demand: QuotaDemand, id: QuotaWaiterID, now: Duration
  ) -> Admission {
    drain(now)
    if let permit = grantAtOnce(demand, now: now) { return .granted(permit) }
    let wait = expectedWait(demand, now: now)
    guard wait <= demand.maxWait else { return .refused(.exhausted(retryAfter: wait)) }
    guard waiting.count < Self.most,
      queue(demand.priority).count(of: demand.caller) < Self.mostOfCaller
    else { return .refused(.overloaded(retryAfter: max(wait, .seconds(1)))) }
    enqueue(demand, id, now)
    drain(now)
    guard waiting[id] == nil else { return .waits }
    guard let index = settled.firstIndex(where: { $0.id == id }) else { return .waits }
    switch settled.remove(at: index).outcome {
    case .success(let permit): return .granted(permit)
    case .failure(let refusal): return .refused(refusal)
    }
  }

  /// One who waited has gone away.
  ///
  /// - Returns: whether it still waited.
  mutating func withdraw(_ id: QuotaWaiterID, now: Duration) -> Bool {
    guard let gone = waiting[id] else { return false }
    take(out: id, gone)
    drain(now)
    return true
  }

  /// A call has ended; its permit counts no more.
  mutating func finish(_ permit: QuotaPermit, _ result: QuotaResult, now: Duration) {
    lastUse = now
    loads.end(permit.family, permit.priority)
    switch result {
    case .unanswered(let sent): if sent { window.spend() }
    case .answered(let status, let headers):
      isKnown = true
      unknownUntil = nil
      meanSeconds += ((now - permit.grantedAt).inSeconds - meanSeconds) / 8
      window.take(headers, sentAt: permit.grantedAt, now: now, inFlight: loads.inFlight)
      if status == 429 || status == 509 {
        stop(headers, permit, now)
      } else {
        loads.grow(permit.family)
        if permit.grantedAt >= struckAt { strikes = 0 }
      }
    }
    if !waiting.isEmpty { drain(now) }
  }

  /// Time has passed: those who may go now go, those who have waited long enough are refused.
  mutating func tick(now: Duration) { drain(now) }

  /// What became of those who waited since the last call of this; the order is that of the grants.
  mutating func takeSettled() -> [Settlement] {
    if settled.isEmpty { return [] }
    defer { settled = [] }
    return settled
  }

  /// Whether forgetting it would change nothing that matters: nothing out, and the window long
  /// over.
  func isIdle(now: Duration) -> Bool {
    loads.inFlight == 0 && waiting.isEmpty && settled.isEmpty && now >= stoppedUntil ?? .zero
      && now >= lastUse + window.size * 2
  }
}

// MARK: Whether a call may go

extension QuotaGovernor {
  /// Brings window, stop and pace up to now.
  private mutating func update(_ now: Duration) {
    let isFresh = window.roll(now)
    if isFresh { shares.restart() }
    if window.left == 0, let end = window.resetsAt, stoppedUntil ?? .zero < end {
      stoppedUntil = end + jitter()
    }
    if let until = stoppedUntil, now >= until { stoppedUntil = nil }
    guard let spare = spare(.interactive, now), let quota = window.quota else { return }
    if isFresh {
      paces.interactive.refill(quota: quota)
      paces.bulk.refill(quota: quota)
    }
    let end = window.end(now)
    paces.interactive.advance(to: now, spare: spare, quota: quota, end: end)
    paces.bulk.advance(to: now, spare: spare - reserve, quota: quota, end: end)
  }

  /// The last fifth of the quota, which bulk never takes.
  private var reserve: Double { (Double(window.quota ?? 0) / 5).rounded(.up) }

  private func spare(_ priority: CallPriority, _ now: Duration) -> Double? {
    window.spare(now, inFlight: loads.inFlight).map { priority == .bulk ? $0 - reserve : $0 }
  }

  private func isOpen(for priority: CallPriority, _ now: Duration) -> Bool {
    if stoppedUntil != nil || !loads.isFree(for: priority) { return false }
    return isKnownEnough(for: priority, now) && hasQuota(for: priority, now)
  }

  private func isKnownEnough(for priority: CallPriority, _ now: Duration) -> Bool {
    if isKnown { return true }
    let few = priority == .bulk ? 1 : Self.unknown
    return loads.inFlight < few || unknownUntil.map { now >= $0 } ?? false
  }

  private func hasQuota(for priority: CallPriority, _ now: Duration) -> Bool {
    guard let spare = spare(priority, now) else { return true }
    switch priority {
    case .bulk: return spare >= 1 && paces.bulk.isOpen || mayAsk(now, leaving: Int(reserve))
    case .interactive: return spare >= 1 && paces.interactive.isOpen || mayAsk(now, leaving: 0)
    }
  }

  /// Others were expected to take what is left, but nobody has looked for a while: one call finds
  /// out.
  private func mayAsk(_ now: Duration, leaving reserve: Int) -> Bool {
    loads.inFlight == 0 && window.left ?? 0 > reserve && now >= window.toldAt + window.size / 16
  }

  private mutating func grant(_ demand: QuotaDemand, _ now: Duration) -> QuotaPermit {
    lastUse = now
    if !isKnown && unknownUntil == nil { unknownUntil = now + Self.unknownFor }
    loads.begin(demand.family, demand.priority)
    if window.quota != nil { shares.count(demand.caller) }
    paces.interactive.take()
    if demand.priority == .bulk { paces.bulk.take() }
    return QuotaPermit(family: demand.family.id, priority: demand.priority, grantedAt: now)
  }

  /// The platform has refused: the store stands still for everybody.
  private mutating func stop(_ headers: QuotaHeaders, _ permit: QuotaPermit, _ now: Duration) {
    // Calls that were out together are refused together; that counts once.
    if strikes == 0 || permit.grantedAt >= struckAt {
      strikes += 1
      struckAt = now
      loads.shrink(permit.family)
    }
    let backoff = Duration.seconds(min(60, 1 << min(strikes - 1, 6)))
    let until: Duration
    if let told = headers.wait {
      until = now + max(told, strikes > 1 ? backoff / 2 : .zero)
    } else {
      until = now + backoff
      isKnown = false
    }
    guard stoppedUntil ?? .zero < until else { return }
    let end = until + (headers.wait == nil ? random.part(of: backoff) : jitter())
    stoppedUntil = end
    if !isKnown { unknownUntil = end + Self.unknownFor }
  }

  /// All who wait for a reset, here and elsewhere, wait for the same moment.
  private mutating func jitter() -> Duration { random.part(of: min(window.size / 30, .seconds(1))) }
}

// MARK: Those who wait

extension QuotaGovernor {
  private func queue(_ priority: CallPriority) -> FairQueue {
    priority == .bulk ? queues.bulk : queues.interactive
  }

  private mutating func enqueue(_ demand: QuotaDemand, _ id: QuotaWaiterID, _ now: Duration) {
    if deadlines.count > 2 * waiting.count + 64 {
      deadlines = Heap(waiting.map { Deadline(moment: $1.deadline, id: $0) })
    }
    let deadline = now + demand.maxWait
    waiting[id] = Waiting(demand: demand, deadline: deadline)
    deadlines.insert(Deadline(moment: deadline, id: id))
    loads.noteWaiting(demand.family, by: 1)
    switch demand.priority {
    case .interactive:
      queues.interactive.append(id, caller: demand.caller, family: demand.family.id)
    case .bulk: queues.bulk.append(id, caller: demand.caller, family: demand.family.id)
    }
  }

  private mutating func take(out id: QuotaWaiterID, _ gone: Waiting) {
    let demand = gone.demand
    waiting[id] = nil
    loads.noteWaiting(demand.family, by: -1)
    switch demand.priority {
    case .interactive:
      queues.interactive.remove(id, caller: demand.caller, family: demand.family.id)
    case .bulk: queues.bulk.remove(id, caller: demand.caller, family: demand.family.id)
    }
  }

  private mutating func drain(_ now: Duration) {
    update(now)
    guard !waiting.isEmpty else {
      if !deadlines.isEmpty { deadlines = Heap() }
      return
    }
    while let id = nextToGo(now), let next = waiting.removeValue(forKey: id) {
      loads.noteWaiting(next.demand.family, by: -1)
      settled.append(Settlement(id: id, outcome: .success(grant(next.demand, now))))
      update(now)
    }
    expire(now)
  }

  /// Interactive calls come first; bulk goes when none of them could go if there were quota.
  private mutating func nextToGo(_ now: Duration) -> QuotaWaiterID? {
    let loads = self.loads
    if !queues.interactive.isEmpty, isOpen(for: .interactive, now) {
      if let id = queues.interactive.takeNext(shares, where: { loads.isFree($0) }) { return id }
    } else if !queues.interactive.isEmpty, !hasQuota(for: .interactive, now) {
      return nil
    }
    guard !queues.bulk.isEmpty, isOpen(for: .bulk, now) else { return nil }
    return queues.bulk.takeNext(shares) { loads.isFree($0) }
  }

  private mutating func expire(_ now: Duration) {
    while let first = deadlines.min, first.moment <= now || waiting[first.id] == nil {
      deadlines.removeMin()
      guard let gone = waiting[first.id] else { continue }
      take(out: first.id, gone)
      let again = expectedWait(gone.demand, now: now)
      settled.append(Settlement(id: first.id, outcome: .failure(.exhausted(retryAfter: again))))
    }
  }

  /// When to call ``tick(now:)`` next; `nil` when nobody waits.
  mutating func nextTick(now: Duration) -> Duration? {
    while let first = deadlines.min, waiting[first.id] == nil { deadlines.removeMin() }
    guard let first = deadlines.min else { return nil }
    var next = first.moment
    func consider(_ moment: Duration?) {
      if let moment, moment > now { next = min(next, moment) }
    }
    if let stoppedUntil {
      consider(stoppedUntil)
      return next
    }
    consider(unknownUntil)
    consider(window.resetsAt)
    consider(window.toldAt + window.size / 16)
    for priority in [CallPriority.interactive, .bulk] where !queue(priority).isEmpty {
      let wait = paceWait(1, priority, now) ?? .zero
      if wait > .zero { consider(now + max(wait, .milliseconds(1))) }
    }
    return next
  }
}

// MARK: How long it would take

extension QuotaGovernor {
  /// How long a call that asks now would wait, as far as can be told, in constant time; more than
  /// nothing.
  package func expectedWait(_ demand: QuotaDemand, now: Duration) -> Duration {
    let own = queue(demand.priority)
    // Callers take turns: as many of each other caller come first as this one has waiting.
    let turns = (own.count(of: demand.caller) + 1) * max(1, own.callerCount)
    var ahead = min(own.count, turns)
    if demand.priority == .bulk { ahead += queues.interactive.count }
    let quota = quotaWait(Double(ahead + 1), demand.priority, now)
    return max(.milliseconds(1), quota, placeWait(ahead, demand))
  }

  /// Until so many calls have found quota.
  private func quotaWait(_ calls: Double, _ priority: CallPriority, _ now: Duration) -> Duration {
    let end = max(window.end(now), stoppedUntil ?? .zero)
    if stoppedUntil == nil {
      guard let spare = spare(priority, now) else { return .zero }
      if spare >= calls { return paceWait(calls, priority, now) ?? .zero }
      return end - now + windows(for: calls - max(0, spare.rounded(.down)), priority)
    }
    return max(.zero, (stoppedUntil ?? now) - now) + windows(for: calls, priority)
  }

  /// From the start of a window until so many calls have gone, in windows like those before.
  private func windows(for calls: Double, _ priority: CallPriority) -> Duration {
    guard let usual = window.usualShare else { return .zero }
    let share = max(1, priority == .bulk ? usual - reserve : usual)
    let whole = max(0, ((calls - 1) / share).rounded(.down))
    let rest = calls - whole * share
    let half = max(1, share / 2)
    let part = rest > half ? min(1, (rest - half) / half) : 0
    return .seconds((whole + part) * window.size.inSeconds)
  }

  private func paceWait(
    _ calls: Double, _ priority: CallPriority, _ now: Duration
  ) -> Duration? {
    guard let quota = window.quota, let spare = spare(priority, now) else { return nil }
    let pace = priority == .bulk ? paces.bulk : paces.interactive
    return pace.wait(for: calls, spare: spare, quota: quota, now: now, end: window.end(now))
  }

  /// Until so many calls have found a place in store and family.
  private func placeWait(_ ahead: Int, _ demand: QuotaDemand) -> Duration {
    var rounds = 0.0
    if !loads.isFree(for: demand.priority) {
      rounds = Double(ahead + 1) / Double(loads.limit)
    }
    if !loads.isFree(demand.family.id) {
      let family = Double(loads.waiting(of: demand.family.id) + 1)
      rounds = max(rounds, family / Double(loads.limit(of: demand.family)))
    }
    return .seconds(rounds * meanSeconds)
  }
}
