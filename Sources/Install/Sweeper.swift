import Base
package import Logging
package import Postgres
import ServiceLifecycle
import Storage

/// Finds installs whose replica died, and forgets what has served its time.
///
/// Every replica runs one.
package struct Sweeper: Service {
  private let attempts: InstallAttempts
  private let retention: Retention
  private let overdue: Duration
  private let uninstalledDays: Int
  private let logger: Logger

  /// A running attempt is lost after `overdue`; personal data of an uninstalled store are kept
  /// `uninstalledDays`.
  package init(
    database: Database, overdue: Duration = CallbackTimings().overdue, uninstalledDays: Int,
    logger: Logger
  ) {
    attempts = InstallAttempts(database: database)
    retention = Retention(database: database)
    self.overdue = overdue
    self.uninstalledDays = uninstalledDays
    self.logger = logger
  }

  package func run() async {
    await cancelWhenGracefulShutdown {
      var round = 0
      while !Task.isCancelled {
        await attempt("lost installs") { () throws(PostgresError) in try await sweepLost() }
        if round.isMultiple(of: 12) {
          await attempt("expired") { () throws(PostgresError) in try await sweepExpired() }
        }
        if round.isMultiple(of: 120) {
          await attempt("old data") { () throws(PostgresError) in try await sweepOld() }
        }
        round += 1
        try? await Task.sleep(for: .seconds(5))
      }
    }
  }

  /// Ends attempts that have run longer than any can, with an event and an audit line each.
  ///
  /// - Returns: how many.
  @discardableResult
  package func sweepLost() async throws(PostgresError) -> Int {
    var count = 0
    while let lost = try await attempts.overdue(after: overdue) {
      // Another replica may have been faster.
      guard try await attempts.lose(lost, after: overdue) else { continue }
      logger.critical(
        "install lost",
        metadata: [
          "app": "\(lost.installation.app)", "store_hash": "\(lost.installation.store)",
          "attempt": "\(lost.number)",
        ])
      count += 1
    }
    return count
  }

  /// Forgets expired tickets, callback tokens and keyed writes.
  ///
  /// - Returns: how many.
  @discardableResult
  package func sweepExpired() async throws(PostgresError) -> Int {
    let tickets = try await all { () throws(PostgresError) in try await retention.forgetTickets() }
    let tokens = try await all { () throws(PostgresError) in
      try await retention.forgetCallbackTokens()
    }
    let writes = try await all { () throws(PostgresError) in
      try await retention.forgetKeyedWrites()
    }
    return tickets + tokens + writes
  }

  /// Forgets old attempts, and deletes the personal data of stores that were uninstalled long ago.
  ///
  /// - Returns: how many stores.
  @discardableResult
  package func sweepOld() async throws(PostgresError) -> Int {
    _ = try await all { () throws(PostgresError) in try await retention.forgetAttempts() }
    var stores = 0
    while let store = try await retention.deleteUninstalled(after: uninstalledDays) {
      logger.info(
        "data deleted", metadata: ["app": "\(store.app)", "store_hash": "\(store.store)"])
      stores += 1
    }
    return stores
  }

  /// Repeats a bounded piece of work until there is none left.
  private func all(
    _ piece: () async throws(PostgresError) -> Int
  ) async throws(PostgresError) -> Int {
    var total = 0
    while true {
      let count = try await piece()
      total += count
      if count < Int(Retention.batch) { return total }
    }
  }

  private func attempt(
    _ what: String, _ work: () async throws(PostgresError) -> Int
  ) async {
    do throws(PostgresError) {
      _ = try await work()
    } catch {
      // The next round tries again; while the database is away there is nothing else to do.
      logger.warning("sweep failed", metadata: ["what": "\(what)", "cause": "\(error)"])
    }
  }
}
