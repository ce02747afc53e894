import NIOCore

/// An open transaction, lent to the body of ``Database/withTransaction(_:)``.
///
/// Statements run one at a time, in the order of the calls. `BEGIN` is sent together with the first.
package actor Transaction {
  private enum Phase {
    case untouched, open, ended
  }

  private let connection: Connection
  private let deadline: NIODeadline
  private let statementTimeout: TimeAmount
  private var phase = Phase.untouched
  private var isReusable = true

  init(_ connection: Connection, deadline: NIODeadline, statementTimeout: TimeAmount) {
    self.connection = connection
    self.deadline = deadline
    self.statementTimeout = statementTimeout
  }

  /// Runs one statement in the transaction.
  ///
  /// An error of the server fails the whole transaction: what follows, the commit included, fails too. Cancellation
  /// ends the statement and the transaction.
  package func query(_ statement: Statement) async throws(PostgresError) -> QueryResult {
    let results = try await run(.inside(statement, isFirst: phase == .untouched))
    guard let result = results.first else { throw .connectionLost }
    return result
  }

  /// Runs several statements that were written in one text; only for migrations.
  func script(_ text: String) async throws(PostgresError) {
    guard phase == .open else { throw .unavailable }
    _ = try await run(.script(text))
  }

  func commit() async throws(PostgresError) {
    let wasOpen = phase == .open
    phase = .ended
    guard wasOpen else { return }
    let outcome = await connection.run(.commit, until: end())
    isReusable = outcome.isReusable
    _ = try outcome.result.get()
  }

  /// Ends the transaction without effect; when that fails, the connection is not used again.
  func rollBack() async {
    let wasOpen = phase == .open
    phase = .ended
    guard wasOpen, isReusable else { return }
    let outcome = await connection.run(.rollback, until: .now() + statementTimeout)
    isReusable = outcome.isReusable
  }

  /// Whether the connection is as good as before.
  var isConnectionReusable: Bool { isReusable }

  private func run(_ exchange: Exchange) async throws(PostgresError) -> [QueryResult] {
    guard phase != .ended else { throw isReusable ? .unavailable : .connectionLost }
    guard !Task.isCancelled else { throw .cancelled }
    let isFirst = phase == .untouched
    phase = .open
    let outcome = await connection.run(exchange, until: end())
    guard !outcome.isAlive else { return try outcome.result.get() }
    isReusable = false
    phase = .ended
    do throws(PostgresError) {
      return try outcome.result.get()
    } catch {
      // Later than the first statement, "nothing was sent" is not the whole truth.
      throw error == .unavailable && !isFirst ? .connectionLost : error
    }
  }

  private func end() -> NIODeadline { min(deadline, .now() + statementTimeout) }
}
