import Base
import BigCommerce
import Fields
import HTTPTypes
import TestSupport
import Testing

@testable import Upstream

/// BigCommerce's side of a store's quota in virtual time: windows that begin with a call, shared
/// with strangers.
struct PlatformQuota {
  var quota: Int
  let size: Duration
  var used = 0
  var windowEnd = Duration.zero
  /// How many calls run at a time before it refuses; `nil` for any number.
  var places: Int?

  /// What our calls and strangers' got, by window.
  private(set) var own: [(taken: Int, refused: Int, strangers: Int)] = [(0, 0, 0)]
  /// The lowest that a bulk call of ours has left.
  private(set) var lowestAfterBulk = Int.max

  mutating func roll(_ now: Duration) {
    guard now >= windowEnd else { return }
    used = 0
    windowEnd = now + size
    own.append((0, 0, 0))
  }

  mutating func callByStranger(_ now: Duration) {
    roll(now)
    guard used < quota else { return }
    used += 1
    own[own.count - 1].strangers += 1
  }

  /// Answers a call of ours, beside which so many run.
  mutating func call(
    _ now: Duration, _ priority: CallPriority, running: Int
  ) -> (status: Int, QuotaHeaders) {
    roll(now)
    let isRefused = used >= quota || running >= places ?? .max
    if isRefused {
      own[own.count - 1].refused += 1
    } else {
      used += 1
      own[own.count - 1].taken += 1
      if priority == .bulk { lowestAfterBulk = min(lowestAfterBulk, quota - used) }
    }
    return (isRefused ? 429 : 200, headers(now))
  }

  private func headers(_ now: Duration) -> QuotaHeaders {
    QuotaHeaders([
      .quotaWindow: "\(size.inMilliseconds)",
      .quotaReset: "\((windowEnd - now).inMilliseconds + 1)",
      .quota: "\(quota)", .quotaLeft: "\(quota - used)",
    ])
  }
}

/// A store, its governor, callers and strangers in virtual time.
struct QuotaWorld {
  /// What will happen, and when.
  enum Plan {
    case arrives(QuotaDemand, loop: Bool)
    case served(QuotaPermit, on: Int, loop: QuotaDemand?)
    case answered(QuotaPermit, on: Int, status: Int, QuotaHeaders, loop: QuotaDemand?)
    case lost(QuotaPermit, on: Int, loop: QuotaDemand?)
    case stranger
    case leaves(QuotaWaiterID, on: Int)
    case tick(Int)
  }

  private struct Entry: Comparable {
    let at: Duration
    let order: Int
    let plan: Plan

    static func < (left: Entry, right: Entry) -> Bool {
      (left.at, left.order) < (right.at, right.order)
    }
    static func == (left: Entry, right: Entry) -> Bool { left.order == right.order }
  }

  /// One for each replica; callers whose name begins with `1 ` call the second, and so on.
  var governors: [QuotaGovernor]
  var platform: PlatformQuota
  var random: SeededGenerator
  var now = Duration.seconds(1000)
  private var plans: [Entry] = []
  private var order = 0
  private var lastWaiter: UInt64 = 0
  private var nextTicks: [Duration?]

  /// One way to the platform and back.
  var way = 5...40
  /// Milliseconds between strangers' calls.
  var strangersEvery: ClosedRange<Int>?
  var lossPercent = 0
  var leavesPercent = 0

  /// Who waits, since when and until when.
  private(set) var waiting: [QuotaWaiterID: (demand: QuotaDemand, since: Duration)] = [:]
  private var looping: Set<QuotaWaiterID> = []
  private(set) var runs: [Int: Int] = [:]
  var running: Int { runs.values.reduce(0, +) }
  private(set) var grants: [String: Int] = [:]
  private(set) var waits: [String: [Duration]] = [:]
  private(set) var refusals: [String: Int] = [:]
  private var lastGranted: [String: UInt64] = [:]
  private(set) var violations: [String] = []

  init(quota: Int, window: Duration, replicas: Int = 1, seed: UInt64) {
    governors = (0..<replicas).map { QuotaGovernor(seed: seed &+ UInt64($0)) }
    nextTicks = Array(repeating: nil, count: replicas)
    platform = PlatformQuota(quota: quota, size: window)
    random = SeededGenerator(seed: seed)
  }

  mutating func plan(_ plan: Plan, in delay: Duration) {
    order += 1
    let entry = Entry(at: now + delay, order: order, plan: plan)
    let index = plans.firstIndex { $0 < entry } ?? plans.endIndex
    plans.insert(entry, at: index)
  }

  mutating func milliseconds(_ range: ClosedRange<Int>) -> Duration {
    .milliseconds(Int.random(in: range, using: &random))
  }

  /// Lets time pass, and everything happen that is planned for it.
  mutating func run(for duration: Duration) {
    let end = now + duration
    while let entry = plans.last, entry.at <= end {
      plans.removeLast()
      now = max(now, entry.at)
      carryOut(entry.plan)
      settle()
      check()
    }
    now = end
  }

  private func replica(of demand: QuotaDemand) -> Int {
    demand.caller.split(separator: " ").first.flatMap { Int($0) } ?? 0
  }

