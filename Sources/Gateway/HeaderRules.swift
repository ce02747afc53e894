package import Base
package import Fields

/// Which header fields pass the gateway, in each direction.
package enum HeaderRules {
  /// The fields that go to BigCommerce, in the caller's order, without the store's token.
  ///
  /// A field that the caller names in `Connection` is hop-by-hop and dropped, so a caller cannot
  /// make us drop what is added here. `traceparent` names our own span; `tracestate` passes with the
  /// trace that it belongs to.
  package static func request(
    _ fields: FieldSection, requestID: RequestID, trace: TraceContext, userAgent: String
  ) -> FieldSection {
    // Up to four are added here, and the token.
    var passed = FieldSection(bytes: fields.bytes.count + 320, lines: fields.count + 5)
    var names: FieldNameSet = []
    let named = namedInConnection(fields)
    passed.append(linesOf: fields) { line in
      guard passesToUpstream(line, of: fields) else { return false }
      if !trace.isContinued, line.name == .tracestate { return false }
      if let named, named.contains(fields.name(of: line).lowercased()) { return false }
      names.insert(line.name)
      return true
    }
    if !names.contains(.accept) { passed.append(.accept, "application/json") }
    if !names.contains(.userAgent) { passed.append(.userAgent, userAgent) }
    if !names.contains(.correlationID) { passed.append(.correlationID, requestID.text) }
    passed.append(.traceparent, trace.traceparent)
    return passed
  }

  /// The fields of BigCommerce's answer that go to the caller; `signed` adds ours.
  ///
  /// `Date` goes because the server that writes the answer sets one, and the caller must not see
  /// two.
  package static func passedToCaller(_ fields: FieldSection) -> FieldSection {
    // `signed` adds two.
    var passed = FieldSection(bytes: fields.bytes.count + 80, lines: fields.count + 2)
    let named = namedInConnection(fields)
    passed.append(linesOf: fields) { line in
      guard passesToCaller(line, of: fields) else { return false }
      return named.map { !$0.contains(fields.name(of: line).lowercased()) } ?? true
    }
    return passed
  }

  /// What passed to the caller, with `Latchkey-Origin` and `X-Request-Id` of ours.
  package static func signed(_ passed: consuming FieldSection, requestID: RequestID) -> FieldSection
  {
    passed.append(.latchkeyOrigin, "upstream")
    passed.append(.requestID, requestID.text)
    return passed
  }

  private static func passesToUpstream(_ line: FieldSection.Line, of fields: FieldSection) -> Bool {
    guard line.name == .other else { return !requestDropped.contains(line.name) }
    for prefix in requestPrefixes where fields.hasName(line, beginningWith: prefix) { return false }
    return !fields.hasName(line, containing: UInt8(ascii: "_"))
  }

  private static func passesToCaller(_ line: FieldSection.Line, of fields: FieldSection) -> Bool {
    guard line.name == .other else { return !responseDropped.contains(line.name) }
    for prefix in responsePrefixes where fields.hasName(line, beginningWith: prefix) {
      return false
    }
    return true
  }

  /// What `Connection` names beyond its usual words; `nil` when it names nothing else.
  private static func namedInConnection(_ fields: FieldSection) -> Set<String>? {
    var named: Set<String>?
    for line in fields.lines where line.name == .connection {
      let bytes = fields.bytes.span.extracting(line.valueRange)
      if bytes.isText("keep-alive") || bytes.isText("close") { continue }
      for part in fields.value(of: line).utf8.split(separator: UInt8(ascii: ",")) {
        let token = Substring(part).filter { $0 != " " && $0 != "\t" }.lowercased()
        guard token != "keep-alive", token != "close", !token.isEmpty else { continue }
        named = (named ?? []).union([token])
      }
    }
    return named
  }

  /// Ours, a proxy's, or what stands for one of the caller's.
  private static let requestPrefixes = ["x-auth-", "x-forwarded-", "latchkey-", "proxy-"]
  private static let responsePrefixes = ["latchkey-", "proxy-"]

  /// Meaningful for one connection only, or for framing, which is redone on the other side.
  private static let hopByHop: FieldNameSet = [
    .connection, .keepAlive, .te, .trailer, .transferEncoding, .upgrade, .http2Settings,
  ]

  /// Beyond DESIGN's list: fields by which some servers take another method or path than the
  /// request line's, which would go round the scope check.
  private static let requestDropped = hopByHop.union([
    .authorization, .cookie, .host, .forwarded, .contentLength, .expect, .idempotencyKey,
    .methodNameOverride, .methodName, .methodOverride, .originalURL, .rewriteURL, .traceparent,
  ]).union(known(requestPrefixes)).union(
    FieldNameSet(FieldName.allCases.filter { $0.spelling.contains("_") }))

  private static let responseDropped = hopByHop.union([.setCookie, .date, .requestID])
    .union(known(responsePrefixes))

  /// The known names that begin with one of these.
  private static func known(_ prefixes: [String]) -> FieldNameSet {
    FieldNameSet(
      FieldName.allCases.filter { name in
        prefixes.contains { name.spelling.lowercased().hasPrefix($0) }
      })
  }
}
