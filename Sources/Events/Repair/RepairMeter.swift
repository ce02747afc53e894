package import BigCommerce
package import Prometheus
import Storage
import Synchronization

extension ComparedResource: MetricWord {}

/// What gap repair did, for the metrics.
package final class RepairMeter: Sendable {
  /// How repairs end.
  package enum Outcome: String, MetricWord {
    case done, skipped
  }

  package let outcomes = Tally<Outcome>()
  package let pages = Tally<ComparedResource>()
  package let events = Tally<ComparedResource>()
  package let failures = Tally<HookFailure>()
  private let outages = Mutex(0)
  private let counts = Mutex<[RepairState: Int]>([:])

  package init() {}

  func note(_ counts: [RepairState: Int]) { self.counts.withLock { $0 = counts } }

  func noteOutage() { outages.withLock { $0 += 1 } }

  func noteEvents(_ resource: ComparedResource, _ count: Int) {
    for _ in 0..<count { events.count(resource) }
  }

  /// Everything in Prometheus' terms.
  package var families: [MetricFamily] {
    let counts = self.counts.withLock { $0 }
    return [
      .counter(
        "latchkey_repairs_total", "Gap repairs that have ended, by how.", by: "outcome",
        outcomes.points),
      .counter(
        "latchkey_repair_pages_total", "Pages of records that were compared with the feed.",
        by: "resource", pages.points),
      .counter(
        "latchkey_repair_events_total", "Events that were made because no webhook had told.",
        by: "resource", events.points),
      .counter(
        "latchkey_repair_failures_total", "Why steps of gap repairs failed.", by: "reason",
        failures.points),
      MetricFamily(
        "latchkey_repairs", .gauge, "Gap repairs, by how far they are.", by: ["state"],
        RepairState.allCases.map { MetricPoint([$0.rawValue], counts[$0] ?? 0) }),
      .counter(
        "latchkey_service_outages_total",
        "Times that no replica had taken deliveries for too long, as this one found.",
        outages.withLock { $0 }),
    ]
  }
}
