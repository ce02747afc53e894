import BigCommerce
import HTTPTypes
import Prometheus

extension Operation {
  /// What is neither the gateway's nor below `/v1`, in the order of the document.
  static let ofService: [Operation] = [
    showLiveness, showReadiness, showMetrics, showDocument, showPage,
  ]

  static let showLiveness = Operation(
    .get, "/livez", "showLiveness", .service, "Tells that the process lives", access: .open,
    answers: [
      Answer(status: 200, about: "It does.", content: .other("text/plain", example: "ok\n"))
    ])

  static let showReadiness = Operation(
    .get, "/readyz", "showReadiness", .service, "Tells whether this replica can serve",
    access: .open,
    answers: [
      Answer(status: 200, about: "It can.", content: .other("text/plain", example: "ready\n"))
    ], problems: [.draining, .notReady])

  static let showMetrics = Operation(
    .get, "/metrics", "showMetrics", .service, "Shows metrics for Prometheus",
    """
    They count all stores together, so they are for keys for all stores. `LATCHKEY_METRICS_OPEN=true` opens it to callers \
    without a key.
    """,
    access: .openable(.metrics),
    answers: [
      Answer(
        status: 200, about: "The metrics of this replica.",
        content: .other(
          Exposition.contentType,
          example: "# TYPE latchkey_requests_total counter\nlatchkey_requests_total 17\n"))
    ])

  static let showDocument = Operation(
    .get, "/openapi.json", "showDocument", .service, "Shows this document",
    "`LATCHKEY_METRICS_OPEN=true` opens it to callers without a key.", access: .openable(nil),
    answers: [.ok(.anyObject, "An OpenAPI 3.1 document.")])

  static let showPage = Operation(
    .get, "/docs", "showPage", .service, "Shows this document to people",
    "`LATCHKEY_METRICS_OPEN=true` opens it to callers without a key.", access: .openable(nil),
    answers: [
      Answer(
        status: 200, about: "A page that needs no other file.",
        content: .other("text/html; charset=utf-8", example: "<!doctype html>…"))
    ])
}
