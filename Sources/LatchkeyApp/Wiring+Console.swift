import Base
import Gateway
import Postgres
import Storage
import Upstream
import Web

extension Wiring {
  /// The console, over the same API and with the same keys as everybody else.
  func console(_ api: APIRoutes) throws -> Console {
    let lines = ConsoleAudit(database: session.database)
    let names = StoreNames(database: session.database)
    return try Console(
      Console.Parts(
        keyring: session.keyring, api: api, gateway: parts.gateway,
        authenticate: authenticate, callers: caller,
        audit: ConsoleAuditing { act, action, installation, details throws(Problem) in
          do throws(PostgresError) {
            try await lines.write(act, action, about: installation, details)
          } catch {
            throw .databaseUnavailable
          }
        },
        names: { installation, name throws(Problem) in
          do throws(PostgresError) {
            try await names.note(name, of: installation)
          } catch {
            throw .databaseUnavailable
          }
        },
        proxy: settings.consoleProxy, draining: draining))
  }

  /// The caller of a key's ID, checked against what this replica knows now.
  private func caller(_ keyID: String) -> Result<ConsoleCaller, Problem> {
    guard let snapshot = parts.directory.current() else { return .failure(.databaseUnavailable) }
    guard let key = snapshot.caller(id: keyID, at: WallClock.system.now()) else {
      return .failure(.keyInvalid)
    }
    return .success(
      ConsoleCaller(
        caller: APICaller(
          keyID: key.id, grant: key.grant, labels: { snapshot.store($0)?.labels ?? [] },
          again: { caller(keyID).map(\.caller) }), name: key.record.name))
  }
}
