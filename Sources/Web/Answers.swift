import Base
import HTTPTypes
import Hummingbird
import NIOCore

extension HTTPField.Name {
  static let latchkeyOrigin = HTTPField.Name("Latchkey-Origin") ?? .server
  static let xRequestID = HTTPField.Name("X-Request-Id") ?? .server
  static let referrerPolicy = HTTPField.Name("Referrer-Policy") ?? .server
  static let forwardedFor = HTTPField.Name("X-Forwarded-For") ?? .server
}

extension Response {
  /// An answer of a few bytes, written together with its head.
  init(_ status: Int, _ type: String, _ bytes: [UInt8]) {
    self.init(
      status: .init(code: status), headers: [.contentType: type],
      body: .init(byteBuffer: ByteBuffer(bytes: bytes)))
  }

  /// The one place where a problem becomes an HTTP answer.
  init(_ problem: Problem, _ requestID: RequestID) {
    self.init(problem.status, "application/problem+json", problem.encoded(requestID: requestID))
    if let wait = problem.retryAfter { headers[.retryAfter] = String(wait) }
    if let allowed = problem.fields.first(where: { $0.name == "allowed" })?.value.array {
      headers[.allow] = allowed.compactMap(\.string).joined(separator: ", ")
    }
  }

  static func redirect(_ status: Int, to location: String) -> Response {
    var response = Response(status: .init(code: status))
    response.headers[.location] = location
    return response
  }

  /// What stands on every answer that we make ourselves.
  ///
  /// The policy says among other things who may frame it.
  mutating func seal(_ requestID: RequestID, policy: String) {
    headers[.xRequestID] = requestID.text
    headers[.xContentTypeOptions] = "nosniff"
    headers[.referrerPolicy] = "no-referrer"
    headers[.cacheControl] = "no-store"
    headers[.contentSecurityPolicy] = policy
  }
}

/// Values of `Content-Security-Policy`.
enum ContentPolicy {
  /// For what no browser shows.
  static let nothing = "default-src 'none'; frame-ancestors 'none'"
}

extension Request {
  /// The raw target's path and query, not decoded.
  var rawParts: (path: String, query: String) {
    let target = head.path ?? "/"
    guard let mark = target.utf8.firstIndex(of: UInt8(ascii: "?")) else { return (target, "") }
    return (String(target[..<mark]), String(target[target.utf8.index(after: mark)...]))
  }

  /// The caller's request ID if it is well formed, else a new one.
  func requestID(_ source: RequestIDSource) -> RequestID {
    headers[.xRequestID].flatMap { RequestID($0) } ?? source.next()
  }
}
