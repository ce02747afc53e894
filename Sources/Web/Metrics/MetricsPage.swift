import Base
import BigCommerce
import Hummingbird
package import Prometheus

/// What `/metrics` shows, and to whom.
package struct MetricsPage: Sendable {
  /// Whether it needs no key.
  let isOpen: Bool
  let families: @Sendable () -> [MetricFamily]

  /// `families` are read anew for each request.
  package init(isOpen: Bool, families: @escaping @Sendable () -> [MetricFamily]) {
    self.isOpen = isOpen
    self.families = families
  }
}

extension InternalResponder {
  /// `GET /metrics`, for keys with the ability `metrics`, or for all.
  func showMetrics(_ request: WebRequest) throws(Problem) -> Response {
    if !metrics.isOpen {
      let caller = try authenticate(request.headers).get()
      guard caller.grant.allows(.metrics) else { throw .abilityMissing(.metrics) }
    }
    guard request.method == .get || request.method == .head else {
      throw .methodNotAllowed(["GET", "HEAD"])
    }
    _ = try APIQuery(String(request.target.query ?? ""), known: [])
    return Response(200, Exposition.contentType, Exposition(metrics.families()).bytes)
  }
}
