import NIOHTTP1

/// What a connection guard finds wrong with a request, before anything else sees it.
enum GuardRefusal: Error, Equatable {
  case target
  case method
  case host
  case framing
  case expectation
  case malformed
  case headTooLarge
  case headTooSlow
  case bodyTooSlow
  case version

  var status: HTTPResponseStatus {
    switch self {
    case .target, .host, .framing, .malformed: .badRequest
    case .method: .notImplemented
    case .expectation: .expectationFailed
    case .headTooLarge: .requestHeaderFieldsTooLarge
    case .headTooSlow, .bodyTooSlow: .requestTimeout
    case .version: .httpVersionNotSupported
    }
  }

  /// The word in the answer, the counter and the log.
  var code: String {
    switch self {
    case .target: "bad_target"
    case .method: "bad_method"
    case .host: "bad_host"
    case .framing: "bad_framing"
    case .expectation: "bad_expectation"
    case .malformed: "malformed_request"
    case .headTooLarge: "head_too_large"
    case .headTooSlow: "head_too_slow"
    case .bodyTooSlow: "body_too_slow"
    case .version: "bad_version"
    }
  }

  var detail: String {
    switch self {
    case .target: "The request target must begin with / and hold printable ASCII without #."
    case .method: "The method must be GET, HEAD, POST, PUT, PATCH or DELETE."
    case .host: "A request has exactly one Host header."
    case .framing: "The body must be framed by one Content-Length, or be chunked and nothing else."
    case .expectation: "The only expectation that is met is 100-continue."
    case .malformed: "The request is not valid HTTP/1.1."
    case .headTooLarge: "The request's head is too large."
    case .headTooSlow: "The request's head did not arrive in time."
    case .bodyTooSlow: "The request's body did not arrive in time."
    case .version: "HTTP/1.1 is spoken here."
    }
  }
}

/// The rules for a request's head, pure.
enum RequestCheck {
  private static let methods: Set<String> = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]

  /// `nil` when the head may pass.
  static func refusal(_ head: HTTPRequestHead) -> GuardRefusal? {
    guard head.version == .http1_1 || head.version == .http1_0 else { return .version }
    guard methods.contains(head.method.rawValue) else { return .method }
    guard isOriginForm(head.uri) else { return .target }
    guard let host = head.headers[canonicalForm: "host"].first,
      head.headers[canonicalForm: "host"].count == 1, isHost(host)
    else { return .host }
    guard isWellFramed(head) else { return .framing }
    let expectations = head.headers["expect"]
    guard expectations.allSatisfy({ $0.lowercased() == "100-continue" }) else {
      return .expectation
    }
    return nil
  }

  private static func isOriginForm(_ target: String) -> Bool {
    target.utf8.first == UInt8(ascii: "/")
      && target.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "#") }
  }

  private static func isHost(_ host: Substring) -> Bool {
    !host.isEmpty && host.utf8.count <= 255
      && host.utf8.allSatisfy {
        (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "@")
          && $0 != UInt8(ascii: ",")
      }
  }

  /// llhttp refuses most contradictions; that a body is framed in one way only is said here once more.
  private static func isWellFramed(_ head: HTTPRequestHead) -> Bool {
    let lengths = head.headers["content-length"]
    let codings = head.headers["transfer-encoding"]
    if codings.isEmpty {
      return lengths.count <= 1
        && lengths.allSatisfy { $0.utf8.count <= 18 && $0.utf8.allSatisfy(isDigit) && !$0.isEmpty }
    }
    return lengths.isEmpty && codings.count == 1 && codings[0].lowercased() == "chunked"
      && head.version == .http1_1
  }

  private static func isDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
  }
}
