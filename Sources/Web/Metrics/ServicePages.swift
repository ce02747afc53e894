import Base
import Hummingbird
package import Prometheus

/// What the internal listener shows of the service itself: metrics, and the description of what it
/// takes and answers, for programs and for people.
package struct ServicePages: Sendable {
  /// Whether they need no key.
  let areOpen: Bool
  private let operations: [Operation]
  private let families: @Sendable () -> [MetricFamily]
  private let document: [UInt8]
  private let page: DescriptionPage

  /// Describes the operations of a version; `families` are read anew for each request.
  ///
  /// Throws when the template of the page is wrong, which a test would have found.
  package init(
    _ operations: [Operation], version: String, areOpen: Bool,
    families: @escaping @Sendable () -> [MetricFamily]
  ) throws {
    self.areOpen = areOpen
    self.operations = operations
    self.families = families
    document = OpenAPIDocument(operations, version: version).json.encoded()
    page = try DescriptionPage(operations, version: version)
  }

  /// The methods that a raw path takes; of one that nothing is at, all that are taken anywhere.
  @Sendable func methods(at path: String) -> [String] {
    Operation.methods(at: path, of: operations)
  }

  /// `GET /metrics`.
  func showMetrics() -> Response {
    Response(200, Exposition.contentType, Exposition(families()).bytes)
  }

  /// `GET /openapi.json`.
  func showDocument() -> Response {
    Response(200, "application/json", document)
  }

  /// `GET /docs`.
  func showPage() -> Response {
    var response = Response(200, "text/html; charset=utf-8", page.bytes)
    response.headers[.contentSecurityPolicy] = page.policy
    return response
  }
}
