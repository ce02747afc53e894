import Base
package import Prometheus

/// What the calls of this replica to all stores came to, for metrics.
///
/// Every call is counted, our own canaries too. A call that is answered at once costs five atomic
/// additions and no lock.
package final class CallMeter: Sendable {
  /// A 429 or 509: the platform's word that a store's quota is spent.
  package enum Throttle: String, MetricWord {
    case tooManyRequests = "429"
    case bandwidthExceeded = "509"
  }

  /// How a call ended that was sent, or was to be, and got no answer.
  package enum Failure: String, MetricWord {
    case unreachable, broken, timeout
    /// It ended on our side: the caller went away, its body failed, the replica shuts down.
    case ended
  }

  /// What went before a call that was sent again.
  package enum RetryReason: String, MetricWord {
    case throttled, unreachable, broken
    case badGateway = "502"
    case unavailable = "503"
    case gatewayTimeout = "504"
  }

  /// Why a call got no place among those of its store.
  package enum Unsent: String, MetricWord {
    case quotaExhausted = "quota_exhausted"
    case queueFull = "queue_full"
    case breakerOpen = "breaker_open"
    case callerGone = "caller_gone"
  }

  package let throttles = Tally<Throttle>()
  package let failures = Tally<Failure>()
  package let retries = Tally<RetryReason>()
  package let unsent = Tally<Unsent>()
  package let trips = Tally<BreakerRefusal.Cause>()
  private let overBudget = Tally<Single>()
  /// By the first digit of the status.
  private let answers = CounterTable()
  private let waits = (interactive: CallMeter.waitHistogram, bulk: CallMeter.waitHistogram)
  private let durations = (interactive: CallMeter.callHistogram, bulk: CallMeter.callHistogram)

  package init() {}

  /// A call has got its place after that time; most get it at once.
  func waited(_ wait: Duration, _ priority: CallPriority) {
    (priority == .bulk ? waits.bulk : waits.interactive).observe(wait)
  }

  /// A call has got no place.
  func refused(_ error: UpstreamError) {
    switch error {
    case .quota(.exhausted): unsent.count(.quotaExhausted)
    case .quota(.overloaded): unsent.count(.queueFull)
    case .brokenStore: unsent.count(.breakerOpen)
    default: unsent.count(.callerGone)
    }
  }

  /// A call has ended that long after it got its place.
  func ended(_ end: CallEnd, after time: Duration, _ priority: CallPriority) {
    switch end {
    case .answered(let status, _):
      answers.add(at: min(status / 100, 9))
      (priority == .bulk ? durations.bulk : durations.interactive).observe(time)
      if status == 429 { throttles.count(.tooManyRequests) }
      if status == 509 { throttles.count(.bandwidthExceeded) }
    case .failed(.unreachable): failures.count(.unreachable)
    case .failed(.broken): failures.count(.broken)
    case .failed(.timeout): failures.count(.timeout)
    case .failed: failures.count(.ended)
    }
  }

  /// A call is sent again after that end.
  func repeated(_ end: RetryPolicy.End) {
    switch end {
    case .answered(502, _): retries.count(.badGateway)
    case .answered(503, _): retries.count(.unavailable)
    case .answered(504, _): retries.count(.gatewayTimeout)
    case .answered: retries.count(.throttled)
    case .failed(.broken): retries.count(.broken)
    case .failed: retries.count(.unreachable)
    }
  }

  /// A call would be sent again if its store's retries had not reached a fifth of its calls.
  func overRetryBudget() { overBudget.count(.only) }

  private static var waitHistogram: Histogram {
    Histogram(milliseconds: [0, 10, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 120_000])
  }

  private static var callHistogram: Histogram {
    Histogram(
      milliseconds: [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 120_000])
  }

  /// A breaker has opened.
  func opened(_ cause: BreakerRefusal.Cause) { trips.count(cause) }

  private enum Single: String, MetricWord { case only }
}

// MARK: Exposition

extension CallMeter {
  package var families: [MetricFamily] {
    [
      .counter(
        "latchkey_upstream_answers_total", "Answers of BigCommerce, each attempt counted.",
        by: "status", (1...5).map { MetricPoint(["\($0)xx"], answers[$0]) }),
      .counter(
        "latchkey_upstream_throttled_total",
        "Answers by which BigCommerce says that a store's quota is spent.", by: "status",
        throttles.points),
      .counter(
        "latchkey_upstream_failures_total", "Attempts that brought no answer.", by: "reason",
        failures.points),
      MetricFamily(
        "latchkey_upstream_duration_seconds", .histogram,
        "From a call's place in its store's quota to the head of BigCommerce's answer.",
        by: ["priority"], points(durations)),
      MetricFamily(
        "latchkey_quota_wait_seconds", .histogram,
        "How long calls waited for a place in their store's quota; at once is 0.",
        by: ["priority"], points(waits)),
      .counter(
        "latchkey_calls_not_sent_total", "Calls that got no place among those of their store.",
        by: "reason", unsent.points),
      .counter(
        "latchkey_retries_total", "Calls sent again, by how the attempt before ended.",
        by: "reason", retries.points),
      .counter(
        "latchkey_retry_budget_refusals_total",
        "Calls not sent again because retries had reached a fifth of their store's calls.",
        overBudget[.only]),
      .counter(
        "latchkey_breaker_trips_total", "Breakers of stores that opened.", by: "cause",
        trips.points),
    ]
  }

  private func points(_ pair: (interactive: Histogram, bulk: Histogram)) -> [MetricPoint] {
    [
      MetricPoint([CallPriority.interactive.rawValue], pair.interactive),
      MetricPoint([CallPriority.bulk.rawValue], pair.bulk),
    ]
  }
}
