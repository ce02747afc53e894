package import Base
package import BigCommerce
package import Postgres

/// What it means for an app's stores that some scopes are required.
package struct ScopeDriftSummary: Hashable, Sendable {
  /// One required scope, and how many installed stores have it, or one that implies it.
  package struct Standing: Hashable, Sendable {
    package let scope: String
    package let granted: Int
    package let missing: Int
  }

  /// What the settings require now, and since when.
  package let required: Scopes
  package let requiredSince: Timestamp
  /// Stores that have the app; uninstalled ones are not among them.
  package let installed: Int
  /// Those of them that lack at least one of the scopes asked for.
  package let missing: Int
  package let standings: [Standing]
}

/// Compares what stores granted with what is required, or would be.
package struct ScopeDrift: Sendable {
  private let database: Database

  package init(database: Database) {
    self.database = database
  }

  /// How many of the app's stores have each of some scopes, and all of them; without `scopes` those
  /// that the settings require.
  ///
  /// - Returns: `nil` when the app was never registered.
  package func summary(
    of app: AppName, requiring scopes: Scopes?, among granted: Grant.Stores
  ) async throws(PostgresError) -> ScopeDriftSummary? {
    let found = try await database.query(
      Statement(
        "SELECT required_scopes, required_scopes_changed_at FROM apps WHERE app_id = $1",
        [app.text]))
    guard let row = found.rows.first else { return nil }
    let required = Scopes(try row.decode("required_scopes", as: [String].self))
    let pairs = ScopeCoverage(scopes: scopes ?? required, isMet: true).pairs
    let result = try await database.query(
      Statement(
        """
        WITH wanted AS MATERIALIZED (
          SELECT scope, array_agg(name) AS names FROM unnest($2::text[], $3::text[]) AS pair (scope, name)
          GROUP BY scope
        ), installed AS MATERIALIZED (
          SELECT scopes, count(*) AS stores FROM installations i
          WHERE app_id = $1 AND state <> 'uninstalled'
            AND ($4::text[] IS NULL OR i.store_hash = ANY ($4) OR i.labels && $5)
          GROUP BY scopes
        ), total AS (
          SELECT coalesce(sum(stores), 0)::bigint AS installed FROM installed
        )
        SELECT scope, installed,
          (SELECT coalesce(sum(stores), 0)::bigint FROM installed WHERE scopes && names) AS granted
        FROM wanted, total
        UNION ALL
        SELECT '', installed, (SELECT coalesce(sum(stores), 0)::bigint FROM installed
          WHERE NOT EXISTS (SELECT FROM wanted WHERE NOT installed.scopes && wanted.names))
        FROM total
        ORDER BY 1
        """,
        [
          app.text, pairs.map(\.scope), pairs.map(\.name), granted.hashes, granted.labels,
        ]))
    var standings: [ScopeDriftSummary.Standing] = []
    var (installed, complete) = (0, 0)
    for row in result.rows {
      let scope = try row.decode("scope", as: String.self)
      installed = try row.decode("installed")
      let granted = try row.decode("granted", as: Int.self)
      if scope.isEmpty {
        complete = granted
      } else {
        standings.append(
          .init(scope: scope, granted: granted, missing: installed - granted))
      }
    }
    return ScopeDriftSummary(
      required: required, requiredSince: try row.decode("required_scopes_changed_at"),
      installed: installed, missing: installed - complete, standings: standings)
  }
}
