/// How names are spelled, and which name some bytes are.
struct FieldNameTable: Sendable {
  static let shared = FieldNameTable()

  /// By the name's number.
  let spellings: [String]
  /// By the name's number: the spelling, a colon and a space.
  private let beginnings: [[UInt8]]
  /// The spellings in lower case, one behind the other.
  private let letters: [UInt8]
  /// Where each begins, and where the last ends.
  private let starts: [Int]
  /// By the hash of the bytes; a name whose slot is taken stands in one of the next.
  private let slots: [FieldName]

  private init() {
    var spellings = Array(repeating: "", count: FieldName.allCases.count)
    for (name, spelling) in Self.spelled { spellings[Int(name.rawValue)] = spelling }
    var letters: [UInt8] = []
    var starts: [Int] = []
    var slots: [FieldName] = Array(repeating: .other, count: 512)
    for name in FieldName.allCases {
      starts.append(letters.count)
      let spelling = spellings[Int(name.rawValue)].lowercased()
      precondition(spelling.isEmpty == (name == .other), "no spelling of \(name)")
      letters += spelling.utf8
      if name == .other { continue }
      var index = Self.slot(spelling.utf8.span)
      while slots[index] != .other { index = (index + 1) & 511 }
      slots[index] = name
    }
    starts.append(letters.count)
    (self.spellings, self.letters, self.starts, self.slots) = (spellings, letters, starts, slots)
    beginnings = spellings.map { Array("\($0): ".utf8) }
  }

  /// How a line of that name, which is not `other`, begins.
  func beginning(of name: FieldName) -> [UInt8] {
    precondition(name != .other)
    return beginnings[Int(name.rawValue)]
  }

  func name(of bytes: Span<UInt8>) -> FieldName {
    var index = Self.slot(bytes)
    while slots[index] != .other {
      let name = slots[index]
      if isSpelling(bytes, of: name) { return name }
      index = (index + 1) & 511
    }
    return .other
  }

  private func isSpelling(_ bytes: Span<UInt8>, of name: FieldName) -> Bool {
    let number = Int(name.rawValue)
    let letters = letters.span.extracting(starts[number]..<starts[number + 1])
    guard letters.count == bytes.count else { return false }
    for index in bytes.indices where bytes[index].inLowerCase != letters[index] { return false }
    return true
  }

  private static func slot(_ bytes: Span<UInt8>) -> Int {
    guard !bytes.isEmpty else { return 0 }
    let (first, last) = (Int(bytes[0] | 0x20), Int(bytes[bytes.count - 1] | 0x20))
    let middle = Int(bytes[bytes.count / 2] | 0x20)
    return (bytes.count &* 31 &+ first &* 7 &+ middle &* 3 &+ last) & 511
  }

  private static let spelled: KeyValuePairs<FieldName, String> = [
    .accept: "Accept",
    .acceptEncoding: "Accept-Encoding",
    .acceptLanguage: "Accept-Language",
    .accessControlAllowOrigin: "Access-Control-Allow-Origin",
    .age: "Age",
    .allow: "Allow",
    .authorization: "Authorization",
    .cacheControl: "Cache-Control",
    .connection: "Connection",
    .contentDisposition: "Content-Disposition",
    .contentEncoding: "Content-Encoding",
    .contentLanguage: "Content-Language",
    .contentLength: "Content-Length",
    .contentSecurityPolicy: "Content-Security-Policy",
    .contentType: "Content-Type",
    .cookie: "Cookie",
    .date: "Date",
    .eTag: "ETag",
    .expect: "Expect",
    .expires: "Expires",
    .forwarded: "Forwarded",
    .host: "Host",
    .http2Settings: "HTTP2-Settings",
    .idempotencyKey: "Idempotency-Key",
    .keepAlive: "Keep-Alive",
    .lastEventID: "Last-Event-ID",
    .lastModified: "Last-Modified",
    .latchkeyApp: "Latchkey-App",
    .latchkeyDryRun: "Latchkey-Dry-Run",
    .latchkeyIdempotentReplay: "Latchkey-Idempotent-Replay",
    .latchkeyMaxWait: "Latchkey-Max-Wait",
    .latchkeyOrigin: "Latchkey-Origin",
    .latchkeyPriority: "Latchkey-Priority",
    .latchkeyRetry: "Latchkey-Retry",
    .latchkeyTimeout: "Latchkey-Timeout",
    .link: "Link",
    .location: "Location",
    .origin: "Origin",
    .pragma: "Pragma",
    .proxyConnection: "Proxy-Connection",
    .referer: "Referer",
    .referrerPolicy: "Referrer-Policy",
    .retryAfter: "Retry-After",
    .server: "Server",
    .setCookie: "Set-Cookie",
    .strictTransportSecurity: "Strict-Transport-Security",
    .te: "TE",
    .traceparent: "traceparent",
    .tracestate: "tracestate",
    .trailer: "Trailer",
    .transferEncoding: "Transfer-Encoding",
    .upgrade: "Upgrade",
    .userAgent: "User-Agent",
    .vary: "Vary",
    .via: "Via",
    .webhookID: "webhook-id",
    .webhookSignature: "webhook-signature",
    .webhookTimestamp: "webhook-timestamp",
    .authClient: "X-Auth-Client",
    .authToken: "X-Auth-Token",
    .storeVersion: "X-BC-Store-Version",
    .webhookHexSignature: "X-BC-Webhook-Signature",
    .contentTypeOptions: "X-Content-Type-Options",
    .correlationID: "X-Correlation-Id",
    .forwardedFor: "X-Forwarded-For",
    .forwardedProto: "X-Forwarded-Proto",
    .frameOptions: "X-Frame-Options",
    .methodName: "X-HTTP-Method",
    .methodNameOverride: "X-HTTP-Method-Override",
    .webhookSecret: "X-Latchkey-Webhook-Secret",
    .methodOverride: "X-Method-Override",
    .originalURL: "X-Original-URL",
    .quotaRemaining: "X-Rate-Limit-Remaining",
    .quotaLeft: "X-Rate-Limit-Requests-Left",
    .quota: "X-Rate-Limit-Requests-Quota",
    .quotaResetSeconds: "X-Rate-Limit-Reset",
    .quotaReset: "X-Rate-Limit-Time-Reset-Ms",
    .quotaWindow: "X-Rate-Limit-Time-Window-Ms",
    .requestID: "X-Request-Id",
    .extendedRetryAfter: "X-Retry-After",
    .rewriteURL: "X-Rewrite-URL",
    .xssProtection: "X-XSS-Protection",
  ]
}
