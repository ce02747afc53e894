package import Postgres

/// Rows of the product's tables, written as a test wants them.
extension Database {
  /// An app, as a deployment registers it at its start.
  package func addApp(_ app: String = "default") async throws {
    _ = try await query(
      Statement(
        "INSERT INTO apps (app_id, client_id, required_scopes) VALUES ($1, 'client-' || $1, '{}')",
        [app]))
  }

  /// An installation in any state; without a token it is uninstalled.
  package func addInstallation(
    _ store: String, app: String = "default", state: String = "active", generation: Int = 1,
    sealedToken: [UInt8]?, scopes: [String] = []
  ) async throws {
    _ = try await query(
      Statement(
        """
        INSERT INTO installations (app_id, store_hash, state, generation, sealed_token, token_key_id, scopes, source,
          authorized_at, suspended_at)
        VALUES ($1, $2, $3, $4, $5, CASE WHEN $5::bytea IS NOT NULL THEN 'k1' END, $6, 'oauth', now(),
          CASE WHEN $3 = 'suspended' THEN now() END)
        """,
        [app, store, sealedToken == nil ? "uninstalled" : state, generation, sealedToken, scopes]))
  }

  /// Lets time pass for all that is planned in the database, which has its own clock.
  package func passTime(seconds: Int) async throws {
    _ = try await query(
      Statement(
        """
        UPDATE installations SET next_canary_at = next_canary_at - $1 * interval '1 second',
          canary_lease_until = canary_lease_until - $1 * interval '1 second',
          canary_refused_at = canary_refused_at - $1 * interval '1 second'
        """, [seconds]))
    _ = try await query(
      Statement(
        """
        UPDATE store_health SET next_check_at = next_check_at - $1 * interval '1 second',
          lease_until = lease_until - $1 * interval '1 second',
          pending_since = pending_since - $1 * interval '1 second'
        """, [seconds]))
  }

  /// One number that a statement counts.
  package func count(_ statement: Statement) async throws -> Int {
    guard let row = try await query(statement).rows.first else { return 0 }
    return try row.decode("count")
  }
}
