import Linux
import Logging
import NIOCore
import Reactor

/// Counts connections upward; never used twice.
struct ConnectionID: Hashable, Sendable, Comparable {
  let number: UInt64

  static func < (left: ConnectionID, right: ConnectionID) -> Bool { left.number < right.number }
}

/// One PostgreSQL connection. All its work, libpq's included, happens on one event loop.
///
/// It is always in libpq's pipeline mode: whatever is sent together has one synchronisation point.
/// No cancel request is ever sent (`PQcancel`): it could hit a commit that waits for a standby,
/// which the server then reports as a success. What is no longer awaited ends with its connection,
/// see ``DatabaseSettings/serverSettings``.
actor Connection {
  /// What becomes of a connection, told to its owner on the loop.
  enum Event: Sendable {
    case established
    /// The attempt failed, with what libpq says.
    case failed(String)
    /// The connection was closed, by us or by the server.
    case closed
  }

  /// What an exchange came to.
  struct Outcome: Sendable {
    let result: Result<[QueryResult], PostgresError>
    /// Whether the connection may be used by others: it is established and in no transaction.
    let isReusable: Bool
    /// Whether the connection is established.
    let isAlive: Bool
    /// Whether the server takes no writes, so that its other connections are of no use either.
    var isReadOnly = false
  }

  /// The exchange that is under way.
  private struct Current {
    let number: UInt64
    let exchange: Exchange
    var reader: AnswerReader
    let timer: Scheduled<Void>
    let whenDone: CheckedContinuation<Outcome, Never>
    /// The outcome that is told when the ROLLBACK that had to follow is answered.
    var kept: Result<[QueryResult], PostgresError>?
  }

  private enum Phase {
    case connecting, ready, closed
  }

  nonisolated let id: ConnectionID
  nonisolated let loop: any EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe loop.executor.asUnownedSerialExecutor()
  }

  let reactor: Reactor
  let logger: Logger
  private let report: @Sendable (Event) -> Void
  private var phase = Phase.connecting
  var handle: ConnectionHandle?
  var registration: Registration?
  var attempt: ConnectAttempt?
  private var current: Current?
  /// Statements of one transaction that were called for at the same time take turns.
  private var turns: [CheckedContinuation<Void, Never>] = []
  private var nextNumber: UInt64 = 1

  /// Does nothing yet; `report` is called on the loop.
  init(
    id: ConnectionID, loop: any EventLoop, reactor: Reactor, logger: Logger,
    report: @escaping @Sendable (Event) -> Void
  ) {
    self.id = id
    self.loop = loop
    self.reactor = reactor
    self.logger = logger
    self.report = report
  }

  /// Sends the exchange and waits for all of its answer.
  ///
  /// Cancellation ends only an exchange that commits nothing, and with it the connection; any other
  /// is waited for.
  func run(_ exchange: Exchange, until deadline: NIODeadline) async -> Outcome {
    let encoded: [(sql: StaticString, binds: EncodedBinds)]
    do throws(PostgresError) {
      encoded = try exchange.encoded()
    } catch {
      return Outcome(
        result: .failure(error), isReusable: handle?.isIdle ?? false, isAlive: phase == .ready)
    }
    while current != nil { await withCheckedContinuation { turns.append($0) } }
    guard phase == .ready, let handle, !handle.isBad else {
      return Outcome(result: .failure(.unavailable), isReusable: false, isAlive: false)
    }
    let number = nextNumber
    nextNumber += 1
    return await withTaskCancellationHandler {
      await withCheckedContinuation { whenDone in
        current = Current(
          number: number, exchange: exchange, reader: AnswerReader(exchange),
          timer: timer(number, deadline), whenDone: whenDone)
        if Task.isCancelled, exchange.mayBeAbandoned {
          abandon(.cancelled)
        } else {
          send(exchange, encoded, on: handle)
        }
      }
    } onCancel: {
      loop.execute { self.assumeIsolated { $0.cancel(number) } }
    }
  }

  /// Ends the connection; harmless when it has ended.
  ///
  /// Whoever waits for an answer is told.
  func close() {
    guard phase != .closed else { return }
    phase = .closed
    attempt?.end()
    attempt = nil
    stopWatching()
    if let current { finish(current, current.kept ?? .failure(current.exchange.whenLost)) }
    handle?.finish()
    handle = nil
    turns.forEach { $0.resume() }
    turns = []
    report(.closed)
  }

  /// The server has accepted the connection.
  func established(_ handle: ConnectionHandle) {
    attempt?.end()
    attempt = nil
    self.handle = handle
    guard handle.prepare(), watch(handle, for: .readable) else {
      fail("the connection cannot be made ready")
      return
    }
    phase = .ready
    report(.established)
  }

  /// There is nothing more to try.
  func fail(_ reason: String) {
    guard phase == .connecting else { return }
    phase = .closed
    attempt?.end()
    attempt = nil
    stopWatching()
    handle?.finish()
    handle = nil
    report(.failed(reason))
  }

  /// Watches the handle's present descriptor.
  ///
  /// To be ended before libpq may close that.
  func watch(_ handle: ConnectionHandle, for interest: Readiness) -> Bool {
    do throws(ReactorError) {
      registration = try reactor.register(fd: handle.socket, on: loop, interest: interest) {
        ready in
        self.assumeIsolated { $0.ready(ready) }
      }
      return true
    } catch {
      logger.error("A database connection cannot be watched", metadata: ["reason": "\(error)"])
      return false
    }
  }

  func stopWatching() {
    registration?.cancel()
    registration = nil
  }

  private func ready(_ readiness: Readiness) {
    switch phase {
    case .connecting: continueConnecting()
    case .ready: current == nil ? lookAtIdleConnection() : exchangeIsReady(readiness)
    case .closed: break
    }
  }

  /// The server speaks without being asked: a notice, or its end.
  private func lookAtIdleConnection() {
    guard let handle else { return }
    let isAlive = handle.consume()
    // Parses what has come, so that notices are seen.
    _ = handle.isBusy
    handle.takeNotices().forEach(log)
    if !isAlive || handle.isBad { close() }
  }

  private func exchangeIsReady(_ readiness: Readiness) {
    guard let handle else { return }
    if readiness.contains(.writable) { flush(handle) }
    let isAlive = handle.consume()
    readAnswers(handle, isAlive: isAlive && !handle.isBad)
  }

  private func send(
    _ exchange: Exchange, _ encoded: [(sql: StaticString, binds: EncodedBinds)],
    on handle: ConnectionHandle
  ) {
    if case .script(let text) = exchange.content {
      guard handle.sendScript(text) else { return abandon(.connectionLost) }
      return flush(handle)
    }
    for (index, statement) in encoded.enumerated() {
      guard handle.send(statement.sql, statement.binds) else {
        // libpq sends early when much is queued, so this statement may be gone, but none after it.
        let isCommitting = exchange.commitsAt.map { index >= $0 } ?? false
        return abandon(isCommitting ? .unknownOutcome : .connectionLost)
      }
    }
    guard handle.sync() else { return abandon(exchange.whenLost) }
    flush(handle)
  }

  private func flush(_ handle: ConnectionHandle) {
    let flushed = handle.flush()
    do throws(ReactorError) {
      // A failed write is met when reading, where the server's last words may be, too.
      try registration?.update(
        interest: flushed == .blocked ? [.readable, .writable] : .readable)
    } catch {
      abandon(current?.exchange.whenLost ?? .connectionLost)
    }
  }

  private func readAnswers(_ handle: ConnectionHandle, isAlive: Bool) {
    var emptyInARow = 0
    while !handle.isBusy, let answering = current, emptyInARow < 3 {
      let answer = handle.nextAnswer()
      if case .endOfStatement = answer { emptyInARow += 1 } else { emptyInARow = 0 }
      for notice in handle.takeNotices() {
        log(notice)
        current?.reader.read(notice)
      }
      guard let end = current?.reader.read(answer) else { continue }
      return complete(answering, end, handle)
    }
    if let current, !isAlive || emptyInARow >= 3 {
      complete(current, current.reader.lost(), handle)
    }
  }

  private func complete(_ done: Current, _ end: AnswerReader.End, _ handle: ConnectionHandle) {
    switch end {
    case .lost(let error):
      abandon(error)
    case .readOnly:
      abandon(.unavailable, isReadOnly: true)
    case .complete(let result):
      if case .script = done.exchange.content, !handle.endScript() {
        return abandon(.connectionLost)
      }
      if done.exchange.commitsAt != nil, done.kept == nil, !handle.isIdle {
        rollBack(done, result, handle)
      } else {
        finish(done, done.kept ?? result)
      }
    }
  }

  /// A transaction that failed half-way is still open on the server.
  private func rollBack(
    _ failed: Current, _ result: Result<[QueryResult], PostgresError>, _ handle: ConnectionHandle
  ) {
    current = Current(
      number: failed.number, exchange: .rollback, reader: AnswerReader(.rollback),
      timer: failed.timer, whenDone: failed.whenDone, kept: result)
    guard let binds = try? EncodedBinds([]), handle.send(Statement.rollback.sql, binds),
      handle.sync()
    else { return abandon(.connectionLost) }
    flush(handle)
  }

  private func finish(_ done: Current, _ result: Result<[QueryResult], PostgresError>) {
    current = nil
    done.timer.cancel()
    let isAlive = phase == .ready
    done.whenDone.resume(
      returning: Outcome(
        result: result, isReusable: isAlive && handle?.isIdle == true, isAlive: isAlive))
    if !turns.isEmpty { turns.removeFirst().resume() }
  }

  /// Gives up the exchange that is under way, and the connection with it.
  private func abandon(_ error: PostgresError, isReadOnly: Bool = false) {
    guard let current else { return close() }
    self.current = nil
    current.timer.cancel()
    close()
    current.whenDone.resume(
      returning: Outcome(
        result: current.kept ?? .failure(error), isReusable: false, isAlive: false,
        isReadOnly: isReadOnly))
  }

  private func timer(_ number: UInt64, _ deadline: NIODeadline) -> Scheduled<Void> {
    loop.scheduleTask(deadline: deadline) {
      self.assumeIsolated { $0.deadlinePassed(number) }
    }
  }

  private func deadlinePassed(_ number: UInt64) {
    guard let current, current.number == number else { return }
    logger.warning("The database did not answer in time; its connection is closed")
    abandon(current.exchange.whenLost)
  }

  private func cancel(_ number: UInt64) {
    guard let current, current.number == number, current.kept == nil,
      current.exchange.mayBeAbandoned
    else { return }
    abandon(.cancelled)
  }

  private func log(_ notice: Notice) {
    let level: Logger.Level = notice.severity == "WARNING" ? .warning : .debug
    logger.log(
      level: level, "PostgreSQL: \(notice.message)", metadata: ["sqlstate": "\(notice.sqlState)"])
  }
}

extension Exchange {
  /// The statements as libpq takes them, so that nothing is queued when one cannot be sent.
  func encoded() throws(PostgresError) -> [(sql: StaticString, binds: EncodedBinds)] {
    guard case .pipeline(let statements) = content else { return [] }
    var encoded: [(sql: StaticString, binds: EncodedBinds)] = []
    for statement in statements {
      encoded.append((statement.sql, try EncodedBinds(statement.binds)))
    }
    return encoded
  }
}
