import Base
import Fields
import Gateway
import HTTPTypes
import Testing
import Upstream

private func fields(_ pairs: [(String, String)]) throws -> FieldSection { try Named.fields(pairs) }

private func lines(_ fields: FieldSection) -> [String] {
  fields.pairs.map { "\($0.name): \($0.value)" }
}

@Suite struct `Header rules` {
  private func sent(_ pairs: [(String, String)]) throws -> [String] {
    let requestID = try #require(RequestID("req-1"))
    return lines(
      HeaderRules.request(
        try fields(pairs), requestID: requestID, trace: Self.trace, userAgent: "Latchkey/9")
    )
    .filter { $0 != "traceparent: \(Self.trace.traceparent)" }
  }

  /// One that begins here, unless a test says otherwise.
  private static let trace = TraceSource(seed: 7).begin()

  private func returned(_ pairs: [(String, String)]) throws -> [String] {
    let requestID = try #require(RequestID("req-1"))
    let passed = HeaderRules.passedToCaller(try fields(pairs))
    return lines(HeaderRules.signed(passed, requestID: requestID))
  }

  @Test(arguments: [
    "Authorization", "X-Auth-Token", "x-auth-client", "X-AUTH-ANYTHING", "Cookie", "Host",
    "Forwarded",
    "X-Forwarded-For", "x-forwarded-host", "X-Forwarded-", "X_Under", "a_b", "Connection",
    "Keep-Alive", "TE",
    "Trailer", "Transfer-Encoding", "Upgrade", "Proxy-Authorization", "Proxy-Connection",
    "HTTP2-Settings",
    "Latchkey-Timeout", "Latchkey-Anything", "Content-Length", "Expect", "X-HTTP-Method-Override",
    "X-Original-URL",
    "X-Rewrite-URL",
  ])
  func `a field that is ours, the connection's or the proxy's does not reach BigCommerce`(
    _ name: String
  ) throws {
    #expect(
      try sent([(name, "canary"), ("Accept", "a"), ("User-Agent", "u"), ("X-Correlation-Id", "c")])
        == ["Accept: a", "User-Agent: u", "X-Correlation-Id: c"])
  }

  @Test func `all other fields pass in their order, repeated ones too`() throws {
    let pairs = [
      ("Accept", "application/xml"), ("X-Custom", "1"), ("x-custom", "2"),
      ("Content-Type", "text/x"),
      ("If-Modified-Since", "then"), ("Accept-Encoding", "gzip, br"),
      ("X-Request-Id", "theirs"), ("User-Agent", "sdk/1"), ("X-Correlation-Id", "mine"),
      ("X-Empty", ""),
    ]
    #expect(try sent(pairs) == pairs.map { "\($0.0): \($0.1)" })
  }

  @Test func `BigCommerce is told our own span, and the state of a trace that is continued`() throws
  {
    let requestID = try #require(RequestID("req-1"))
    let source = TraceSource(seed: 7)
    let theirs = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    let pairs = [
      ("Traceparent", theirs), ("Accept", "a"), ("tracestate", "one=1"), ("User-Agent", "u"),
      ("TraceState", "two=2,three=3"), ("X-Correlation-Id", "c"),
    ]
    for (trace, states) in [
      (source.context(continuing: theirs), ["tracestate: one=1", "TraceState: two=2,three=3"]),
      (source.begin(), []),
    ] {
      let sent = lines(
        HeaderRules.request(
          try fields(pairs), requestID: requestID, trace: trace, userAgent: "Latchkey/9"))
      #expect(sent.filter { $0.lowercased().hasPrefix("tracestate") } == states)
      let told = sent.filter { $0.lowercased().hasPrefix("traceparent") }
      #expect(told == ["traceparent: \(trace.traceparent)"])
      #expect(sent.count == 4 + states.count)
    }
  }

  @Test func `what the caller left out is filled in`() throws {
    #expect(
      try sent([]) == [
        "Accept: application/json", "User-Agent: Latchkey/9", "X-Correlation-Id: req-1",
      ])
  }

  @Test func `fields that Connection names are dropped both ways`() throws {
    let pairs = [
      ("Connection", "close, X-One"), ("connection", " x-TWO ,,keep-alive"), ("X-One", "1"),
      ("x-two", "2"),
      ("Keep", "k"), ("Accept", "a"), ("User-Agent", "u"), ("X-Correlation-Id", "c"),
    ]
    #expect(try sent(pairs) == ["Keep: k", "Accept: a", "User-Agent: u", "X-Correlation-Id: c"])
    #expect(try returned(pairs).starts(with: ["Keep: k", "Accept: a"]))
  }

  @Test func `naming the fields that we add in Connection does not remove them`() throws {
    #expect(
      try sent([("Connection", "x-correlation-id, user-agent, x-auth-token")])
        == ["Accept: application/json", "User-Agent: Latchkey/9", "X-Correlation-Id: req-1"])
  }

  @Test func `an answer keeps all but the connection's fields, cookies and our own names`() throws {
    let answer = try returned([
      ("Content-Type", "application/json"), ("Set-Cookie", "a=b"), ("Set-Cookie", "c=d"),
      ("Connection", "close"),
      ("Transfer-Encoding", "chunked"), ("Keep-Alive", "timeout=5"), ("Date", "today"),
      ("Content-Encoding", "gzip"),
      ("X-Rate-Limit-Requests-Left", "7"), ("Location", "https://elsewhere.example/"),
      ("ETag", "\"1\""),
      ("Latchkey-Origin", "gateway"), ("X-Request-Id", "upstream's"), ("Content-Length", "12"),
    ])
    #expect(
      answer == [
        "Content-Type: application/json", "Content-Encoding: gzip", "X-Rate-Limit-Requests-Left: 7",
        "Location: https://elsewhere.example/", "ETag: \"1\"", "Content-Length: 12",
        "Latchkey-Origin: upstream",
        "X-Request-Id: req-1",
      ])
  }
}

