import Base
import Fields
import Gateway
import HTTPTypes
import Hummingbird
import NIOCore

extension HTTPField.Name {
  static let referrerPolicy = known("Referrer-Policy")
  static let lastEventID = known("Last-Event-ID")
  static let requestID = known("X-Request-Id")
  static let traceparent = known("traceparent")
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
