package import Base
package import Logging
import Postgres
import ServiceLifecycle
package import Storage

/// Writes down that deliveries are taken, and finds out afterwards that for a while they were not.
package final class ServiceBeats: Service, Sendable {
  private static let longestPause = Duration.seconds(30)

  private let beat: ServiceBeat
  private let threshold: Duration
  private let keepsWithoutDatabase: Bool
  private let meter: RepairMeter
  private let clock: MonotonicClock
  private let logger: Logger

  /// An outage that was shorter than `threshold` is left to BigCommerce's own repetitions; one of the
  /// database is none if deliveries are kept without it.
  package init(
    beat: ServiceBeat, threshold: Duration, keepsWithoutDatabase: Bool, meter: RepairMeter,
    clock: MonotonicClock = .system, logger: Logger
  ) {
    self.beat = beat
    self.threshold = threshold
    self.keepsWithoutDatabase = keepsWithoutDatabase
    self.meter = meter
    self.clock = clock
    self.logger = logger
  }

  package func run() async throws {
    await cancelWhenGracefulShutdown {
      var servingSince = self.clock.now()
      while !Task.isCancelled {
        if await !self.step(servingSince: servingSince) { servingSince = self.clock.now() }
        // Cancelled: the loop's condition ends it.
        try? await self.clock.sleep(for: min(Self.longestPause, self.threshold / 4))
      }
    }
  }

  /// - Returns: whether deliveries were taken all the time.
  func step(servingSince: Duration) async -> Bool {
    do throws(PostgresError) {
      let gap = try await beat.beat(
        servingFor: clock.now() - servingSince, threshold: threshold)
      guard let gap else { return true }
      meter.noteOutage()
      logger.warning(
        "no replica took deliveries for a while; what changed meanwhile is read from the stores",
        metadata: ["seconds": "\(gap.components.seconds)"])
      return true
    } catch {
      return keepsWithoutDatabase
    }
  }
}
