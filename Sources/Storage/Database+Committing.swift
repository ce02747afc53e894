import Postgres

extension Database {
  /// ``withTransaction(_:)`` for a body that does nothing but ask the database.
  ///
  /// One that lost against another transaction is tried again, three times in all.
  func committing<Success: Sendable>(
    _ body: @Sendable (Transaction) async throws(PostgresError) -> Success
  ) async throws(PostgresError) -> Success {
    try await repeating { () throws(PostgresError) in try await committingOnce(body) }
  }

  private func committingOnce<Success: Sendable>(
    _ body: @Sendable (Transaction) async throws(PostgresError) -> Success
  ) async throws(PostgresError) -> Success {
    do {
      return try await withTransaction { transaction in try await body(transaction) }
    } catch let error as PostgresError {
      throw error
    } catch {
      // Nothing throws it; if something did, nobody would know how far the commit had come.
      throw .unknownOutcome
    }
  }
}
