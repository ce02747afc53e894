package import Base
package import Logging
package import Postgres
import ServiceLifecycle
package import Storage

/// Makes the coming days' partitions, drops those that are over, and forgets old deliveries' keys
/// and what the charts of events no longer show.
///
/// Every replica runs one; what one has done, the others find done.
package struct EventRetention: Service {
  private static let every = Duration.seconds(600)

  private let days: EventDays
  private let deliveries: Deliveries
  private let flow: FlowLedger
  private let keepEvents: Int
  private let keepDeliveries: Int
  private let clock: MonotonicClock
  private let logger: Logger

  /// Events and deliveries are kept for so many days.
  package init(
    days: EventDays, deliveries: Deliveries, flow: FlowLedger, keepEvents: Int,
    keepDeliveries: Int, clock: MonotonicClock = .system, logger: Logger
  ) {
    self.days = days
    self.deliveries = deliveries
    self.flow = flow
    self.keepEvents = keepEvents
    self.keepDeliveries = keepDeliveries
    self.clock = clock
    self.logger = logger
  }

  package func run() async {
    await cancelWhenGracefulShutdown {
      while !Task.isCancelled {
        do throws(PostgresError) {
          try await sweep()
        } catch {
          // The next round tries again; there are days ahead.
          logger.warning("sweep failed", metadata: ["what": "events", "cause": "\(error)"])
        }
        try? await clock.sleep(for: Self.every)
      }
    }
  }

  /// One round.
  package func sweep() async throws(PostgresError) {
    try await days.make()
    let dropped = try await days.drop(
      eventsOlderThan: keepEvents, deliveriesOlderThan: keepDeliveries)
    if dropped > 0 { logger.info("days dropped", metadata: ["partitions": "\(dropped)"]) }
    try await flow.forget()
    while try await deliveries.forgetKeys() == Int(Retention.batch), !Task.isCancelled {}
  }
}
