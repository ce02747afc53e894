import Base

/// Why the guard turned a request or a connection away.
package enum Refusal: String, Error, CaseIterable, Sendable {
  /// The bytes are not a request line and fields as RFC 9112 writes them, or a way of writing that
  /// parsers read differently.
  case malformed
  /// The request target is not in origin form, or holds a `#` or a byte that is not printable
  /// ASCII.
  case badTarget
  /// There is not exactly one `Host`, or it is malformed.
  case badHost
  /// `Content-Length` or `Transfer-Encoding` is malformed, repeated, or both are there.
  case badFraming
  /// A method other than GET, HEAD, POST, PUT, PATCH and DELETE.
  case methodNotAllowed
  /// A version other than HTTP/1.1 and HTTP/1.0.
  case versionNotSupported
  /// `Expect` asks for something other than `100-continue`.
  case expectationFailed
  /// The head is longer than 16 KiB or has more than 100 fields.
  case headTooLarge
  /// The body is longer than this listener takes.
  case bodyTooLarge
  /// The head or the body came too slowly.
  case tooSlow
  /// Too many connections or requests at once.
  case overloaded

  /// The problem that the client is told.
  var problem: Problem {
    switch self {
    case .malformed: make(400, "malformed_request", "Malformed request", Self.malformedDetail)
    case .badTarget:
      make(400, "bad_target", "Bad request target", "Send the path alone: /path?query, no #.")
    case .badHost: make(400, "bad_host", "Bad Host", "Send exactly one Host field.")
    case .badFraming:
      make(
        400, "bad_framing", "Bad body framing",
        "Send one Content-Length or one Transfer-Encoding: chunked, without extensions or trailers."
      )
    case .methodNotAllowed:
      make(
        405, "method_not_allowed", "Method not allowed",
        "This path takes the methods that Allow names.")
    case .versionNotSupported:
      make(505, "version_not_supported", "HTTP version not supported", "Use HTTP/1.1.")
    case .expectationFailed:
      make(417, "expectation_failed", "Expectation failed", "Only 100-continue may be expected.")
    case .headTooLarge:
      make(
        431, "head_too_large", "Request head too large",
        "Send at most 100 fields and 16 KiB of request line and fields.")
    case .bodyTooLarge:
      make(413, "body_too_large", "Request body too large", "Send a smaller body.")
    case .tooSlow:
      make(408, "too_slow", "Request too slow", "Send the request without long pauses.")
    case .overloaded:
      make(503, "overloaded", "Overloaded", "Try again in a moment.", retryAfter: 1)
    }
  }

  private static let malformedDetail =
    "The request is not HTTP/1.1 as RFC 9112 writes it; check line ends and field names."

  private func make(
    _ status: Int, _ code: String, _ title: String, _ detail: String, retryAfter: Int? = nil
  ) -> Problem {
    Problem(status: status, code: code, title: title, detail: detail, retryAfter: retryAfter)
  }
}
