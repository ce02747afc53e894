package import Base
package import Logging
package import Postgres
import Prometheus
import ServiceLifecycle
package import Storage
import Synchronization
import Upstream

/// Keeps every store's webhooks as they should be, on a clock of its own.
///
/// A store is looked at after an install, a rotation or another setting at once, else every few
/// hours. Replicas share the stores by leases in the database; what one leaves undone another does.
package final class HookReconciler: Service, Sendable {
  /// Longer than a check takes at most.
  private static let lease = Duration.seconds(90)
  /// Stores that are looked at at a time; some places are for those that were just installed.
  private static let atOnce = 32
  private static let forUrgent = 8
  /// Between good looks at a store, before jitter.
  private static let usualPause = Duration.seconds(4 * 3600)
  private static let longestRetry = Duration.seconds(3600)

  package let meter: HookMeter
  private let wishes: [WebhookWish]
  private let states: WebhookStates
  private let addresses: WebhookAddresses
  private let check: HookCheck
  private let clock: MonotonicClock
  private let logger: Logger
  private let random: Mutex<SplitMix64>

  package init(
    wishes: [WebhookWish], states: WebhookStates, addresses: WebhookAddresses, check: HookCheck,
    meter: HookMeter, clock: MonotonicClock = .system,
    seed: UInt64 = .random(in: .min ... .max), logger: Logger
  ) {
    self.wishes = wishes
    self.states = states
    self.addresses = addresses
    self.check = check
    self.meter = meter
    self.clock = clock
    self.logger = logger
    random = Mutex(SplitMix64(seed: seed))
  }

  /// Looks at stores that are due until the task is cancelled or the service group shuts down.
  package func run() async throws {
    await makeLoop().run(tidyEvery: 60) { () throws(PostgresError) in try await self.tidy() }
  }

  /// Looks at all stores that are due now, and waits for the end of it.
  ///
  /// - Returns: how many.
  @discardableResult
  package func step() async throws(PostgresError) -> Int {
    try await makeLoop().step()
  }

  private func makeLoop() -> ClaimLoop<WebhookClaim> {
    ClaimLoop(
      "looks at webhooks", atOnce: Self.atOnce, clock: clock, logger: logger,
      look: { free throws(PostgresError) in
        let claims = try await self.claim(atMost: free)
        return .init(claims: claims, isBusy: !claims.isEmpty)
      }, work: { await self.look($0) })
  }

  /// Forgets addresses whose time is over, and counts the stores by state.
  package func tidy() async throws(PostgresError) {
    while try await addresses.forget() == Int(Retention.batch) {}
    meter.note(try await states.counts(WebhookFilter()))
  }

  private func claim(atMost free: Int) async throws(PostgresError) -> [WebhookClaim] {
    guard free > 0 else { return [] }
    let urgent = try await states.claim(wishes, isUrgent: true, limit: free, lease: Self.lease)
    let left = free - urgent.count - Self.forUrgent
    guard left > 0 else { return urgent }
    do throws(PostgresError) {
      return try await urgent
        + states.claim(wishes, isUrgent: false, limit: left, lease: Self.lease)
    } catch {
      // What is claimed is done; the next look meets the same trouble and says so.
      guard !urgent.isEmpty else { throw error }
      return urgent
    }
  }

  private func look(_ claim: WebhookClaim) async {
    let course = await check.carryOut(claim)
    // The replica ends: the next one finds the store when the lease is over.
    guard course.failure != .cancelled else { return }
    do throws(PostgresError) {
      try await states.record(claim, result(course, claim))
    } catch {
      logger.warning(
        "what became of a store's webhooks is not written down; it is looked at again",
        metadata: ["store_hash": "\(claim.installation.store)", "error": "\(error)"])
    }
    count(course, claim)
  }

  private func count(_ course: HookCheck.Course, _ claim: WebhookClaim) {
    guard let failure = course.failure else {
      return meter.checks.count(course.changes > 0 ? .repaired : .inStep)
    }
    meter.checks.count(.failed)
    meter.failures.count(failure)
    guard claim.failures == 0 || (claim.failures + 1).isMultiple(of: 10) else { return }
    logger.warning(
      "a store's webhooks are not as they should be",
      metadata: [
        "app": "\(claim.installation.app)", "store_hash": "\(claim.installation.store)",
        "reason": "\(failure.rawValue)", "failures": "\(claim.failures + 1)",
      ])
  }

  private func result(
    _ course: HookCheck.Course, _ claim: WebhookClaim
  ) -> WebhookCheckResult {
    var result = WebhookCheckResult(
      failure: course.failure?.rawValue, next: pause(after: course, claim),
      wanted: wishes.first { $0.app == claim.installation.app }?.scopes.count ?? 0,
      hooks: course.hooks.map { $0.values.sorted { $0.id < $1.id } })
    result.unavailable = course.unavailable
    result.outages = course.outages
    return result
  }

  /// Until the next look: hours after a good one, and seconds that double after a bad one.
  private func pause(after course: HookCheck.Course, _ claim: WebhookClaim) -> Duration {
    random.withLock { random in
      guard let failure = course.failure else {
        let usual = Self.usualPause * 3 / 4 + random.part(of: Self.usualPause / 2)
        // A block is over by then, or there is more to be said of it.
        return course.blockedFor.map { min(usual, max(.seconds(60), $0 + .seconds(5))) } ?? usual
      }
      if failure == .unfinished { return .zero }
      let grown = Duration.seconds(3) * (1 << min(claim.failures, 12))
      let whole = min(grown, Self.longestRetry)
      return whole * 3 / 4 + random.part(of: whole / 2)
    }
  }
}
