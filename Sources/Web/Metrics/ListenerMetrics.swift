import Base
package import Prometheus

extension ListenerCounters {
  /// The metrics of all listeners together, each by its name.
  package static func families(
    of listeners: [(name: String, counters: ListenerCounters)]
  ) -> [MetricFamily] {
    func points(_ value: (ListenerCounters) -> Double) -> [MetricPoint] {
      listeners.map { MetricPoint([$0.name], value($0.counters)) }
    }
    return [
      MetricFamily(
        "latchkey_connections", .gauge, "Open connections of clients.", by: ["listener"],
        points { Double($0.openConnections) }),
      MetricFamily(
        "latchkey_requests_in_flight", .gauge, "Requests that are being answered.",
        by: ["listener"], points { Double($0.requestsInFlight) }),
      .counter(
        "latchkey_requests_total", "Requests whose head was taken.", by: "listener",
        points { Double($0.requests) }),
      MetricFamily(
        "latchkey_guard_refusals_total", .counter,
        "Requests and connections turned away before they reached a route.",
        by: ["listener", "reason"],
        listeners.flatMap { name, counters in
          let refusals = counters.refusals
          return Refusal.allCases.map {
            MetricPoint([name, $0.problem.code], Double(refusals[$0] ?? 0))
          }
        }),
      MetricFamily(
        "latchkey_connections_cut_total", .counter,
        "Connections that the guard ended, by the deadline that the client had missed.",
        by: ["listener", "deadline"],
        listeners.flatMap { name, counters in
          let cuts = counters.cuts
          return ListenerCounters.Cut.allCases.map {
            MetricPoint([name, $0.rawValue], Double(cuts[$0] ?? 0))
          }
        }),
    ]
  }
}
