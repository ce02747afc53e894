package import Base
package import BigCommerce
package import Postgres

/// Counts installations by app and state, of what a grant holds.
package struct FleetCount: Sendable {
  private let database: Database

  package init(database: Database) {
    self.database = database
  }

  /// How many installations are in each state; what there is none of is absent.
  ///
  /// Without a list of stores it is read from the index of states alone.
  package func states(
    of apps: [AppName], among granted: Grant.Stores
  ) async throws(PostgresError) -> [AppName: [InstallationState: Int]] {
    let result = try await database.query(
      Statement(
        """
        SELECT app_id, state, count(*) AS number FROM installations
        WHERE app_id = ANY ($1::text[])
          AND ($2::text[] IS NULL OR store_hash = ANY ($2) OR labels && $3)
        GROUP BY app_id, state
        """, [apps.map(\.text), granted.hashes, granted.labels]))
    var counts: [AppName: [InstallationState: Int]] = [:]
    for row in result.rows {
      guard let app = AppName(try row.decode("app_id", as: String.self)),
        let state = InstallationState(rawValue: try row.decode("state"))
      else { throw .decoding(column: "state", expected: "an app's name and an installation state") }
      counts[app, default: [:]][state] = try row.decode("number")
    }
    return counts
  }
}
