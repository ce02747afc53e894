import Base
import DequeModule
import NIOCore

/// Counts callers that wait for a connection; never used twice.
struct WaiterID: Hashable, Sendable {
  let number: UInt64
}

/// Decides what the pool does: events in, actions out, no input or output.
struct PoolState {
  /// What the pool may do, from ``DatabaseSettings``.
  struct Limits: Sendable {
    var connections = 8
    var idleConnections = 1
    var waiters = 1000
    var acquireTimeout = TimeAmount.seconds(1)
    var idleTimeout = TimeAmount.seconds(60)
    var maxLifetime = TimeAmount.seconds(1800)
    var firstBackoff = TimeAmount.milliseconds(50)
    var lastBackoff = TimeAmount.seconds(2)
  }

  /// What happened.
  enum Event: Equatable, Sendable {
    /// Somebody needs a connection, and waits no longer than until then; urgent ones come first.
    case requested(WaiterID, until: NIODeadline, isUrgent: Bool = false)
    /// The one who waited has gone.
    case withdrew(WaiterID)
    case connected(ConnectionID)
    case connectFailed(ConnectionID)
    /// A lent connection came back.
    case returned(ConnectionID, reusable: Bool)
    /// A connection ended on its own.
    case closed(ConnectionID)
    /// The server behind the present connections is not the one that we need.
    case serverChanged
    /// The time of a `wake` has come.
    case woke(NIODeadline)
    /// No more is lent.
    case shutDown
  }

  /// What is to be done.
  enum Action: Equatable, Sendable {
    case connect(ConnectionID)
    case lend(ConnectionID, WaiterID)
    case refuse(WaiterID, PostgresError)
    case close(ConnectionID)
    /// Let an event `woke` come at that time; the one before is void.
    case wake(NIODeadline)
    /// After a shutdown: the last connection is gone.
    case finished
  }

  private enum Status: Equatable {
    case connecting
    case idle(since: NIODeadline)
    case lent
    /// Ended on its own while it was lent.
    case lost
  }

  private struct Entry {
    var status: Status
    var expires: NIODeadline
  }

  private struct Waiter {
    let id: WaiterID
    let until: NIODeadline
    let isUrgent: Bool
  }

  private let limits: Limits
  private var jitter: SplitMix64
  private var entries: [ConnectionID: Entry] = [:]
  /// The most recently used last: the others have a chance to grow old.
  private var idle: [ConnectionID] = []
  private var waiters: Deque<Waiter> = []
  private var urgentInRow = 0
  private var nextID: UInt64 = 1
  /// Failures to connect since the last success.
  private var failures = 0
  private var firstFailure: NIODeadline?
  private var retryAt: NIODeadline?
  private var armed: NIODeadline?
  /// Nothing is connected before the first request.
  private var isNeeded = false
  private var isShutDown = false
  private var isFinished = false

  /// Without connections; the seed spreads lifetimes and retries.
  init(limits: Limits, seed: UInt64) {
    self.limits = limits
    jitter = SplitMix64(seed: seed)
  }

  /// How many connections there are or are being made.
  var connectionCount: Int { entries.count }
  var idleCount: Int { idle.count }
  var waiterCount: Int { waiters.count }

  /// Takes one event and says what follows from it.
  mutating func handle(_ event: Event, now: NIODeadline) -> [Action] {
    var actions: [Action] = []
    switch event {
    case .requested(let waiter, let until, let isUrgent):
      let until = min(until, now + limits.acquireTimeout)
      request(Waiter(id: waiter, until: until, isUrgent: isUrgent), now, &actions)
    case .withdrew(let waiter):
      waiters.removeAll { $0.id == waiter }
    case .connected(let id):
      connected(id, now, &actions)
    case .connectFailed(let id):
      connectFailed(id, now, &actions)
    case .returned(let id, let reusable):
      returned(id, reusable, now, &actions)
    case .closed(let id):
      closed(id)
    case .serverChanged:
      for (id, entry) in entries where entry.status != .connecting { entries[id]?.expires = now }
    case .woke(let moment):
      if moment == armed { armed = nil }
    case .shutDown:
      shutDown(&actions)
    }
    refuseLateWaiters(now, &actions)
    retireIdle(now, &actions)
    connectWhatIsNeeded(now, &actions)
    finishOrWake(now, &actions)
    return actions
  }

