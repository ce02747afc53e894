package import Prometheus

/// What came of deliveries, for metrics.
package final class IntakeMeter: Sendable {
  enum Outcome: String, MetricWord {
    case taken
    case unknownAddress = "unknown_address"
    case forged
    case unavailable
  }

  private let outcomes = Tally<Outcome>()

  package init() {}

  func count(_ answer: IntakeAnswer) {
    switch answer {
    case .taken: outcomes.count(.taken)
    case .unknownAddress: outcomes.count(.unknownAddress)
    case .forged: outcomes.count(.forged)
    case .unavailable: outcomes.count(.unavailable)
    }
  }

  /// Requests that were answered well.
  package var taken: UInt64 { outcomes[.taken] }
  /// The others.
  package var refused: UInt64 {
    outcomes[.unknownAddress] + outcomes[.forged] + outcomes[.unavailable]
  }

  /// `waiting` is what waits to be written.
  package func families(waiting: Int) -> [MetricFamily] {
    [
      .counter(
        "latchkey_deliveries_total", "Requests to webhook addresses, by what they were answered.",
        by: "outcome", outcomes.points),
      .gauge("latchkey_deliveries_waiting", "Deliveries that wait to be written.", waiting),
    ]
  }
}
