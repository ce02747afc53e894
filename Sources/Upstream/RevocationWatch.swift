package import Base
import BigCommerce
package import Logging
package import Postgres
package import Prometheus
import ServiceLifecycle
package import Storage

/// Finds out which stores' tokens the platform no longer accepts, and which it accepts again.
///
/// One canary at a time per store, shared out between replicas by leases in the database.
package final class RevocationWatch: Service, Sendable {
  private static let lookEvery = Duration.seconds(1)
  /// Longer than a canary's own deadline, so that it is not sent twice while one is under way.
  private static let lease = Duration.seconds(60)
  private static let atOnce = 64

  /// What canaries changed, or would have.
  package enum Verdict: String, MetricWord {
    /// The token is refused for good.
    case revoked
    /// It would be, but too many stores of the app would be at once.
    case held
    /// The token is accepted again.
    case reactivated
    /// The store is gone, and its token destroyed.
    case uninstalled
  }

  package let verdicts = Tally<Verdict>()

  private let revocations: Revocations
  private let suspicions: Suspicions
  private let directory: StoreDirectory
  private let looks: StoreLooks
  private let clock: MonotonicClock
  private let logger: Logger

  package init(
    revocations: Revocations, suspicions: Suspicions, directory: StoreDirectory,
    looks: StoreLooks, clock: MonotonicClock = .system, logger: Logger
  ) {
    self.revocations = revocations
    self.suspicions = suspicions
    self.directory = directory
    self.looks = looks
    self.clock = clock
    self.logger = logger
  }

  /// Plans and sends canaries until the task is cancelled or the service group shuts down.
  package func run() async throws {
    await cancelWhenGracefulShutdown {
      var isFailing = false
      while !Task.isCancelled {
        do throws(PostgresError) {
          try await self.step()
          isFailing = false
        } catch {
          if !isFailing, !Task.isCancelled {
            self.logger.warning("canaries are late", metadata: ["error": "\(error)"])
          }
          isFailing = true
        }
        // Cancelled: the loop's condition ends it.
        try? await self.clock.sleep(for: Self.lookEvery)
      }
    }
  }

  /// Plans the canaries of new suspects, and sends those that are due.
  package func step() async throws(PostgresError) {
    try await planSuspects()
    let due = try await revocations.claim(limit: Self.atOnce, lease: Self.lease)
    guard !due.isEmpty else { return }
    // All answers first, then the verdicts: stores that are refused together are counted together.
    let answers = await withTaskGroup(of: (CanaryClaim, HealthLook?).self) { group in
      for claim in due { group.addTask { (claim, await self.ask(claim)) } }
      return await group.reduce(into: []) { $0.append($1) }
    }
    var held = 0
    var changed = false
    for (claim, look) in answers {
      switch try await settle(claim, look) {
      case .revoke, .reactivate, .uninstall: changed = true
      case .hold: held += 1
      case .settled, .postpone, .again, nil: break
      }
    }
    if held > 0 {
      logger.critical(
        "too many stores of an app would be revoked at once; nothing is changed",
        metadata: ["stores": "\(held)"])
    }
    if changed { try await directory.refreshNow() }
  }

  /// Sends one store's canary now and acts upon the answer; `nil` unless the store is active or
  /// revoked.
  package func verify(
    _ installation: InstallationID
  ) async throws(PostgresError) -> CanaryAnswer? {
    guard let claim = try await revocations.claim(installation, lease: Self.lease) else {
      return nil
    }
    let look = await ask(claim)
    _ = try await settle(claim, look)
    try await directory.refreshNow()
    return CanaryAnswer(look)
  }

  private func planSuspects() async throws(PostgresError) {
    let suspects = suspicions.takeAll()
    do throws(PostgresError) {
      for (installation, generation) in suspects {
        try await revocations.suspect(installation, generation)
      }
    } catch {
      // Planning again what is planned changes nothing.
      for (installation, generation) in suspects { suspicions.report(installation, generation) }
      throw error
    }
  }

  private func ask(_ claim: CanaryClaim) async -> HealthLook? {
    await looks.ask(claim.installation, claim.generation, claim.sealedToken)
  }

  /// Writes an answer down; `nil` when the store has changed since it was asked for.
  private func settle(
    _ claim: CanaryClaim, _ look: HealthLook?
  ) async throws(PostgresError) -> CanaryStep? {
    let effect = try await revocations.record(claim, CanaryAnswer(look))
    guard case .applied(let step) = effect else { return nil }
    // The state first: what is said of the token follows it.
    if let look { try await looks.note(look, of: claim.installation, claim.generation) }
    let metadata: Logger.Metadata = [
      "app": "\(claim.installation.app)", "store_hash": "\(claim.installation.store)",
    ]
    switch step {
    case .revoke:
      verdicts.count(.revoked)
      logger.warning("a store's token is revoked; its calls are refused", metadata: metadata)
    case .reactivate:
      verdicts.count(.reactivated)
      logger.notice("a store's token is accepted again", metadata: metadata)
    case .uninstall(let signal):
      verdicts.count(.uninstalled)
      logger.notice(
        "a store is gone; its token is destroyed",
        metadata: metadata.merging(["signal": "\(signal.rawValue)"]) { $1 })
    case .hold: verdicts.count(.held)
    case .settled, .postpone, .again: break
    }
    return step
  }
}
