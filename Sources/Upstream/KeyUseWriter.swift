package import Base
package import Logging
import Postgres
import ServiceLifecycle
package import Storage

/// Writes down when service keys were last used: one statement for all of them, once a minute.
package struct KeyUseWriter: Service {
  package static let writeEvery = Duration.seconds(60)

  private let directory: StoreDirectory
  private let keys: ServiceKeys
  private let clock: MonotonicClock
  private let logger: Logger

  package init(
    directory: StoreDirectory, keys: ServiceKeys, clock: MonotonicClock = .system, logger: Logger
  ) {
    self.directory = directory
    self.keys = keys
    self.clock = clock
    self.logger = logger
  }

  /// Writes every minute, and once more at the end.
  package func run() async {
    await cancelWhenGracefulShutdown {
      while !Task.isCancelled {
        // Cancelled: the loop's condition ends it.
        try? await clock.sleep(for: Self.writeEvery)
        if !Task.isCancelled { await writeOrTell() }
      }
    }
    await writeOrTell()
  }

  /// Writes what is not written yet; what fails is tried again with the next round.
  private func writeOrTell() async {
    do throws(ServiceKeyError) {
      try await write()
    } catch {
      logger.warning(
        "when keys were last used is not written down yet", metadata: ["error": "\(error)"])
    }
  }

  /// Writes what is not written yet.
  package func write() async throws(ServiceKeyError) {
    let used = directory.usedKeys
    guard !used.isEmpty else { return }
    try await keys.noteUse(used.map { ServiceKeyUse(id: $0.key.id, minute: $0.minute) })
    for (key, minute) in used { key.activity.noteWritten(minute: minute) }
  }
}
