package import Base
package import Postgres

/// Writes into the audit trail who used the console, beside what the acts themselves write.
package struct ConsoleAudit: Sendable {
  private let database: Database

  package init(database: Database) {
    self.database = database
  }

  /// One line, durable when this returns; `action` is a fixed word such as `console_login`.
  ///
  /// The details are identifiers only, and so are app and store, which must be well formed.
  package func write(
    _ act: Act, _ action: String, about installation: InstallationID?, _ details: JSONValue
  ) async throws(PostgresError) {
    _ = try await database.query(
      Statement(
        """
        INSERT INTO audit (actor, action, app_id, store_hash, request_id, details)
        VALUES ($1, $2, $3, $4, $5, $6)
        """,
        [
          act.actor, action, installation?.app.text, installation?.store.text, act.requestID?.text,
          details,
        ]))
  }
}
