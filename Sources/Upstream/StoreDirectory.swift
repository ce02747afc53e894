package import Base
package import Logging
package import Postgres
import ServiceLifecycle
package import Storage
import Synchronization
package import Vault

/// This replica's copy of all installations and service keys: what the hot path reads instead of
/// the database.
///
/// It polls the change counter every second. When it could not for ``staleAfter`` it says so, and
/// nothing that it knows may be used: a key revoked elsewhere must not go on working here.
package final class StoreDirectory: Service, Sendable {
  package static let pollEvery = Duration.seconds(1)
  package static let staleAfter = Duration.seconds(5)

  private struct State {
    var snapshot = DirectorySnapshot()
    /// When the last successful poll began, by the monotonic clock.
    var trueAt: Duration?
  }

  private let source: any StoreChangeSource
  private let keyring: Keyring
  private let clock: MonotonicClock
  private let logger: Logger
  private let state = Mutex(State())

  package init(
    source: any StoreChangeSource, keyring: Keyring, clock: MonotonicClock = .system, logger: Logger
  ) {
    self.source = source
    self.keyring = keyring
    self.clock = clock
    self.logger = logger
  }

  /// What is known, or `nil` when it is too old to be trusted.
  package func current() -> DirectorySnapshot? {
    let now = clock.now()
    return state.withLock { state in
      guard let trueAt = state.trueAt, now - trueAt <= Self.staleAfter else { return nil }
      return state.snapshot
    }
  }

  /// How long ago the last successful poll began; `nil` before the first.
  package var age: Duration? {
    let now = clock.now()
    return state.withLock { $0.trueAt }.map { now - $0 }
  }

  /// All stores together as far as is known, even when that is too old to be trusted for calls;
  /// `now` is by the clock of the calls.
  ///
  /// A walk over all stores.
  package func fleet(now: Duration) -> FleetStanding {
    state.withLock { $0.snapshot }.fleet(now: now)
  }

  /// Keys whose last use is not in the database yet, with its minute.
  var usedKeys: [(key: KeyEntry, minute: Int64)] {
    state.withLock { $0.snapshot }.usedKeys
  }

  /// Reads what has changed; afterwards everything committed before the call counts here.
  ///
  /// May run beside itself and beside ``run()``.
  package func refreshNow() async throws(PostgresError) {
    let began = clock.now()
    let position = state.withLock { $0.snapshot.position }
    let changes = try await source.changes(after: position)
    let entries = changes.installations.map(entry)
    state.withLock { state in
      state.snapshot.apply(changes, entries)
      state.trueAt = max(state.trueAt ?? began, began)
    }
    await tellUnreadable(zip(changes.installations, entries).filter { $0.1.isUnreadable }.map(\.0))
  }

  /// Polls until the task is cancelled or the service group shuts down.
  package func run() async throws {
    await cancelWhenGracefulShutdown {
      var failures = 0
      var polls = 0
      while !Task.isCancelled {
        polls += 1
        if polls.isMultiple(of: 60) { self.forgetIdleStores() }
        do throws(PostgresError) {
          try await self.refreshNow()
          if failures > 0 { self.logger.notice("the directory of stores is up to date again") }
          failures = 0
        } catch {
          failures += 1
          self.report(error, failures)
        }
        // Cancelled: the loop's condition ends it.
        try? await self.clock.sleep(for: Self.pollEvery)
      }
    }
  }

  /// A sweep over all stores costs about a millisecond for each 60 000.
  private func forgetIdleStores() {
    let now = clock.now()
    state.withLock { $0.snapshot }.forEachStore { $0.activity.forgetIfIdle(now: now) }
  }

  /// Says that tokens cannot be opened: each in the audit, the first few in the log.
  private func tellUnreadable(_ records: [InstallationRecord]) async {
    guard !records.isEmpty else { return }
    for record in records.prefix(10) {
      logger.error(
        "a store's token cannot be opened; calls for it are refused",
        metadata: [
          "app": "\(record.installation.app)", "store_hash": "\(record.installation.store)",
          "unreadable": "\(records.count)",
        ])
    }
    do throws(PostgresError) {
      try await source.auditUnreadable(records)
    } catch {
      logger.error("unreadable tokens are not in the audit", metadata: ["error": "\(error)"])
    }
  }

  /// The first failure and every tenth are reported; polls come every second.
  private func report(_ error: PostgresError, _ failures: Int) {
    guard !Task.isCancelled, failures % 10 == 1 else { return }
    logger.warning(
      "changes of stores and keys cannot be read",
      metadata: ["error": "\(error)", "failures": "\(failures)"])
  }

  private func entry(_ record: InstallationRecord) -> StoreEntry {
    let id = record.installation
    let known = state.withLock { $0.snapshot.store(id) }
    return StoreEntry(
      installation: id, state: record.state, generation: record.generation, token: token(record),
      scopes: record.scopes, labels: record.labels,
      activity: known?.activity ?? StoreActivity(),
      changeNumber: record.changeNumber)
  }

  /// Opened once per change and not per call: an opened token costs nothing later, and one that
  /// cannot be opened is reported even when nobody calls the store.
  private func token(_ record: InstallationRecord) -> StoreEntry.Token {
    guard let bytes = record.sealedToken else { return .absent }
    do throws(VaultError) {
      let opened = try keyring.open(
        Sealed(bytes: bytes),
        for: SealedPlace(.accessToken, of: record.installation, generation: record.generation))
      guard let text = String(validating: opened.expose(), as: UTF8.self) else { throw .damaged }
      return .open(Secret(text))
    } catch {
      return .unreadable(reason: error.reason)
    }
  }
}