@Suite struct `Controls` {
  @Test func `without control fields the defaults hold`() throws {
    let controls = try Gateway.Controls(try fields([("Accept", "a")]))
    #expect(controls == Gateway.Controls())
    #expect(controls.timeout == .seconds(30))
    #expect(controls.maxWait == .seconds(10))
    #expect(controls.priority == .interactive)
    #expect(controls.retries == 2)
    #expect(controls.app == nil)
  }

  @Test func `each control is read`() throws {
    let controls = try Gateway.Controls(
      try fields([
        ("latchkey-timeout", "120"), ("Latchkey-Max-Wait", "0"), ("Latchkey-Priority", "bulk"),
        ("Latchkey-Retry", "5"), ("Latchkey-App", "second"), ("Latchkey-Dry-Run", "false"),
      ]))
    #expect(controls.timeout == .seconds(120))
    #expect(controls.maxWait == .zero)
    #expect(controls.priority == .bulk)
    #expect(controls.retries == 5)
    #expect(controls.app?.text == "second")
  }

  @Test(arguments: [
    ("Latchkey-Timeout", "0"), ("Latchkey-Timeout", "121"), ("Latchkey-Timeout", ""),
    ("Latchkey-Timeout", "1.5"),
    ("Latchkey-Timeout", "+5"), ("Latchkey-Timeout", "0x10"),
    ("Latchkey-Timeout", "-1"),
    ("Latchkey-Timeout", "99999999999999999999"), ("Latchkey-Max-Wait", "121"),
    ("Latchkey-Max-Wait", "-1"),
    ("Latchkey-Max-Wait", "ten"), ("Latchkey-Retry", "6"), ("Latchkey-Retry", ""),
    ("Latchkey-Priority", "Bulk"),
    ("Latchkey-Priority", ""), ("Latchkey-Dry-Run", "yes"), ("Latchkey-Dry-Run", "TRUE"),
    ("Latchkey-App", "No App"),
    ("Idempotency-Key", ""), ("Idempotency-Key", "a b"), ("Idempotency-Key", "schlüssel"),
    ("Idempotency-Key", String(repeating: "k", count: 256)),
  ])
  func `a value that cannot be taken is refused by the field's name`(
    _ name: String, _ value: String
  ) throws {
    let given = try fields([(name, value)])
    let fault = #expect(throws: ControlFault.self) { try Gateway.Controls(given) }
    #expect(fault?.field == name)
    #expect(fault?.problem.status == 400)
    #expect(fault?.problem.code == "bad_control")
    #expect(fault?.problem.detail.hasPrefix(name) == true)
  }

  @Test func `a control given twice is refused`() throws {
    let given = try fields([("Latchkey-Timeout", "5"), ("latchkey-timeout", "5")])
    #expect(throws: ControlFault.self) { try Gateway.Controls(given) }
  }
}
