import Base
import NIOCore
import TestSupport
import Testing

@testable import Postgres

/// A pool in a world of its own: virtual time, a server that can be down, callers who give
/// connections back.
private struct PoolWorld {
  /// What will happen, and when.
  enum Plan {
    case pool(PoolState.Event)
    case connectEnds(ConnectionID)
    case holderReturns(ConnectionID)
    case wake(NIODeadline)
  }

  var state: PoolState
  var now = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
  var plans: [(at: NIODeadline, order: Int, plan: Plan)] = []
  var order = 0
  var random: SplitMix64
  var serverIsUp = true
  var serverHangs = false

  var open: Set<ConnectionID> = []
  var connecting: Set<ConnectionID> = []
  var lent: [ConnectionID: WaiterID] = [:]
  /// Who waits, and until when an answer must have come.
  var waiting: [WaiterID: NIODeadline] = [:]
  var answers: [WaiterID: PostgresError?] = [:]
  var alarm: NIODeadline?
  var finished = 0
  var violations: [String] = []
  let limits: PoolState.Limits
  var nextWaiter: UInt64 = 1

  init(limits: PoolState.Limits, seed: UInt64) {
    self.limits = limits
    random = SplitMix64(seed: seed)
    state = PoolState(limits: limits, seed: seed &+ 1)
  }

  mutating func plan(_ plan: Plan, in delay: TimeAmount) {
    order += 1
    plans.append((now + delay, order, plan))
  }

  mutating func milliseconds(_ limit: Int64) -> TimeAmount {
    .milliseconds(random.number(upTo: limit))
  }

  @discardableResult
  mutating func request(
    patience: TimeAmount = .seconds(5), isUrgent: Bool? = nil
  ) -> WaiterID {
    let waiter = WaiterID(number: nextWaiter)
    nextWaiter += 1
    waiting[waiter] = now + min(patience, limits.acquireTimeout)
    feed(
      .requested(waiter, until: now + patience, isUrgent: isUrgent ?? (random.number(upTo: 3) == 0))
    )
    return waiter
  }

  mutating func feed(_ event: PoolState.Event) {
    if case .withdrew(let waiter) = event { waiting[waiter] = nil }
    for action in state.handle(event, now: now) { carryOut(action) }
    check()
  }

  mutating func carryOut(_ action: PoolState.Action) {
    switch action {
    case .connect(let id):
      require(!connecting.contains(id) && !open.contains(id), "\(id) is connected twice")
      connecting.insert(id)
      plan(.connectEnds(id), in: serverHangs ? .seconds(3) : milliseconds(20))
    case .lend(let id, let waiter):
      require(open.contains(id), "\(id) is lent but not open")
      require(lent[id] == nil, "\(id) is lent twice")
      require(waiting[waiter] != nil, "\(waiter) gets a connection but does not wait")
      waiting[waiter] = nil
      answers[waiter] = .some(nil)
      lent[id] = waiter
      plan(.holderReturns(id), in: milliseconds(40))
    case .refuse(let waiter, let error):
      require(waiting.removeValue(forKey: waiter) != nil, "\(waiter) is refused but does not wait")
      answers[waiter] = error
    case .close(let id):
      open.remove(id)
      connecting.remove(id)
    case .wake(let moment):
      require(moment >= now, "an alarm in the past")
      alarm = moment
      plan(.wake(moment), in: moment - now)
    case .finished:
      finished += 1
      require(open.isEmpty && connecting.isEmpty && lent.isEmpty, "finished too early")
    }
  }

  mutating func require(_ condition: Bool, _ message: String) {
    if !condition { violations.append(message) }
  }

  mutating func check() {
    require(open.count + connecting.count <= limits.connections, "too many connections")
    require(state.waiterCount == waiting.count, "the pool forgets or invents who waits")
    require(waiting.values.allSatisfy { $0 >= now }, "somebody waits for too long")
  }

