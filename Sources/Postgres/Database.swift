import Base
package import Logging
import NIOCore
package import Reactor
import ServiceLifecycle

/// A PostgreSQL database behind a pool of connections.
///
/// Nothing is remembered between two calls (no prepared statements, no session settings), so a
/// pooler in transaction mode may stand in between. Every call is answered within its deadline,
/// whatever the server does.
package final class Database: Service, Sendable {
  package let settings: DatabaseSettings
  let pool: Pool
  let logger: Logger

  /// Connects when it is first used; the reactor must be shut down later than the database.
  package init(settings: DatabaseSettings, reactor: Reactor, logger: Logger) {
    self.settings = settings
    self.logger = logger
    pool = Pool(settings: settings, reactor: reactor, logger: logger)
  }

  /// Keeps the database until the graceful shutdown, or the task's cancellation, and closes it
  /// then.
  package func run() async throws {
    // It throws when the task is cancelled, which is a reason to close as well.
    try? await gracefulShutdown()
    await close()
  }

  /// Lends no more connections, waits until those lent are back, and closes all.
  package func close() async {
    await pool.shutDown()
  }

  /// The pool's connections and who waits for one.
  package var connectionCounts: PoolCounts { pool.counts }

  /// Runs one statement, which commits by itself.
  ///
  /// It is tried again as ``transaction(_:)`` is. When the task is cancelled after the statement was
  /// sent, its answer is still awaited.
  package func query(_ statement: Statement) async throws(PostgresError) -> QueryResult {
    let results = try await repeating { () throws(PostgresError) in
      try await exchange(.single(statement))
    }
    guard let result = results.first else { throw .unknownOutcome }
    return result
  }

  /// Runs all statements in one transaction, sent in one write: all take effect, or none.
  ///
  /// A transaction that lost against another one (``PostgresError/serialization``) is tried again,
  /// three times in all. When the task is cancelled after it was sent, its answer is still awaited.
  package func transaction(
    _ statements: [Statement]
  ) async throws(PostgresError) -> [QueryResult] {
    try await repeating { () throws(PostgresError) in
      try await exchange(.transaction(statements))
    }
  }

  /// Tries again what lost against another transaction, three times in all.
  package func repeating<Value: Sendable>(
    _ act: () async throws(PostgresError) -> Value
  ) async throws(PostgresError) -> Value {
    for _ in 0..<2 {
      do throws(PostgresError) {
        return try await act()
      } catch {
        guard error == .serialization else { throw error }
      }
    }
    return try await act()
  }

  /// Runs the body in one transaction, which commits when the body returns and is rolled back when
  /// it throws.
  ///
  /// The body must not wait for anything but the database: it holds a connection.
  ///
  /// - Throws: the body's error, or ``PostgresError``.
  package func withTransaction<T: Sendable>(
    _ body: @Sendable (Transaction) async throws -> T
  ) async throws -> T {
    let deadline = NIODeadline.now() + TimeAmount(settings.transactionTimeout)
    let connection = try await pool.acquire(until: deadline)
    let transaction = Transaction(
      connection, deadline: deadline, statementTimeout: TimeAmount(settings.statementTimeout))
    do {
      let value = try await body(transaction)
      try await transaction.commit()
      pool.release(connection, isReusable: await transaction.isConnectionReusable)
      return value
    } catch {
      await transaction.rollBack()
      if await transaction.hasMetReadOnlyServer { pool.serverIsReadOnly() }
      pool.release(connection, isReusable: await transaction.isConnectionReusable)
      throw error
    }
  }

  private func exchange(_ exchange: Exchange) async throws(PostgresError) -> [QueryResult] {
    let deadline = NIODeadline.now() + TimeAmount(settings.statementTimeout)
    let connection = try await pool.acquire(until: deadline)
    guard !Task.isCancelled else {
      pool.release(connection, isReusable: true)
      throw .cancelled
    }
    let outcome = await connection.run(exchange, until: deadline)
    if outcome.isReadOnly { pool.serverIsReadOnly() }
    pool.release(connection, isReusable: outcome.isReusable)
    return try outcome.result.get()
  }
}
