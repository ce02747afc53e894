import Base
package import Logging
package import Postgres
import ServiceLifecycle
import Spooling
import Storage
package import Vault

/// Carries out what waits in the spool, in order, as soon as the database is there.
package struct SpoolReplay: Service {
  /// What one pass came to.
  package struct Pass: Hashable, Sendable {
    package var carriedOut = 0
    package var setAside = 0
    /// The database did not take a record; it and those after it wait for the next pass.
    package var isBlocked = false
  }

  private let spool: InstallSpool
  private let writes: InstallationWrites
  private let endings: CallbackWrites
  private let interval: Duration
  private let logger: Logger

  package init(
    spool: InstallSpool, database: Database, keyring: Keyring, interval: Duration = .seconds(1),
    logger: Logger
  ) {
    self.spool = spool
    writes = InstallationWrites(database: database, keyring: keyring)
    endings = CallbackWrites(database: database)
    self.interval = interval
    self.logger = logger
  }

  package func run() async {
    await cancelWhenGracefulShutdown {
      while !Task.isCancelled {
        if spool.pendingCount > 0 { _ = await pass() }
        try? await Task.sleep(for: interval)
      }
    }
  }

  /// Tries every record that waits, oldest first, once.
  package func pass() async -> Pass {
    var pass = Pass()
    for entry in await spool.pending() {
      switch await spool.read(entry) {
      case .gone: continue
      case .unreadable(let reason):
        await spool.setAside(entry, because: reason)
        pass.setAside += 1
      case .record(let record):
        switch await carryOut(record) {
        case .success(let result):
          await spool.remove(entry)
          pass.carriedOut += 1
          logger.notice(
            "spooled \(record.kind) carried out",
            metadata: [
              "app": "\(record.owner.app)", "store_hash": "\(record.owner.store)",
              "result": "\(result)",
            ])
        case .failure(let error) where error.isPassing:
          pass.isBlocked = true
          return pass
        case .failure(let error):
          await spool.setAside(entry, because: "\(error)")
          pass.setAside += 1
        }
      }
    }
    return pass
  }

  /// - Returns: the result in a word, for the log.
  private func carryOut(_ record: SpoolRecord) async -> Result<String, PostgresError> {
    await Deadline.settle(
      within: .seconds(5), each: .seconds(5)
    ) { () throws(PostgresError) in
      switch record {
      case .install(let write, let attempt):
        "\(try await writes.install(write, attempt: attempt))"
      case .uninstall(let token, let act): "\(try await endings.uninstall(token, act: act))"
      case .removeUser(let token, let act): "\(try await endings.removeUser(token, act: act))"
      }
    }
  }
}
