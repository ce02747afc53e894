import Base
package import Prometheus

/// What became of writes with an `Idempotency-Key`, for metrics.
package final class KeyedWriteMeter: Sendable {
  /// What is on record of a write that was tried.
  enum Ended: String, MetricWord {
    case answered
    /// Answered with more than is kept.
    case notKept = "not_kept"
    case free
    case unknown
    /// The end could not be recorded; it is of unknown outcome when its lease has passed.
    case unrecorded
  }

  private let requests = Tally<Idempotency>()
  private let ends = Tally<Ended>()

  package init() {}

  func count(_ request: Idempotency) { requests.count(request) }

  func count(_ end: Ended) { ends.count(end) }

  package var families: [MetricFamily] {
    [
      .counter(
        "latchkey_idempotency_requests_total",
        "Writes with an Idempotency-Key, by what the key came to.", by: "result", requests.points),
      .counter(
        "latchkey_idempotency_ends_total",
        "Writes with an Idempotency-Key that were tried, by what is on record of them.",
        by: "result", ends.points),
    ]
  }
}

extension Idempotency: MetricWord {}
