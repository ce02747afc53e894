package import Base
import BigCommerce
import HTTPTypes
package import Logging
package import Postgres
import Prometheus
import ServiceLifecycle
package import Storage
import Synchronization
package import Upstream

/// Reads from stores what webhooks did not tell, and tells it.
///
/// Replicas share the repairs by leases in the database; what one leaves undone another goes on with,
/// from the page that was written down last.
package final class GapRepair: Service, Sendable {
  /// Longer than one page takes at most: waiting for quota, the call, its repetitions, the database.
  private static let lease = Duration.seconds(90)
  /// After this a repair is put back, so that the others get their turn.
  private static let turn = Duration.seconds(30)
  private static let atOnce = 8
  private static let longestRetry = Duration.seconds(3600)
  /// Orders are large.
  private static let maxBody = ByteCount.mebibytes(8)
  private static let timeout = Duration.seconds(30)

  package let meter: RepairMeter
  private let registration: WebhookRegistration
  private let repairs: Repairs
  private let stores: StoreDirectory
  private let calls: OwnCalls
  private let clock: MonotonicClock
  private let logger: Logger
  private let random: Mutex<SplitMix64>

  package init(
    registration: WebhookRegistration, repairs: Repairs, stores: StoreDirectory, calls: OwnCalls,
    meter: RepairMeter, clock: MonotonicClock = .system,
    seed: UInt64 = .random(in: .min ... .max), logger: Logger
  ) {
    self.registration = registration
    self.repairs = repairs
    self.stores = stores
    self.calls = calls
    self.meter = meter
    self.clock = clock
    self.logger = logger
    random = Mutex(SplitMix64(seed: seed))
  }

  /// Repairs what is due until the task is cancelled or the service group shuts down.
  package func run() async throws {
    await makeLoop().run(tidyEvery: 30) { () throws(PostgresError) in try await self.tidy() }
  }

  /// Plans and does what is due now, each repair for one turn, and waits for the end of it.
  ///
  /// - Returns: how many repairs.
  @discardableResult
  package func step() async throws(PostgresError) -> Int {
    while try await repairs.planOutages() {}
    return try await makeLoop().step()
  }

  private func makeLoop() -> ClaimLoop<RepairClaim> {
    ClaimLoop(
      "gap repairs", atOnce: Self.atOnce, clock: clock, logger: logger,
      look: { free throws(PostgresError) in
        let isPlanning = try await self.repairs.planOutages()
        let claims = try await self.claim(atMost: free)
        return .init(claims: claims, isBusy: isPlanning || !claims.isEmpty)
      }, work: { await self.work(on: $0) })
  }

  /// Counts the repairs by state.
  package func tidy() async throws(PostgresError) {
    meter.note(try await repairs.counts(WebhookFilter()))
  }

  private func claim(atMost free: Int) async throws(PostgresError) -> [RepairClaim] {
    guard free > 0 else { return [] }
    return try await repairs.claim(
      apps: registration.apps.map(\.name), limit: free, lease: Self.lease)
  }

  /// Why a repair is not gone on with now.
  private enum Halt: Error {
    /// It cannot be done; the reason is a fixed word.
    case pointless(String)
    /// It is tried again.
    case failed(HookFailure, fromBeginning: Bool)
    case database(PostgresError)
  }

  private func work(on first: RepairClaim) async {
    var claim = first
    do {
      do throws(Halt) {
        try await compare(&claim)
      } catch {
        try await settle(claim, error)
      }
    } catch {
      logger.warning(
        "a gap repair is not written down; it is gone on with later",
        metadata: ["store_hash": "\(claim.installation.store)", "error": "\(error)"])
    }
  }

  private func compare(_ claim: inout RepairClaim) async throws(Halt) {
    guard let app = registration.app(claim.installation.app),
      app.scopes.contains(where: claim.resource.isHeard)
    else { throw .pointless("unwanted") }
    let end = clock.now() + Self.turn
    while true {
      let page = try await read(claim)
      let progress: RepairProgress
      do throws(PostgresError) {
        progress = try await repairs.advance(claim, page, wanted: app.scopes, lease: Self.lease)
      } catch { throw .database(error) }
      switch progress {
      case .overtaken: return
      case .finished(let emitted):
        meter.pages.count(claim.resource)
        meter.noteEvents(claim.resource, emitted)
        meter.outcomes.count(.done)
        return logger.notice("a gap is repaired", metadata: metadata(of: claim))
      case .more(let next, let emitted):
        meter.pages.count(claim.resource)
        meter.noteEvents(claim.resource, emitted)
        claim = next
      }
      guard clock.now() < end else {
        do throws(PostgresError) {
          return try await repairs.put(claim, failure: nil, next: .zero)
        } catch { throw .database(error) }
      }
    }
  }

  private func read(_ claim: RepairClaim) async throws(Halt) -> ComparedPage {
    let store = try await store(claim)
    let rule = EndpointTable.shared.rule(method: .get, path: claim.resource.path)
    if let rule, rule.isAuthoritative, !rule.isMet(by: store.scopes) {
      throw .pointless("missing_scope")
    }
    let answer: OwnCalls.Answer
    do throws(HookFailure) {
      answer = try await calls.send(
        store, .get, claim.resource.path,
        query: claim.resource.query(since: claim.compareFrom, after: claim.place),
        timeout: Self.timeout, maxBody: Self.maxBody)
    } catch { throw .failed(error, fromBeginning: false) }
    switch answer {
    case .refused(status: 403): throw .pointless("missing_scope")
    // A cursor that the platform has forgotten, perhaps.
    case .refused: throw .failed(.refused, fromBeginning: !claim.place.isEmpty)
    case .done(let document):
      guard let page = ComparedPage(document, of: claim.resource, after: claim.place) else {
        throw .failed(.unreadable, fromBeginning: !claim.place.isEmpty)
      }
      return page
    }
  }

  /// The store's entry; one that is new here is looked for once more.
  private func store(_ claim: RepairClaim) async throws(Halt) -> StoreEntry {
    if let entry = stores.current()?.store(claim.installation), entry.state == .active {
      return entry
    }
    do throws(PostgresError) { try await stores.refreshNow() } catch { throw .database(error) }
    guard let entry = stores.current()?.store(claim.installation), entry.state == .active else {
      throw .failed(.tokenUnusable, fromBeginning: false)
    }
    return entry
  }

  private func settle(_ claim: RepairClaim, _ halt: Halt) async throws(PostgresError) {
    switch halt {
    case .database(let error): throw error
    case .pointless(let reason):
      meter.outcomes.count(.skipped)
      logger.notice(
        "a gap cannot be repaired",
        metadata: metadata(of: claim).merging(["reason": "\(reason)"]) { $1 })
      try await repairs.skip(claim, reason)
    case .failed(let failure, let fromBeginning):
      // The replica ends: the next one finds the repair when the lease is over.
      guard failure != .cancelled else { return }
      meter.failures.count(failure)
      logger.info(
        "a gap repair waits",
        metadata: metadata(of: claim).merging(["reason": "\(failure.rawValue)"]) { $1 })
      try await repairs.put(
        claim, failure: failure.rawValue, next: pause(after: claim.failures),
        fromBeginning: fromBeginning)
    }
  }

  /// Seconds that double up to an hour.
  private func pause(after failures: Int) -> Duration {
    let whole = min(Duration.seconds(3) * (1 << min(failures, 12)), Self.longestRetry)
    return random.withLock { random in whole * 3 / 4 + random.part(of: whole / 2) }
  }

  private func metadata(of claim: RepairClaim) -> Logger.Metadata {
    [
      "app": "\(claim.installation.app)", "store_hash": "\(claim.installation.store)",
      "resource": "\(claim.resource.rawValue)", "why": "\(claim.reason.rawValue)",
    ]
  }
}
