package import Base
import BigCommerce
package import Logging
package import Postgres
package import Prometheus
import ServiceLifecycle
import Storage
import Synchronization
package import Vault

/// Brings events to subscriptions: fans the feed out, and sends what is due.
///
/// Every replica runs one; leases and row locks share the work out. No transaction is open while a
/// push is under way.
package final class PushSender: Service, Sendable {
  /// How an attempt ended.
  package enum End: String, MetricWord {
    case delivered
    /// It is tried again.
    case failed
    /// It was the last.
    case dead
    case gone
    /// Another attempt began meanwhile, because this one's lease had ended.
    case late
  }

  /// How many attempts a replica has under way at a time.
  package struct Room: Hashable, Sendable {
    /// To subscriptions whose last attempt went well.
    package var healthy = 48
    /// To the others, which may each take 15 s; so they cost the others nothing.
    package var failing = 16

    package init() {}
  }

  private static let lookEvery = Duration.milliseconds(250)
  /// Attempts that end within this make room together: a claim costs as much for one as for many.
  private static let claimEvery = Duration.milliseconds(10)
  private static let tidyEvery = Duration.seconds(30)
  /// Of nothing but failures, before a subscription is disabled.
  package static let endurance = Duration.seconds(5 * 86_400)

  package let ends = Tally<End>()
  /// Attempts that arrived.
  package var made: UInt64 { ends[.delivered] }
  /// Attempts that did not, whatever becomes of the push.
  package var failed: UInt64 { ends[.failed] + ends[.dead] + ends[.gone] }
  private let disabledCount = Atomic<Int>(0)
  /// Subscriptions that this replica disabled.
  package var disabled: Int { disabledCount.load(ordering: .relaxed) }

  private let deliveries: PushDeliveries
  private let secrets: Subscriptions
  private let client: PushClient
  private let schedule: PushSchedule
  private let retentionDays: Int
  private let clock: MonotonicClock
  private let random: RandomSource
  private let logger: Logger
  private let room: Mutex<Room>
  private let wake = PushWake()

  /// Delivered ones are forgotten after `retentionDays`.
  package init(
    database: Database, keyring: Keyring, client: PushClient, schedule: PushSchedule,
    retentionDays: Int, room: Room = Room(), clock: MonotonicClock = .system,
    random: RandomSource = .system, logger: Logger
  ) {
    deliveries = PushDeliveries(database: database)
    secrets = Subscriptions(database: database, keyring: keyring)
    self.client = client
    self.schedule = schedule
    self.retentionDays = retentionDays
    self.clock = clock
    self.random = random
    self.logger = logger
    self.room = Mutex(room)
  }

  /// Sends until the service group shuts down; attempts that are under way then end by themselves.
  package func run() async throws {
    await withGracefulShutdownHandler {
      await withDiscardingTaskGroup { sends in
        var tidied = clock.now() - Self.tidyEvery
        var claimedAt = clock.now() - Self.claimEvery
        var isFailing = false
        while !wake.isStopped, !Task.isCancelled {
          let rest = Self.claimEvery - (clock.now() - claimedAt)
          if rest > .zero { try? await clock.sleep(for: rest) }
          claimedAt = clock.now()
          do throws(PostgresError) {
            if clock.now() - tidied >= Self.tidyEvery {
              tidied = clock.now()
              try await tidy()
            }
            try await fanOut()
            let claims = try await claim()
            for claim in claims { sends.addTask { await self.attempt(claim) } }
            isFailing = false
            guard claims.isEmpty else { continue }
          } catch {
            if !isFailing, !Task.isCancelled {
              logger.warning("pushes are late", metadata: ["error": "\(error)"])
            }
            isFailing = true
          }
          await wake.wait(atMost: isFailing ? .seconds(1) : Self.lookEvery, clock)
        }
      }
    } onGracefulShutdown: {
      self.wake.stop()
    }
  }

  /// Does all that is due now.
  ///
  /// - Returns: how many attempts were made.
  package func step() async throws(PostgresError) -> Int {
    try await fanOut()
    let claims = try await claim()
    await withDiscardingTaskGroup { sends in
      for claim in claims { sends.addTask { await self.attempt(claim) } }
    }
    return claims.count
  }

  /// Fans the feed out to every subscription, up to its end.
  package func fanOut() async throws(PostgresError) {
    for gap in try await deliveries.gaps() {
      // One that has far to go leaves the others a turn.
      for _ in 0..<20 {
        FailPoint.reach("push.before_fan_out")
        guard let place = try await deliveries.fanOut(gap) else { break }
        FailPoint.reach("push.after_fan_out")
        if place >= gap.through { break }
      }
    }
  }

  /// Disables what has failed for days, and forgets what was delivered long ago.
  package func tidy() async throws(PostgresError) {
    for id in try await deliveries.disable(failingFor: Self.endurance) {
      disabledCount.add(1, ordering: .relaxed)
      logger.error(
        "a subscription is disabled: nothing but failures for 5 days",
        metadata: ["subscription_id": "\(id)"])
    }
    while try await deliveries.forget(after: retentionDays) == Int(Retention.batch) {}
  }

  private func claim() async throws(PostgresError) -> [PushClaim] {
    let free = room.withLock { $0 }
    guard free.healthy > 0 || free.failing > 0 else { return [] }
    let claims = try await deliveries.claim(
      healthy: free.healthy, failing: free.failing, id: Hex.encode(random.bytes(12)))
    room.withLock { room in
      for claim in claims { room.take(claim, 1) }
    }
    return claims
  }

  private func attempt(_ claim: PushClaim) async {
    await attemptAndRecord(claim)
    room.withLock { $0.take(claim, -1) }
    wake.signal()
  }

  private func attemptAndRecord(_ claim: PushClaim) async {
    FailPoint.reach("push.before_send")
    let trace = TraceSource.shared.begin()
    let answer = await client.send(
      to: claim.url, id: claim.event.id, body: EventDocument.json(for: claim.event).encoded(),
      keys: keys(of: claim), trace: trace)
    FailPoint.reach("push.after_send")
    // Nobody knows what came of it: the lease ends, and the attempt is made again.
    guard let answer else { return }
    logger.debug(
      "a push was made",
      metadata: claim.metadata.merging([
        "status": "\(answer.attempt.status.map(String.init) ?? answer.attempt.failure ?? "")",
        "trace_id": "\(trace.traceID)",
      ]) { $1 })
    let outcome = schedule.outcome(
      of: answer, attempt: claim.attempt, failures: claim.failures,
      chance: Double(random.bytes(1)[0]) / 255)
    do throws(PostgresError) {
      let isOurs = try await deliveries.finish(claim, answer.attempt, outcome)
      FailPoint.reach("push.after_finish")
      count(claim, outcome, isOurs, trace)
    } catch {
      logger.warning(
        "what came of a push is not written down; it is made again",
        metadata: claim.metadata.merging(["error": "\(error)"]) { $1 })
    }
  }

  private func count(
    _ claim: PushClaim, _ outcome: PushOutcome, _ isOurs: Bool, _ trace: TraceContext
  ) {
    guard isOurs else { return ends.count(.late) }
    switch outcome {
    case .delivered: ends.count(.delivered)
    case .failed(nil, _):
      ends.count(.dead)
      logger.warning(
        "a push is dead: no attempt is left",
        metadata: claim.metadata.merging(["trace_id": "\(trace.traceID)"]) { $1 })
    case .failed: ends.count(.failed)
    case .gone:
      ends.count(.gone)
      logger.error(
        "a subscription has ended: the subscriber answered 410",
        metadata: claim.metadata.merging(["trace_id": "\(trace.traceID)"]) { $1 })
    }
  }

  private func keys(of claim: PushClaim) -> [WebhookKey] {
    claim.secrets.compactMap { secret in
      do throws(SubscriptionError) {
        return try secrets.open(secret.sealed, number: secret.number, app: claim.app)
      } catch {
        logger.error(
          "a subscription's secret cannot be opened",
          metadata: ["subscription_id": "\(claim.subscription)", "error": "\(error)"])
        return nil
      }
    }
  }
}

extension PushClaim {
  fileprivate var metadata: Logger.Metadata {
    var metadata: Logger.Metadata = [
      "subscription_id": "\(subscription)", "event_id": "\(event.id)", "app": "\(event.app)",
    ]
    if let store = event.store { metadata["store_hash"] = "\(store)" }
    return metadata
  }
}

extension PushSender.Room {
  fileprivate mutating func take(_ claim: PushClaim, _ count: Int) {
    if claim.failures == 0 { healthy -= count } else { failing -= count }
  }
}

extension PushSender {
  /// What `/metrics` shows.
  package var families: [MetricFamily] {
    [
      .counter(
        "latchkey_push_attempts_total", "Attempts to push an event, by how they ended.", by: "end",
        ends.points),
      .counter(
        "latchkey_subscriptions_disabled_total",
        "Subscriptions disabled after days of nothing but failures.", disabled),
    ]
  }
}
