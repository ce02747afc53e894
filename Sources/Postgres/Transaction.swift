import NIOCore

/// An open transaction, lent to the body of ``Database/withTransaction(_:)``.
///
/// Statements run one at a time, in the order of the calls. `BEGIN` is sent together with the
/// first.
package actor Transaction {
  private enum Phase {
    case untouched, open, ended
  }

  private let connection: Connection
  private let deadline: NIODeadline
  private let statementTimeout: TimeAmount
  private var phase = Phase.untouched
  private var isReusable = true
  /// The first error of a statement; after that nothing can be committed.
  private var failure: PostgresError?
  /// Whether a statement was refused because the server takes no writes.
  private(set) var hasMetReadOnlyServer = false

  init(_ connection: Connection, deadline: NIODeadline, statementTimeout: TimeAmount) {
    self.connection = connection
    self.deadline = deadline
    self.statementTimeout = statementTimeout
  }

  /// Runs one statement in the transaction.
  ///
  /// An error fails the whole transaction: the commit then throws it, even if the body caught it.
  /// Cancellation ends the statement and the transaction.
  package func query(_ statement: Statement) async throws(PostgresError) -> QueryResult {
    let results = try await run { .inside(statement, isFirst: $0) }
    guard let result = results.first else { throw .connectionLost }
    return result
  }

  /// Runs several statements that were written in one text; only for migrations.
  func script(_ text: String) async throws(PostgresError) {
    guard phase == .open else { throw .unavailable }
    _ = try await run { _ in .script(text) }
  }

  /// Commits what was done; a transaction in which a statement failed is rolled back, and its error
  /// thrown.
  func commit() async throws(PostgresError) {
    if let failure {
      await rollBack()
      throw failure
    }
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

  private func run(
    _ exchange: (_ isFirst: Bool) -> Exchange
  ) async throws(PostgresError) -> [QueryResult] {
    do throws(PostgresError) {
      guard phase != .ended else { throw .connectionLost }
      guard !Task.isCancelled else { throw .cancelled }
      let isFirst = phase == .untouched
      phase = .open
      let outcome = await connection.run(exchange(isFirst), until: end())
      if !outcome.isAlive { connectionEnded(outcome) }
      let results = try outcome.result.get()
      guard !outcome.isReusable else {
        phase = .ended
        throw .server(sqlState: "25P01", message: "a statement ended the transaction by itself")
      }
      return results
    } catch {
      failure = failure ?? error
      throw error
    }
  }

  private func connectionEnded(_ outcome: Connection.Outcome) {
    isReusable = false
    phase = .ended
    hasMetReadOnlyServer = outcome.isReadOnly
  }

  private func end() -> NIODeadline { min(deadline, .now() + statementTimeout) }
}
