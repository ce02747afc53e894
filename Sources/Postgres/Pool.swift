import Base
import Linux
import Logging
import NIOCore
import Reactor
import Synchronization

/// Lends connections; carries out what ``PoolState`` decides.
final class Pool: Sendable {
  private struct Guarded {
    var state: PoolState
    var connections: [ConnectionID: Connection] = [:]
    var waiting: [WaiterID: CheckedContinuation<Result<Connection, PostgresError>, Never>] = [:]
    var nextWaiter: UInt64 = 1
    var whenFinished: [CheckedContinuation<Void, Never>] = []
    var isFinished = false
    var isDown = false
    var alarm: Scheduled<Void>?
    var refusals = PoolCounts.Refusals()
  }

  /// What is done after the lock is given back.
  private enum Effect {
    case connect(Connection)
    case resume(
      CheckedContinuation<Result<Connection, PostgresError>, Never>,
      Result<Connection, PostgresError>)
    case close(Connection)
    case finish([CheckedContinuation<Void, Never>])
  }

  private let guarded: Mutex<Guarded>
  private let knowledge: ConnectKnowledge?
  private let reactor: Reactor
  private let logger: Logger

  init(settings: DatabaseSettings, reactor: Reactor, logger: Logger) {
    let limits = PoolState.Limits(settings)
    guarded = Mutex(Guarded(state: PoolState(limits: limits, seed: .random(in: 0 ... .max))))
    do throws(InvalidConnectionString) {
      knowledge = ConnectKnowledge(try ConnectionParameters(settings.connectionString), settings)
    } catch {
      logger.error("The connection string of the database is invalid: \(error)")
      knowledge = nil
    }
    self.reactor = reactor
    self.logger = logger
  }

  /// Waits for a connection, no longer than the pool's limit and the deadline.
  ///
  /// Tasks of more than ordinary priority come first: merchants and BigCommerce wait for them.
  func acquire(until deadline: NIODeadline) async throws(PostgresError) -> Connection {
    guard !Task.isCancelled else { throw .cancelled }
    let waiter = guarded.withLock { guarded in
      defer { guarded.nextWaiter += 1 }
      return WaiterID(number: guarded.nextWaiter)
    }
    let result = await withTaskCancellationHandler {
      await withCheckedContinuation { whenLent in
        handle(
          .requested(waiter, until: deadline, isUrgent: Task.currentPriority > .medium),
          adding: whenLent)
        // A cancellation before this point found nobody who waits.
        if Task.isCancelled { withdraw(waiter) }
      }
    } onCancel: {
      withdraw(waiter)
    }
    return try result.get()
  }

  /// Takes a lent connection back.
  func release(_ connection: Connection, isReusable: Bool) {
    handle(.returned(connection.id, reusable: isReusable))
  }

  /// The server that the pool is connected to takes no writes: what is connected now is not lent
  /// again.
  func serverIsReadOnly() {
    logger.warning("The database takes no writes; looking for another server")
    handle(.serverChanged)
  }

  /// A connection of its own for a caller who keeps it for long, such as the migrator; not counted.
  func makeConnection() async throws(PostgresError) -> Connection {
    guard let knowledge else { throw .unavailable }
    let (events, told) = AsyncStream.makeStream(of: Connection.Event.self)
    let connection = Connection(
      id: ConnectionID(number: 0), loop: reactor.next(), reactor: reactor, logger: logger
    ) { event in
      told.yield(event)
    }
    await connection.connect(knowledge)
    for await event in events {
      if case .established = event { return connection }
      if case .failed(let reason) = event { logConnectFailure(reason, .warning) }
      break
    }
    await connection.close()
    throw Task.isCancelled ? .cancelled : .unavailable
  }

  /// Lends no more, and returns when the last connection is closed.
  func shutDown() async {
    handle(.shutDown)
    await withCheckedContinuation { (finished: CheckedContinuation<Void, Never>) in
      let isFinished = guarded.withLock { guarded in
        if !guarded.isFinished { guarded.whenFinished.append(finished) }
        return guarded.isFinished
      }
      if isFinished { finished.resume() }
    }
  }

  /// For metrics and tests.
  var counts: PoolCounts {
    guarded.withLock { guarded in
      PoolCounts(
        connections: guarded.state.connectionCount, idle: guarded.state.idleCount,
        waiters: guarded.state.waiterCount, refusals: guarded.refusals)
    }
  }

  private func withdraw(_ waiter: WaiterID) {
    handle(.withdrew(waiter))
    let waiting = guarded.withLock { $0.waiting.removeValue(forKey: waiter) }
    waiting?.resume(returning: .failure(.cancelled))
  }

