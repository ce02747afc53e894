package import Base
package import Logging
package import Postgres
import ServiceLifecycle
package import Storage

/// Writes what calls came to, and which failed, every few seconds, and forgets what is too old.
///
/// A batch that fails is tried again as it is, so that one whose COMMIT was not heard counts once;
/// until then calls pile up in the book, which is bounded.
package actor UsageWriter: Service {
  package static let writeEvery = Duration.seconds(5)
  private static let sweepEvery = Duration.seconds(3600)

  private let book: UsageBook
  private let ledger: UsageLedger
  private let failures: CallFailures
  private let keepDays: Int
  private let clock: MonotonicClock
  private let logger: Logger
  private let name: String
  /// Taken out of the book, oldest first; the first batch has the number `written + 1`.
  private var taken: [UsageCell] = []
  private var written: Int64 = 0
  /// Failed calls that are taken out of the book.
  private var failed: [FailedCall] = []
  private var sweptAt: Duration?

  /// `name` is random: it tells this writer's batches from others'.
  package init(
    book: UsageBook, ledger: UsageLedger, failures: CallFailures, keepDays: Int, name: String,
    clock: MonotonicClock = .system, logger: Logger
  ) {
    self.book = book
    self.ledger = ledger
    self.failures = failures
    self.keepDays = keepDays
    self.name = name
    self.clock = clock
    self.logger = logger
  }

  /// Writes every few seconds, and once more at the end.
  package func run() async {
    await cancelWhenGracefulShutdown {
      while !Task.isCancelled {
        await self.sweepIfDue()
        // Cancelled: the loop's condition ends it.
        try? await self.clock.sleep(for: Self.writeEvery)
        if !Task.isCancelled { await self.writeOrTell() }
      }
    }
    await writeOrTell()
  }

  private func writeOrTell() async {
    do throws(PostgresError) {
      try await write()
    } catch {
      logger.warning("usage is not written down yet", metadata: ["error": "\(error)"])
    }
  }

  /// Writes what is not written yet.
  package func write() async throws(PostgresError) {
    if taken.isEmpty { taken = book.take() }
    while !taken.isEmpty {
      let batch = Array(taken.prefix(UsageLedger.batch))
      do throws(PostgresError) {
        try await ledger.add(batch, batch: written + 1, of: name)
      } catch {
        guard case .checkViolation = error else { throw error }
        // The partition of a day is missing.
        try await addAfterMakingDays(batch)
      }
      written += 1
      taken.removeFirst(batch.count)
    }
    try await writeFailures()
  }

  /// What is written twice stays once: each call names itself.
  private func writeFailures() async throws(PostgresError) {
    if failed.isEmpty { failed = book.takeFailures() }
    while !failed.isEmpty {
      let batch = Array(failed.prefix(CallFailures.batch))
      try await failures.add(batch)
      failed.removeFirst(batch.count)
    }
  }

  private func addAfterMakingDays(_ batch: [UsageCell]) async throws(PostgresError) {
    try await ledger.makeDays(keeping: keepDays)
    do throws(PostgresError) {
      try await ledger.add(batch, batch: written + 1, of: name)
    } catch {
      guard case .checkViolation = error else { throw error }
      // Of a day so long ago that its minutes are not kept any more.
      logger.error("usage came too late and is not counted", metadata: ["cells": "\(batch.count)"])
    }
  }

  private func sweepIfDue() async {
    let now = clock.now()
    if let sweptAt, now - sweptAt < Self.sweepEvery { return }
    sweptAt = now
    do throws(PostgresError) {
      try await sweep()
    } catch {
      // The next round tries again; there are days ahead.
      logger.warning("sweep failed", metadata: ["what": "usage", "cause": "\(error)"])
    }
  }

  /// Makes days that are missing and forgets what is too old.
  package func sweep() async throws(PostgresError) {
    try await ledger.makeDays(keeping: keepDays)
    _ = try await ledger.dropMinutes(olderThan: keepDays)
    while try await ledger.forget(olderThan: keepDays) == Int(Retention.batch), !Task.isCancelled {}
    while try await failures.forget() == Int(Retention.batch), !Task.isCancelled {}
  }
}
