package import Base
package import BigCommerce
package import Postgres

/// A store that this replica is to ask for its name, under a lease.
package struct NameClaim: Hashable, Sendable {
  package let installation: InstallationID
  /// Whether the store has granted a scope that lets us.
  package let mayRead: Bool
}

/// What stores call themselves, and which of them are asked when.
///
/// All times are the database's. A lease keeps two replicas from asking the same store.
package struct StoreNames: Sendable {
  /// A name that was read is read again after so many days.
  package static let readEvery = Duration.seconds(7 * 86_400)

  private let database: Database

  package init(database: Database) {
    self.database = database
  }

  /// Takes stores that are due, the longest due first.
  package func claim(limit: Int, lease: Duration) async throws(PostgresError) -> [NameClaim] {
    let result = try await database.query(
      Statement(
        """
        UPDATE store_names AS claimed SET lease_until = now() + $2::bigint * interval '1 microsecond'
        FROM (
          SELECT app_id, store_hash FROM store_names
          WHERE next_read_at <= now() AND (lease_until IS NULL OR lease_until <= now())
          ORDER BY next_read_at LIMIT $1 FOR UPDATE SKIP LOCKED
        ) AS due, installations AS installation
        WHERE claimed.app_id = due.app_id AND claimed.store_hash = due.store_hash
          AND installation.app_id = due.app_id AND installation.store_hash = due.store_hash
        RETURNING claimed.app_id, claimed.store_hash, installation.scopes && $3 AS may_read
        """,
        [
          Int64(limit), lease.inMicroseconds,
          Scopes.names(granting: "store_v2_information_read_only"),
        ]))
    return try result.rows.map { row throws(PostgresError) in
      NameClaim(installation: try row.installation(), mayRead: try row.decode("may_read"))
    }
  }

  /// Writes down what a store said; it is asked again after ``readEvery``.
  ///
  /// Nothing is written of a store whose data were deleted.
  package func note(
    _ name: OwnName, of installation: InstallationID
  ) async throws(PostgresError) {
    _ = try await database.query(
      Statement(
        """
        UPDATE store_names SET name = $3, domain = $4, name_key = $6, domain_key = $7, read_at = now(),
          lease_until = NULL,
          next_read_at = CASE WHEN next_read_at IS NOT NULL THEN now() + $5::bigint * interval '1 microsecond' END
        WHERE app_id = $1 AND store_hash = $2
        """,
        [
          installation.app.text, installation.store.text, name.name, name.domain,
          StoreNames.readEvery.inMicroseconds, name.nameKey, name.domainKey,
        ]))
  }

  /// Gives a store back that told nothing; it is asked again after that time.
  package func postpone(_ claim: NameClaim, by pause: Duration) async throws(PostgresError) {
    _ = try await database.query(
      Statement(
        """
        UPDATE store_names SET lease_until = NULL, next_read_at = now() + $3::bigint * interval '1 microsecond'
        WHERE app_id = $1 AND store_hash = $2 AND next_read_at IS NOT NULL
        """,
        [
          claim.installation.app.text, claim.installation.store.text, pause.inMicroseconds,
        ]))
  }
}