  /// Lets time pass, and everything happen that is planned for it.
  mutating func run(for duration: TimeAmount) {
    let end = now + duration
    while let index = nextPlan(until: end) {
      let next = plans.remove(at: index)
      now = next.at
      carryOut(next.plan)
    }
    now = end
  }

  private func nextPlan(until end: NIODeadline) -> Int? {
    plans.indices.filter { plans[$0].at <= end }.min {
      (plans[$0].at, plans[$0].order) < (plans[$1].at, plans[$1].order)
    }
  }

  private mutating func carryOut(_ plan: Plan) {
    switch plan {
    case .pool(let event):
      feed(event)
    case .connectEnds(let id):
      guard connecting.remove(id) != nil else { return }
      if serverIsUp && !serverHangs {
        open.insert(id)
        feed(.connected(id))
      } else {
        feed(.connectFailed(id))
      }
    case .holderReturns(let id):
      guard lent.removeValue(forKey: id) != nil else { return }
      let isReusable = open.contains(id)
      if !isReusable { feed(.closed(id)) }
      feed(.returned(id, reusable: isReusable))
    case .wake(let moment):
      guard alarm == moment else { return }
      alarm = nil
      feed(.woke(moment))
    }
  }

  /// The server goes away: idle connections break at once, lent ones are found broken by their
  /// holders.
  mutating func serverDies() {
    serverIsUp = false
    for id in open.sorted() where lent[id] == nil {
      open.remove(id)
      feed(.closed(id))
    }
    open.removeAll()
  }
}

@Suite struct `Pool decisions` {
  private static let limits = PoolState.Limits(connections: 3, idleConnections: 1, waiters: 20)

  @Test(arguments: 0..<UInt64(count(ordinary: 200, full: 5000)))
  func `whatever happens, every caller is answered in time and no connection is lent twice`(
    seed: UInt64
  ) {
    var world = PoolWorld(limits: Self.limits, seed: seed)
    for _ in 0..<300 {
      switch world.random.number(upTo: 19) {
      case 0...9: world.request()
      case 10: world.request(patience: world.milliseconds(50))
      case 11:
        if let waiter = world.waiting.keys.min(by: { $0.number < $1.number }) {
          world.feed(.withdrew(waiter))
        }
      case 12: world.serverDies()
      case 13, 14: world.serverIsUp = true
      case 15: world.serverHangs.toggle()
      case 16: world.feed(.serverChanged)
      case 17: world.run(for: .seconds(3))
      default: world.run(for: world.milliseconds(30))
      }
    }
    world.serverIsUp = true
    world.serverHangs = false
    world.run(for: .seconds(6))
    let late = world.request()
    world.run(for: .seconds(6))
    #expect(world.answers[late] == .some(nil), "seed \(seed): the pool does not recover")
    world.feed(.shutDown)
    world.run(for: .seconds(6))
    #expect(world.finished == 1, "seed \(seed)")
    #expect(world.violations == [], "seed \(seed)")
  }

  @Test func `a free connection is lent at once, the one used last first`() {
    var world = PoolWorld(limits: Self.limits, seed: 1)
    world.request()
    world.request()
    world.run(for: .seconds(1))
    #expect(world.state.idleCount == 2)
    let next = world.request()
    #expect(world.answers[next] == .some(nil))
    #expect(world.violations == [])
  }

  @Test func `with all connections lent, a caller is refused as overloaded after its second`() {
    var pool = PoolState(limits: .init(connections: 1), seed: 1)
    let start = NIODeadline.uptimeNanoseconds(1)
    let first = WaiterID(number: 1)
    let second = WaiterID(number: 2)
    _ = pool.handle(.requested(first, until: .distantFuture), now: start)
    let id = ConnectionID(number: 1)
    #expect(pool.handle(.connected(id), now: start).contains(.lend(id, first)))
    let moment = start + .milliseconds(1500)
    let actions = pool.handle(
      .requested(second, until: .distantFuture), now: moment - .seconds(1))
    #expect(!actions.contains { if case .refuse = $0 { true } else { false } })
    #expect(pool.handle(.woke(moment), now: moment).contains(.refuse(second, .overloaded)))
  }

