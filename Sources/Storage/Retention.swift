package import Base
package import Postgres

/// Forgets what has served its time.
///
/// Every function does a bounded piece and says whether there was any.
/// Several replicas may run them at once: each takes rows that no other has locked.
package struct Retention: Sendable {
  /// How many rows one statement deletes at most.
  package static let batch: Int64 = 500

  private let database: Database

  package init(database: Database) {
    self.database = database
  }

  /// Forgets tickets that can no longer be redeemed.
  ///
  /// - Returns: how many.
  package func forgetTickets() async throws(PostgresError) -> Int {
    try await forget(
      """
      WITH due AS MATERIALIZED (
        SELECT app_id, store_hash, ticket_sha256 FROM tickets WHERE expires_at < now()
        LIMIT $1 FOR UPDATE SKIP LOCKED
      )
      DELETE FROM tickets USING due
      WHERE (tickets.app_id, tickets.store_hash, tickets.ticket_sha256)
        = (due.app_id, due.store_hash, due.ticket_sha256)
      """)
  }

  /// Forgets callback tokens that no verifier would accept any more.
  ///
  /// - Returns: how many.
  package func forgetCallbackTokens() async throws(PostgresError) -> Int {
    try await forget(
      """
      WITH due AS MATERIALIZED (
        SELECT app_id, store_hash, jti FROM callback_tokens WHERE expires_at < now()
        LIMIT $1 FOR UPDATE SKIP LOCKED
      )
      DELETE FROM callback_tokens USING due
      WHERE (callback_tokens.app_id, callback_tokens.store_hash, callback_tokens.jti)
        = (due.app_id, due.store_hash, due.jti)
      """)
  }

  /// Forgets writes whose `Idempotency-Key` is a day old, with their answers.
  ///
  /// - Returns: how many.
  package func forgetKeyedWrites() async throws(PostgresError) -> Int {
    try await forget(
      """
      WITH due AS MATERIALIZED (
        SELECT app_id, store_hash, caller, key_sha256 FROM keyed_writes WHERE expires_at <= now()
        ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
      )
      DELETE FROM keyed_writes USING due
      WHERE (keyed_writes.app_id, keyed_writes.store_hash, keyed_writes.caller, keyed_writes.key_sha256)
        = (due.app_id, due.store_hash, due.caller, due.key_sha256)
      """)
  }

  /// Forgets attempts that ended: failed ones after a day, the others after 30 days.
  ///
  /// A lost one stays while no newer token has come, because a load names it.
  ///
  /// - Returns: how many.
  package func forgetAttempts() async throws(PostgresError) -> Int {
    try await forget(
      """
      WITH due AS MATERIALIZED (
        SELECT app_id, store_hash, attempt_id FROM install_attempts attempt
        WHERE started_at < now() - interval '1 day'
          AND (state = 'failed'
            OR state IN ('done', 'lost') AND started_at < now() - interval '30 days')
          AND NOT (state = 'lost' AND EXISTS (SELECT FROM installations known
            WHERE known.app_id = attempt.app_id AND known.store_hash = attempt.store_hash
              AND known.state <> 'uninstalled' AND known.token_stored_at < attempt.started_at))
        LIMIT $1 FOR UPDATE OF attempt SKIP LOCKED
      )
      DELETE FROM install_attempts attempt USING due
      WHERE (attempt.app_id, attempt.store_hash, attempt.attempt_id)
        = (due.app_id, due.store_hash, due.attempt_id)
      """)
  }

  /// Runs a statement that deletes at most `$1` rows.
  private func forget(_ sql: StaticString) async throws(PostgresError) -> Int {
    try await database.query(Statement(sql, [Retention.batch])).affected
  }

  /// Deletes the personal data of one store that was uninstalled longer ago than that.
  ///
  /// - Returns: the store, or `nil` when none is due.
  package func deleteUninstalled(
    after days: Int
  ) async throws(PostgresError) -> InstallationID? {
    try await database.committing { transaction throws(PostgresError) in
      let found = try await transaction.query(
        Statement(
          """
          SELECT app_id, store_hash FROM installations
          WHERE state = 'uninstalled' AND data_purged_at IS NULL
            AND uninstalled_at < now() - make_interval(days => $1::integer)
          ORDER BY uninstalled_at LIMIT 1 FOR UPDATE SKIP LOCKED
          """, [days]))
      guard let row = found.rows.first else { return nil }
      let installation = try row.installation()
      for statement in Statement.deleteData(of: installation, .latchkey) {
        _ = try await transaction.query(statement)
      }
      _ = try await transaction.query(.markDeleted(installation))
      return installation
    }
  }
}
