package import Base
package import BigCommerce
package import Postgres

/// An app registration as the database knows it.
package struct AppRecord: Sendable {
  let name: AppName
  let clientID: String
  let requiredScopes: Scopes

  package init(_ name: AppName, _ clientID: String, _ requiredScopes: Scopes) {
    self.name = name
    self.clientID = clientID
    self.requiredScopes = requiredScopes
  }
}

/// The apps that the settings describe, so that rows can refer to them.
package struct AppRegistry: Sendable {
  private let database: Database

  package init(database: Database) {
    self.database = database
  }

  /// Makes the rows say what the settings say; apps that are no longer set keep theirs.
  ///
  /// All replicas do it at every start; the date of a change of scopes is that of the first.
  package func record(_ apps: [AppRecord]) async throws(PostgresError) {
    _ = try await database.transaction(
      apps.sorted { $0.name < $1.name }.map { app in
        Statement(
          """
          INSERT INTO apps AS known (app_id, client_id, required_scopes) VALUES ($1, $2, $3)
          ON CONFLICT (app_id) DO UPDATE SET
            client_id = excluded.client_id,
            required_scopes_changed_at = CASE
              WHEN known.required_scopes = excluded.required_scopes THEN known.required_scopes_changed_at
              ELSE now() END,
            required_scopes = excluded.required_scopes
          """,
          [app.name.text, app.clientID, app.requiredScopes.names])
      })
  }
}