  @Test
  func `with no connection, a caller is refused as unavailable after its second, and then at once`()
  {
    var world = PoolWorld(limits: Self.limits, seed: 1)
    world.serverIsUp = false
    let first = world.request()
    world.run(for: .milliseconds(999))
    #expect(world.answers[first] == nil)
    world.run(for: .seconds(2))
    #expect(world.answers[first] == .some(.unavailable))
    let second = world.request()
    #expect(world.answers[second] == .some(.unavailable))
    #expect(world.violations == [])
  }

  @Test func `more callers than may wait are refused at once`() {
    var world = PoolWorld(limits: .init(connections: 1, waiters: 2), seed: 1)
    world.serverHangs = true
    let first = world.request(isUrgent: false)
    let second = world.request(isUrgent: false)
    let third = world.request(isUrgent: false)
    #expect(world.answers[third] == .some(.overloaded))
    // An urgent one takes the place of the last.
    let urgent = world.request(isUrgent: true)
    #expect(world.answers[second] == .some(.overloaded))
    #expect(world.answers[first] == nil && world.answers[urgent] == nil)
    #expect(world.violations == [])
  }

  @Test func `urgent callers come first, and every fourth turn is another one's`() {
    var pool = PoolState(limits: .init(connections: 1), seed: 1)
    let now = NIODeadline.uptimeNanoseconds(1)
    let id = ConnectionID(number: 1)
    // 1 to 3 are ordinary, 4 to 8 urgent.
    for number in 1...8 as ClosedRange<UInt64> {
      _ = pool.handle(
        .requested(WaiterID(number: number), until: .distantFuture, isUrgent: number > 3),
        now: now)
    }
    var order: [UInt64] = []
    var event = PoolState.Event.connected(id)
    for _ in 1...8 {
      for case .lend(_, let waiter) in pool.handle(event, now: now) { order.append(waiter.number) }
      event = .returned(id, reusable: true)
    }
    #expect(order == [4, 5, 6, 1, 7, 8, 2, 3])
  }

  @Test func `a server that is back is used within five seconds, without anybody asking for it`() {
    var world = PoolWorld(limits: Self.limits, seed: 7)
    world.request()
    world.run(for: .seconds(1))
    world.serverDies()
    world.run(for: .seconds(600))
    world.serverIsUp = true
    world.run(for: .seconds(5))
    let waiter = world.request()
    #expect(world.answers[waiter] == .some(nil))
  }

  @Test func `connections that nobody needs are closed, down to the minimum`() {
    var world = PoolWorld(limits: Self.limits, seed: 1)
    for _ in 0..<3 { world.request() }
    world.run(for: .seconds(1))
    #expect(world.open.count == 3)
    world.run(for: .seconds(61))
    #expect(world.open.count == 1)
  }

  @Test func `connections are replaced when they grow old, not all at once`() {
    var world = PoolWorld(limits: .init(connections: 8, idleConnections: 8), seed: 3)
    world.request()
    world.run(for: .seconds(60))
    let first = world.open
    #expect(first.count == 8)
    world.run(for: .seconds(1800))
    #expect(!first.isDisjoint(with: world.open))
    #expect(first != world.open)
    world.run(for: .seconds(400))
    #expect(first.isDisjoint(with: world.open))
    #expect(world.open.count == 8)
  }

  @Test func `while it does nothing, the pool plans nothing but its next alarm`() {
    var world = PoolWorld(limits: Self.limits, seed: 5)
    for _ in 0..<50 {
      for _ in 0..<5 { world.request() }
      world.run(for: .seconds(1))
    }
    #expect(world.plans.count <= 60)
    world.run(for: .seconds(120))
    #expect(world.plans.count <= 1)
  }
}
