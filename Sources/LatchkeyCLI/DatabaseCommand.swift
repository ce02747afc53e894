import LatchkeyApp
import Postgres
import Vault

/// What commands on the database have in common.
enum DatabaseCommand {
  /// Reads the settings, opens the database, and lends it.
  ///
  /// - Throws: all wrong settings together, before anything is opened.
  static func run<Value: Sendable>(
    _ console: Console, _ body: @escaping @Sendable (Database, Keyring) async throws -> Value
  ) async throws -> Value {
    let core = try CoreSettings(reading: console.environment)
    return try await DatabaseSession.with(core, body)
  }
}
