package import Base
import Curl
package import HTTPTypes

/// Which header fields pass the gateway, in each direction.
package enum HeaderRules {
  /// The fields that go to BigCommerce, in the caller's order, without the store's token.
  ///
  /// A field that the caller names in `Connection` is hop-by-hop and dropped, so a caller cannot
  /// make us drop what is added here. `traceparent` names our own span; `tracestate` passes with the
  /// trace that it belongs to.
  package static func request(
    _ fields: HTTPFields, requestID: RequestID, trace: TraceContext, userAgent: String
  ) -> HTTPFields {
    var passed = HTTPFields()
    // Up to four are added here, and the token.
    passed.reserveCapacity(fields.count + 5)
    var (hasAccept, hasUserAgent, hasCorrelationID) = (false, false, false)
    let named = namedInConnection(fields)
    for field in fields where passesToUpstream(field.name) {
      if !trace.isContinued, field.name == .tracestate { continue }
      if let named, named.contains(field.name.canonicalName) { continue }
      if field.name == .accept { hasAccept = true }
      if field.name == .userAgent { hasUserAgent = true }
      if field.name == .correlationID { hasCorrelationID = true }
      passed.append(field)
    }
    if !hasAccept { passed.append(HTTPField(name: .accept, value: "application/json")) }
    if !hasUserAgent { passed.append(HTTPField(name: .userAgent, value: userAgent)) }
    if !hasCorrelationID {
      passed.append(HTTPField(name: .correlationID, value: requestID.text))
    }
    passed.append(.traceparent(trace))
    return passed
  }

  /// The fields of BigCommerce's answer that go to the caller; `signed` adds ours.
  ///
  /// `Date` goes because the server that writes the answer sets one, and the caller must not see
  /// two.
  package static func passedToCaller(_ fields: HTTPFields) -> HTTPFields {
    var passed = HTTPFields()
    // `signed` adds two.
    passed.reserveCapacity(fields.count + 2)
    let named = namedInConnection(fields)
    for field in fields where passesToCaller(field.name) {
      if let named, named.contains(field.name.canonicalName) { continue }
      passed.append(field)
    }
    return passed
  }

  /// What passed to the caller, with `Latchkey-Origin` and `X-Request-Id` of ours.
  package static func signed(_ passed: consuming HTTPFields, requestID: RequestID) -> HTTPFields {
    passed.append(HTTPField(name: .latchkeyOrigin, value: "upstream"))
    passed.append(HTTPField(name: .requestID, value: requestID.text))
    return passed
  }

  private static func passesToUpstream(_ name: HTTPField.Name) -> Bool {
    let text = name.canonicalName
    guard !requestDropped.contains(name) else { return false }
    let bytes = text.utf8
    if bytes.first == UInt8(ascii: "x") {
      guard !text.hasPrefix("x-auth-"), !text.hasPrefix("x-forwarded-") else { return false }
    } else if bytes.first == UInt8(ascii: "l") {
      guard !text.hasPrefix("latchkey-") else { return false }
    } else if bytes.first == UInt8(ascii: "p") {
      guard !text.hasPrefix("proxy-") else { return false }
    }
    return !bytes.contains(UInt8(ascii: "_"))
  }

  private static func passesToCaller(_ name: HTTPField.Name) -> Bool {
    let text = name.canonicalName
    guard !responseDropped.contains(name) else { return false }
    let first = text.utf8.first
    if first == UInt8(ascii: "l") { return !text.hasPrefix("latchkey-") }
    if first == UInt8(ascii: "p") { return !text.hasPrefix("proxy-") }
    return true
  }

  /// What `Connection` names beyond its usual words; `nil` when it names nothing else.
  private static func namedInConnection(_ fields: HTTPFields) -> Set<String>? {
    var named: Set<String>?
    for field in fields where field.name == .connection {
      let value = field.value
      if value == "keep-alive" || value == "close" { continue }
      for part in value.utf8.split(separator: UInt8(ascii: ",")) {
        let token = Substring(part).filter { $0 != " " && $0 != "\t" }.lowercased()
        guard token != "keep-alive", token != "close", !token.isEmpty else { continue }
        named = (named ?? []).union([token])
      }
    }
    return named
  }

  /// Meaningful for one connection only, or for framing, which is redone on the other side.
  private static let hopByHop: FieldNameSet = [
    "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "http2-settings",
  ]

  /// Beyond DESIGN's list: fields by which some servers take another method or path than the
  /// request line's, which would go round the scope check.
  private static let requestDropped = hopByHop.union([
    "authorization", "cookie", "host", "forwarded", "content-length", "expect", "idempotency-key",
    "x-http-method-override", "x-http-method", "x-method-override", "x-original-url",
    "x-rewrite-url", "traceparent",
  ])

  private static let responseDropped = hopByHop.union([
    "set-cookie", "date", "x-request-id",
  ])
}

extension HTTPField.Name {
  /// `X-Correlation-Id`: groups requests in BigCommerce's logs.
  package static let correlationID = known("X-Correlation-Id")
  /// `X-Request-Id`.
  package static let requestID = known("X-Request-Id")
  /// `Latchkey-Origin`: `upstream` or `gateway`, who speaks in an answer.
  package static let latchkeyOrigin = known("Latchkey-Origin")
  package static let lastEventID = known("Last-Event-ID")
  static let latchkeyTimeout = known("Latchkey-Timeout")
  static let latchkeyMaxWait = known("Latchkey-Max-Wait")
  static let latchkeyPriority = known("Latchkey-Priority")
  static let latchkeyRetry = known("Latchkey-Retry")
  static let latchkeyDryRun = known("Latchkey-Dry-Run")
  static let latchkeyApp = known("Latchkey-App")
  static let idempotencyKey = known("Idempotency-Key")
  /// `Latchkey-Idempotent-Replay`: `true` on an answer that was given before.
  static let latchkeyIdempotentReplay = known("Latchkey-Idempotent-Replay")
}