  private mutating func request(_ waiter: Waiter, _ now: NIODeadline, _ actions: inout [Action]) {
    isNeeded = true
    if isShutDown || isKnownToBeDown(now) {
      actions.append(.refuse(waiter.id, .unavailable))
    } else if let id = idle.popLast() {
      entries[id]?.status = .lent
      actions.append(.lend(id, waiter.id))
    } else {
      lineUp(waiter, &actions)
    }
  }

  /// Urgent ones first, each kind in its order; when all places are taken the last one goes.
  private mutating func lineUp(_ waiter: Waiter, _ actions: inout [Action]) {
    let place = waiter.isUrgent ? waiters.firstIndex { !$0.isUrgent } : nil
    waiters.insert(waiter, at: place ?? waiters.endIndex)
    if waiters.count > limits.waiters, let last = waiters.popLast() {
      actions.append(.refuse(last.id, .overloaded))
    }
  }

  private mutating func connected(
    _ id: ConnectionID, _ now: NIODeadline, _ actions: inout [Action]
  ) {
    guard entries[id] != nil else { return }
    failures = 0
    firstFailure = nil
    retryAt = nil
    let spread = limits.maxLifetime.nanoseconds / 10
    let lifetime = limits.maxLifetime.nanoseconds + jitter.number(upTo: 2 * spread) - spread
    entries[id]?.expires = now + .nanoseconds(lifetime)
    makeAvailable(id, now, &actions)
  }

  /// To the first who waits, or to the idle ones.
  private mutating func makeAvailable(
    _ id: ConnectionID, _ now: NIODeadline, _ actions: inout [Action]
  ) {
    if let waiter = nextWaiter() {
      entries[id]?.status = .lent
      actions.append(.lend(id, waiter.id))
    } else {
      entries[id]?.status = .idle(since: now)
      idle.append(id)
    }
  }

  /// Urgent ones come first, but after three of them one of the others has its turn.
  private mutating func nextWaiter() -> Waiter? {
    if urgentInRow >= 3, let place = waiters.firstIndex(where: { !$0.isUrgent }) {
      urgentInRow = 0
      return waiters.remove(at: place)
    }
    let next = waiters.popFirst()
    urgentInRow = next?.isUrgent == true ? urgentInRow + 1 : 0
    return next
  }

  private mutating func connectFailed(
    _ id: ConnectionID, _ now: NIODeadline, _ actions: inout [Action]
  ) {
    guard entries.removeValue(forKey: id) != nil, !isShutDown else { return }
    failures += 1
    firstFailure = firstFailure ?? now
    let first = limits.firstBackoff.nanoseconds
    let delay = min(limits.lastBackoff.nanoseconds, first << Int64(min(failures - 1, 16)))
    // Half to all of it, so that replicas do not come back all at once.
    retryAt = now + .nanoseconds(delay / 2 + jitter.number(upTo: delay / 2))
    if isKnownToBeDown(now) { refuseAll(.unavailable, &actions) }
  }

  private mutating func returned(
    _ id: ConnectionID, _ reusable: Bool, _ now: NIODeadline, _ actions: inout [Action]
  ) {
    guard let entry = entries[id] else { return }
    if reusable && entry.status == .lent && entry.expires > now && !isShutDown {
      makeAvailable(id, now, &actions)
    } else {
      entries[id] = nil
      actions.append(.close(id))
    }
  }

  private mutating func closed(_ id: ConnectionID) {
    switch entries[id]?.status {
    case .lent: entries[id]?.status = .lost
    case .idle:
      entries[id] = nil
      idle.removeAll { $0 == id }
    case .connecting: entries[id] = nil
    case .lost, nil: break
    }
  }

