import LatchkeyApp
import Linux
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
    // Standard output is the command's own.
    let output = LogOutput(core.logging, stream: .standardError)
    let logger = output.logger("latchkey")
    let result: Result<Value, any Error>
    do {
      result = .success(
        try await DatabaseSession.with(core, logger: logger) { session in
          try await body(session.database, session.keyring)
        })
    } catch {
      result = .failure(error)
    }
    await output.flush()
    return try result.get()
  }
}