  private func handle(
    _ event: PoolState.Event,
    adding whenLent: CheckedContinuation<Result<Connection, PostgresError>, Never>? = nil
  ) {
    let effects = guarded.withLock { guarded in
      if case .requested(let waiter, _, _) = event { guarded.waiting[waiter] = whenLent }
      let actions = guarded.state.handle(event, now: .now())
      switch event {
      case .closed(let id), .connectFailed(let id): guarded.connections[id] = nil
      default: break
      }
      return actions.compactMap { effect(of: $0, &guarded) }
    }
    effects.forEach(perform)
  }

  private func effect(of action: PoolState.Action, _ guarded: inout Guarded) -> Effect? {
    switch action {
    case .connect(let id):
      let connection = makeConnection(id)
      guarded.connections[id] = connection
      return .connect(connection)
    case .lend(let id, let waiter):
      guard let connection = guarded.connections[id],
        let waiting = guarded.waiting.removeValue(forKey: waiter)
      else { preconditionFailure("only what exists is lent, and only to who waits") }
      return .resume(waiting, .success(connection))
    case .refuse(let waiter, let error):
      if error == .overloaded {
        guarded.refusals.overloaded += 1
      } else {
        guarded.refusals.unavailable += 1
      }
      return guarded.waiting.removeValue(forKey: waiter).map { .resume($0, .failure(error)) }
    case .close(let id):
      return guarded.connections.removeValue(forKey: id).map { .close($0) }
    case .wake(let moment):
      guarded.alarm?.cancel()
      guarded.alarm = reactor.loops[0].scheduleTask(deadline: moment) { [weak self] in
        self?.handle(.woke(moment))
      }
      return nil
    case .finished:
      guarded.alarm?.cancel()
      guarded.isFinished = true
      defer { guarded.whenFinished = [] }
      return .finish(guarded.whenFinished)
    }
  }

  private func perform(_ effect: Effect) {
    switch effect {
    case .connect(let connection):
      connect(connection)
    case .resume(let waiting, let result):
      waiting.resume(returning: result)
    case .close(let connection):
      connection.loop.execute { connection.assumeIsolated { $0.close() } }
    case .finish(let waiting):
      waiting.forEach { $0.resume() }
    }
  }

  private func makeConnection(_ id: ConnectionID) -> Connection {
    Connection(id: id, loop: reactor.next(), reactor: reactor, logger: logger) {
      [weak self] event in
      self?.connectionChanged(id, event)
    }
  }

  private func connect(_ connection: Connection) {
    guard let knowledge else { return handle(.connectFailed(connection.id)) }
    connection.loop.execute { connection.assumeIsolated { $0.connect(knowledge) } }
  }

  private func connectionChanged(_ id: ConnectionID, _ event: Connection.Event) {
    switch event {
    case .established:
      let wasDown = guarded.withLock { guarded in
        defer { guarded.isDown = false }
        return guarded.isDown
      }
      if wasDown { logger.notice("The database can be reached again") }
      handle(.connected(id))
    case .failed(let reason):
      let isNews = guarded.withLock { guarded in
        defer { guarded.isDown = true }
        return !guarded.isDown
      }
      logConnectFailure(reason, isNews ? .warning : .debug)
      handle(.connectFailed(id))
    case .closed:
      handle(.closed(id))
    }
  }

  private func logConnectFailure(_ reason: String, _ level: Logger.Level) {
    logger.log(level: level, "The database cannot be reached", metadata: ["reason": "\(reason)"])
  }
}

/// The pool at one moment.
package struct PoolCounts: Hashable, Sendable {
  /// Callers who were not lent a connection, since the start.
  package struct Refusals: Hashable, Sendable {
    /// All connections were lent for longer than a caller waits, or too many waited.
    package var overloaded: UInt64
    /// The database could not be reached.
    package var unavailable: UInt64

    package init(overloaded: UInt64 = 0, unavailable: UInt64 = 0) {
      self.overloaded = overloaded
      self.unavailable = unavailable
    }
  }

  /// Those that are being made included.
  package let connections: Int
  package let idle: Int
  /// Callers who wait for one.
  package let waiters: Int
  package let refusals: Refusals
}

extension PoolState.Limits {
  init(_ settings: DatabaseSettings) {
    connections = max(1, settings.connections)
    idleConnections = min(settings.idleConnections, connections)
    waiters = settings.waiters
    acquireTimeout = TimeAmount(settings.acquireTimeout)
    idleTimeout = TimeAmount(settings.idleTimeout)
    maxLifetime = TimeAmount(settings.maxLifetime)
    firstBackoff = TimeAmount(settings.backoff.first)
    lastBackoff = TimeAmount(settings.backoff.last)
  }
}
