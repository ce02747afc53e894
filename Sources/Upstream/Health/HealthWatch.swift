package import Base
import BigCommerce
package import Logging
package import Postgres
package import Prometheus
import ServiceLifecycle
package import Storage
import Synchronization

/// Asks every active store on a clock of its own how its API answers.
///
/// Replicas share the stores by leases in the database; what one leaves undone another does. A
/// refused token is the ``RevocationWatch``'s: it is told of it like of a refused call.
package final class HealthWatch: Service, Sendable {
  /// Looks for work between two counts of the stores; they are a second apart.
  private static let countEvery = 15
  /// Longer than a look takes at most, so that a store is not asked twice while one is under way.
  private static let lease = Duration.seconds(60)
  /// Stores that are asked at a time.
  private static let atOnce = 64
  /// After nothing was learned, because the store's quota had no place for us.
  private static let retry = Duration.seconds(60)

  /// What looks came to.
  package enum Outcome: String, MetricWord {
    case healthy, revoked, scope, suspended, plan, rate, network
    /// A caller's call stood in for one of ours.
    case traffic
    /// The store was not asked, or nothing was learned.
    case skipped
  }

  package let outcomes = Tally<Outcome>()
  private let checks: StoreChecks
  private let looks: StoreLooks
  private let directory: StoreDirectory
  private let suspicions: Suspicions
  private let every: Duration
  private let clock: MonotonicClock
  private let wall: WallClock
  private let logger: Logger
  private let counts = Mutex<[StoreHealth?: Int]>([:])

  /// `every` is the time between looks at a store; zero: none is asked by the clock.
  package init(
    checks: StoreChecks, looks: StoreLooks, directory: StoreDirectory, suspicions: Suspicions,
    every: Duration, clock: MonotonicClock = .system, wall: WallClock = .system, logger: Logger
  ) {
    self.checks = checks
    self.looks = looks
    self.directory = directory
    self.suspicions = suspicions
    self.every = every
    self.clock = clock
    self.wall = wall
    self.logger = logger
  }

  /// Looks at stores that are due until the task is cancelled or the service group shuts down.
  package func run() async throws {
    if every > .zero {
      do throws(PostgresError) { try await checks.tighten() } catch {
        // Their turn comes, only later than the setting says.
        logger.warning("looks at stores keep their former times", metadata: ["error": "\(error)"])
      }
    }
    await makeLoop().run(tidyEvery: Self.countEvery) { () throws(PostgresError) in
      try await self.tidy()
    }
  }

  /// Looks at all stores that are due now, and waits for the end of it.
  ///
  /// - Returns: how many.
  @discardableResult
  package func step() async throws(PostgresError) -> Int {
    try await makeLoop().step()
  }

  private func makeLoop() -> ClaimLoop<HealthClaim> {
    ClaimLoop(
      "looks at stores", atOnce: Self.atOnce, clock: clock, logger: logger,
      look: { free throws(PostgresError) in
        guard self.every > .zero, free > 0 else { return .init(claims: [], isBusy: false) }
        // After an outage all stores are due; that is no reason to hurry.
        let claims = try await self.checks.claim(limit: free, lease: Self.lease)
        return .init(claims: claims, isBusy: false)
      }, work: { await self.look($0) })
  }

  /// Counts the stores by health.
  package func tidy() async throws(PostgresError) {
    let found = try await checks.counts()
    counts.withLock { $0 = found }
  }

  private func look(_ claim: HealthClaim) async {
    let look = isProven(claim) ? .traffic : await ask(claim)
    // The replica ends: the next one finds the store when the lease is over.
    guard !Task.isCancelled else { return }
    outcomes.count(Outcome(look))
    do throws(PostgresError) {
      guard let look else { return try await checks.postpone(claim, by: Self.retry) }
      if look.health == .revoked { suspicions.report(claim.installation, claim.generation) }
      try await looks.note(look, of: claim.installation, claim.generation)
    } catch {
      logger.warning(
        "how a store answers is not written down; it is asked again",
        metadata: ["store_hash": "\(claim.installation.store)", "error": "\(error)"])
    }
  }

  /// Whether a caller's call was answered well of late, so that there is nothing to ask.
  private func isProven(_ claim: HealthClaim) -> Bool {
    guard claim.isQuiet,
      let seen = directory.current()?.store(claim.installation)?.activity.current,
      let status = seen.lastStatus, let at = seen.lastCallAt
    else { return false }
    return (200..<300).contains(status) && wall.now() - at < every / 2
  }

  /// Only where this replica keeps the store's quota.
  private func ask(_ claim: HealthClaim) async -> HealthLook? {
    guard directory.current()?.store(claim.installation) != nil else { return nil }
    return await looks.ask(claim.installation, claim.generation, claim.sealedToken)
  }
}

extension HealthWatch {
  /// Everything in Prometheus' terms.
  package var families: [MetricFamily] {
    let counts = self.counts.withLock { $0 }
    let words = StoreHealth.allCases.map { MetricPoint([$0.rawValue], counts[$0] ?? 0) }
    return [
      MetricFamily(
        "latchkey_store_health", .gauge,
        "Installations that are active or revoked, by how the store's API answers; the same on all replicas.",
        by: ["health"], words + [MetricPoint(["unknown"], counts[nil] ?? 0)]),
      .counter(
        "latchkey_store_checks_total", "Looks at stores by the clock, by what they came to.",
        by: "verdict", outcomes.points),
    ]
  }
}

extension HealthWatch.Outcome {
  fileprivate init(_ look: HealthLook?) {
    guard let look else {
      self = .skipped
      return
    }
    self =
      switch look.health {
      case .healthy: look == .traffic ? .traffic : .healthy
      case .revoked: .revoked
      case .scope: .scope
      case .suspended: .suspended
      case .plan: .plan
      case .rate: .rate
      case .network: .network
      }
  }
}
