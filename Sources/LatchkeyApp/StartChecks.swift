import Base
import BigCommerce
import Logging
import Postgres
import Storage
import Vault

/// What must be true before a port opens; nothing but the apps' own rows is written.
struct StartChecks: Sendable {
  let session: DatabaseSession
  let settings: Settings
  let logger: Logger

  func run() async throws {
    try await reachable()
    if case .external = settings.core.database {
      do {
        try await Migrator(Migrations.all, logger: logger).verify(on: session.database)
      } catch {
        throw StartProblem(
          "the database's schema does not fit this binary: \(error). Run: latchkey migrate")
      }
    }
    let problems = try await DatabaseHealth.check(session.database)
    guard problems.isEmpty else {
      throw StartProblem(
        "the database could lose what it has confirmed: "
          + problems.map(\.description).joined(separator: "; "))
    }
    do throws(KeyringMismatch) {
      try await VaultInventory(database: session.database, keyring: session.keyring).check()
    } catch {
      throw StartProblem(error.advice)
    }
    try await AppRegistry(database: session.database).record(
      settings.core.apps.map { AppRecord($0.name, $0.clientID, Scopes($0.scopes)) })
    for wish in settings.webhookWishes {
      try await WebhookStates(database: session.database).record(wish)
    }
    for app in settings.core.apps {
      for warning in Scopes(app.scopes).warnings {
        logger.warning("\(warning)", metadata: ["app": "\(app.name)"])
      }
    }
  }

  private func reachable() async throws {
    do throws(PostgresError) {
      _ = try await session.database.query(Statement("SELECT 1"))
    } catch {
      throw StartProblem(
        "the database cannot be reached: \(error). Check DATABASE_URL and the server.")
    }
  }
}
