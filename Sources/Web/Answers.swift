import Base
import Curl
import Gateway
import HTTPTypes
import Hummingbird
import NIOCore

extension HTTPField.Name {
  static let referrerPolicy = known("Referrer-Policy")
  static let forwardedFor = known("X-Forwarded-For")
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
    if let allowed = problem.allowedMethods { headers[.allow] = allowed }
  }

  static func redirect(_ status: Int, to location: String) -> Response {
    var response = Response(status: .init(code: status))
    response.headers[.location] = location
    return response
  }
}

/// The fields that tell browsers to do nothing with an answer that we did not mean; on every
/// answer.
struct SecurityFields: Sendable {
  private let fields: [HTTPField]
  private let names: FieldNameSet

  /// - Parameter speaker: what `Latchkey-Origin` says of answers that do not say it themselves; the
  ///   internal listener's only.
  init(speaker: String?) {
    var fields = [
      HTTPField(name: .xContentTypeOptions, value: "nosniff"),
      HTTPField(name: .referrerPolicy, value: "no-referrer"),
      HTTPField(name: .cacheControl, value: "no-store"),
      HTTPField(
        name: .contentSecurityPolicy, value: "default-src 'none'; frame-ancestors 'none'"),
    ]
    if let speaker { fields.append(HTTPField(name: .latchkeyOrigin, value: speaker)) }
    self.fields = fields
    names = FieldNameSet(Set(fields.map(\.name.canonicalName)))
  }

  /// Adds what the answer does not say itself.
  func apply(to headers: inout HTTPFields) {
    for field in fields where !headers.has(field.name) { headers.append(field) }
  }

  /// All of them, until it is noted what the answer says itself.
  var missing: Missing { Missing(fields: fields, names: names) }

  /// Those that an answer does not say itself.
  struct Missing: Sequence {
    fileprivate var fields: [HTTPField]
    fileprivate let names: FieldNameSet

    /// Notes a field that the answer has.
    mutating func note(_ name: HTTPField.Name) {
      if names.contains(name) { fields.removeAll { $0.name == name } }
    }

    func makeIterator() -> [HTTPField].Iterator { fields.makeIterator() }
  }

  /// The fields as they go out, one line each.
  var lines: String { fields.map { "\($0.name.rawName): \($0.value)\r\n" }.joined() }
}