  private mutating func carryOut(_ plan: Plan) {
    switch plan {
    case .arrives(let demand, let loop): arrive(demand, on: replica(of: demand), loop)
    case .served(let permit, let replica, let loop):
      let (status, headers) = platform.call(now, permit.priority, running: running - 1)
      self.plan(
        .answered(permit, on: replica, status: status, headers, loop: loop), in: milliseconds(way))
    case .answered(let permit, let replica, let status, let headers, let loop):
      end(permit, on: replica, .answered(status: status, headers), loop)
    case .lost(let permit, let replica, let loop):
      end(permit, on: replica, .unanswered(sent: true), loop)
    case .stranger:
      platform.callByStranger(now)
      if let every = strangersEvery { self.plan(.stranger, in: milliseconds(every)) }
    case .leaves(let id, let replica):
      let waited = waiting.removeValue(forKey: id) != nil
      let isGone = governors[replica].withdraw(id, now: now)
      require(isGone == waited, "\(id) is forgotten or invented")
    case .tick(let replica):
      guard let due = nextTicks[replica], now >= due else { return }
      nextTicks[replica] = nil
      governors[replica].tick(now: now)
    }
  }

  private mutating func end(
    _ permit: QuotaPermit, on replica: Int, _ result: QuotaResult, _ loop: QuotaDemand?
  ) {
    runs[replica, default: 0] -= 1
    governors[replica].finish(permit, result, now: now)
    if let loop { plan(.arrives(loop, loop: true), in: .zero) }
  }

  private mutating func arrive(_ demand: QuotaDemand, on replica: Int, _ loop: Bool) {
    if let permit = governors[replica].grantAtOnce(demand, now: now) {
      return begin(permit, demand, after: .zero, loop)
    }
    lastWaiter += 1
    let id = QuotaWaiterID(number: lastWaiter)
    switch governors[replica].request(demand, id: id, now: now) {
    case .granted(let permit): begin(permit, demand, after: .zero, loop)
    case .refused(let refusal): refuse(demand, refusal, loop)
    case .waits:
      waiting[id] = (demand, now)
      if loop { looping.insert(id) }
      if Int.random(in: 1...100, using: &random) <= leavesPercent {
        plan(.leaves(id, on: replica), in: milliseconds(0...3000))
      }
    }
  }

  private mutating func settle() {
    for replica in governors.indices {
      for settlement in governors[replica].takeSettled() { settle(settlement) }
      guard let next = governors[replica].nextTick(now: now) else { continue }
      require(next >= now, "an alarm in the past")
      if nextTicks[replica].map({ next < $0 }) ?? true {
        nextTicks[replica] = next
        plan(.tick(replica), in: next - now)
      }
    }
  }

  private mutating func settle(_ settlement: QuotaGovernor.Settlement) {
    guard let (demand, since) = waiting.removeValue(forKey: settlement.id) else {
      violations.append("\(settlement.id) is settled but does not wait")
      return
    }
    let loop = looping.remove(settlement.id) != nil
    switch settlement.outcome {
    case .success(let permit):
      let lane = "\(demand.caller) \(demand.priority) \(demand.family.id)"
      require(lastGranted[lane] ?? 0 < settlement.id.number, "a call of \(lane) was overtaken")
      lastGranted[lane] = settlement.id.number
      begin(permit, demand, after: now - since, loop)
    case .failure(let refusal): refuse(demand, refusal, loop)
    }
  }

  private mutating func begin(
    _ permit: QuotaPermit, _ demand: QuotaDemand, after wait: Duration, _ loop: Bool
  ) {
    require(wait <= demand.maxWait, "granted after \(wait), allowed \(demand.maxWait)")
    let replica = replica(of: demand)
    runs[replica, default: 0] += 1
    grants[demand.caller, default: 0] += 1
    waits[demand.caller, default: []].append(wait)
    let isLost = Int.random(in: 1...100, using: &random) <= lossPercent
    let again = loop ? demand : nil
    plan(
      isLost ? .lost(permit, on: replica, loop: again) : .served(permit, on: replica, loop: again),
      in: milliseconds(way))
  }

  private mutating func refuse(_ demand: QuotaDemand, _ refusal: QuotaRefusal, _ loop: Bool) {
    refusals[demand.caller, default: 0] += 1
    guard loop else { return }
    switch refusal {
    case .exhausted(let after), .overloaded(let after):
      plan(.arrives(demand, loop: true), in: max(after, .milliseconds(50)))
    }
  }

  mutating func require(_ condition: Bool, _ message: String) {
    if !condition { violations.append(message) }
  }

  private mutating func check() {
    for (replica, governor) in governors.enumerated() {
      let out = runs[replica] ?? 0
      require(governor.inFlight == out, "in flight: \(governor.inFlight), not \(out)")
      require(out <= governor.loads.mostAllowed, "\(out) in flight")
    }
    let known = governors.map(\.waitingCount).reduce(0, +)
    require(known == waiting.count, "a governor forgets or invents who waits")
    for (demand, since) in waiting.values {
      require(now <= since + demand.maxWait, "somebody waits too long")
    }
  }
}
