package import Base
package import Logging
package import Postgres
package import Prometheus
import ServiceLifecycle
package import Storage
import Synchronization

/// Looks now and then at what the feed and the pushes have before them, for the metrics and the
/// fleet's charts.
///
/// Every replica sees the same; while the database is away the last look stands.
package final class BacklogMeter: Service, Sendable {
  private static let lookEvery = Duration.seconds(10)

  private struct State {
    var backlog = Backlog()
    var age = PendingAge()
    var lag = Duration.zero
  }

  private let count: BacklogCount
  /// `nil`: a look is not written down.
  private let flow: FlowWriter?
  private let clock: MonotonicClock
  private let logger: Logger
  private let state = Mutex(State())

  package init(
    count: BacklogCount, flow: FlowWriter? = nil, clock: MonotonicClock = .system, logger: Logger
  ) {
    self.count = count
    self.flow = flow
    self.clock = clock
    self.logger = logger
  }

  /// Looks until the service group shuts down, and once more at the end.
  package func run() async {
    await cancelWhenGracefulShutdown {
      while !Task.isCancelled {
        await self.lookOrTell()
        // Cancelled: the loop's condition ends it.
        try? await self.clock.sleep(for: Self.lookEvery)
      }
    }
    await lookOrTell()
  }

  private func lookOrTell() async {
    do throws(PostgresError) {
      try await look()
    } catch {
      logger.debug("the backlog is not counted", metadata: ["error": "\(error)"])
    }
  }

  /// Looks once, and writes down what was seen.
  package func look() async throws(PostgresError) {
    let backlog = try await count.read()
    let now = clock.now()
    let lag = state.withLock { state in
      state.backlog = backlog
      state.lag = state.age.note(
        oldest: backlog.oldestPending, newest: backlog.newestPending, now: now)
      return state.lag
    }
    try await flow?.write(backlog, feedLag: lag)
  }

  /// What the last look saw.
  package var backlog: Backlog { state.withLock(\.backlog) }

  /// Everything in Prometheus' terms.
  package var families: [MetricFamily] {
    let (backlog, lag) = state.withLock { ($0.backlog, $0.lag) }
    return [
      .gauge(
        "latchkey_feed_position", "The position of the feed's newest event.", backlog.position),
      .gauge(
        "latchkey_feed_pending", "Events that wait for their place in the feed, at most 10000.",
        backlog.pendingEvents),
      .gauge(
        "latchkey_feed_lag_seconds", "How long the oldest of them has been seen to wait.",
        lag.inSeconds),
      MetricFamily(
        "latchkey_subscriptions", .gauge, "Push subscriptions, by state.", by: ["state"],
        SubscriptionState.allCases.map {
          MetricPoint([$0.rawValue], backlog.subscriptions[$0] ?? 0)
        }),
      .gauge(
        "latchkey_push_pending", "Pushes that are not made, of a subscription at most 10000.",
        backlog.pending),
      .gauge("latchkey_push_due", "Those of them that are due now.", backlog.due),
      .gauge(
        "latchkey_push_dead", "Dead letters, of a subscription at most 10000.", backlog.dead),
      .gauge(
        "latchkey_push_lag_seconds", "For how long the push that is due longest has been.",
        backlog.overdue.inSeconds),
      .gauge(
        "latchkey_push_behind_events", "Events that the last subscription has not been given yet.",
        backlog.behind),
    ]
  }
}

/// How long the oldest pending event waits, told from the numbers that were seen; pure.
///
/// Numbers grow, so an event was there when a number as high as its own was the newest.
struct PendingAge {
  private var seen: [(at: Duration, newest: Int64)] = []

  /// - Returns: zero when nothing waits, or what waits came since the last note.
  mutating func note(oldest: Int64?, newest: Int64?, now: Duration) -> Duration {
    guard let oldest, let newest else {
      seen = []
      return .zero
    }
    seen.removeAll { $0.newest < oldest }
    if seen.last.map({ $0.newest < newest }) ?? true { seen.append((now, newest)) }
    return now - (seen.first?.at ?? now)
  }
}