  private mutating func shutDown(_ actions: inout [Action]) {
    isShutDown = true
    refuseAll(.unavailable, &actions)
    idle = []
    for (id, entry) in entries.sorted(by: { $0.key < $1.key }) {
      switch entry.status {
      case .idle, .connecting:
        entries[id] = nil
        actions.append(.close(id))
      case .lent, .lost: break
      }
    }
  }

  /// The server has been out of reach for longer than anybody waits.
  private func isKnownToBeDown(_ now: NIODeadline) -> Bool {
    guard let firstFailure, now - firstFailure >= limits.acquireTimeout else { return false }
    return !hasConnections
  }

  /// Whether there is a connection that is established.
  private var hasConnections: Bool {
    entries.values.contains { $0.status != .connecting && $0.status != .lost }
  }

  private mutating func refuseAll(_ error: PostgresError, _ actions: inout [Action]) {
    actions += waiters.map { .refuse($0.id, error) }
    waiters = []
  }

  private mutating func refuseLateWaiters(_ now: NIODeadline, _ actions: inout [Action]) {
    guard waiters.contains(where: { $0.until <= now }) else { return }
    // All lent is too much work for us; none there is a server that we cannot reach.
    let error: PostgresError = hasConnections ? .overloaded : .unavailable
    actions += waiters.filter { $0.until <= now }.map { .refuse($0.id, error) }
    waiters.removeAll { $0.until <= now }
  }

  /// Closes what is too old, and what nobody has needed for a while.
  private mutating func retireIdle(_ now: NIODeadline, _ actions: inout [Action]) {
    for id in idle where shouldRetire(id, now) {
      entries[id] = nil
      idle.removeAll { $0 == id }
      actions.append(.close(id))
    }
  }

  private func shouldRetire(_ id: ConnectionID, _ now: NIODeadline) -> Bool {
    guard let entry = entries[id], case .idle(let since) = entry.status else { return false }
    let isSpare = entries.count > limits.idleConnections
    return entry.expires <= now || (isSpare && now - since >= limits.idleTimeout)
  }

  private mutating func connectWhatIsNeeded(_ now: NIODeadline, _ actions: inout [Action]) {
    guard isNeeded, !isShutDown else { return }
    let connecting = entries.values.count { $0.status == .connecting }
    // While the server is out of reach, callers are refused at once: somebody must find out when it
    // is back.
    let wanted = failures > 0 ? max(1, limits.idleConnections) : limits.idleConnections
    let missing = max(waiters.count - connecting, wanted - entries.count)
    var count = min(missing, limits.connections - entries.count)
    if let retryAt {
      // After a failure one attempt at a time, and not before its time.
      count = retryAt <= now && connecting == 0 ? min(count, 1) : 0
    }
    for _ in 0..<max(0, count) {
      let id = ConnectionID(number: nextID)
      nextID += 1
      entries[id] = Entry(status: .connecting, expires: .distantFuture)
      actions.append(.connect(id))
    }
  }

  private mutating func finishOrWake(_ now: NIODeadline, _ actions: inout [Action]) {
    if isShutDown {
      guard entries.isEmpty, !isFinished else { return }
      isFinished = true
      actions.append(.finished)
      return
    }
    guard let next = nextChange(now), armed.map({ next < $0 }) ?? true else { return }
    armed = next
    actions.append(.wake(next))
  }

  /// When something is to be done even if nothing happens.
  private func nextChange(_ now: NIODeadline) -> NIODeadline? {
    var next = waiters.lazy.map(\.until).min()
    func consider(_ moment: NIODeadline) { next = min(next ?? moment, moment) }
    if let retryAt, retryAt > now { consider(retryAt) }
    let isSpare = entries.count > limits.idleConnections
    for id in idle {
      guard let entry = entries[id], case .idle(let since) = entry.status else { continue }
      consider(entry.expires)
      if isSpare { consider(since + limits.idleTimeout) }
    }
    return next
  }
}
