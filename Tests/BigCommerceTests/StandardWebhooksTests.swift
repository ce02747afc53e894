import Base
import BigCommerce
import Fields
import Foundation
import HTTPTypes
import TestSupport
import Testing

@Suite struct `Standard Webhooks signatures` {
  @Test func `genuine ones are accepted and every forgery is refused`() throws {
    var random = SeededGenerator()
    try check(WebhookVectors.committed(), &random, least: 5000)
  }

  @Test(
    .enabled(
      if: WebhookVectors.python != nil,
      "COMMITTED VECTORS ONLY: set LATCHKEY_PYTHON to a Python that has standardwebhooks"))
  func `so it is with what the official library signs now`() throws {
    var random = SeededGenerator()
    let seed = random.next() >> 1
    let vectors = try WebhookVectors.made(
      seed: seed, count: count(ordinary: 100, full: 2000),
      by: try #require(WebhookVectors.python))
    try check(vectors, &random, least: 5000)
    let again = try WebhookVectors.made(
      seed: 1, count: 60, by: try #require(WebhookVectors.python))
    #expect(try again.cases.map(\.signature) == WebhookVectors.committed().cases.map(\.signature))
  }

  private func check(
    _ vectors: WebhookVectors, _ random: inout SeededGenerator, least: Int
  ) throws {
    let now = Timestamp(seconds: vectors.now)
    var refused = 0
    for (index, genuine) in vectors.cases.enumerated() {
      #expect(
        StandardWebhooks.verify(
          genuine.headers, body: Array(genuine.body.utf8), keys: [genuine.key], now: now)
          == .valid(keyIndex: 0), "\(genuine)")
      var forger = WebhookForger(
        genuine: genuine, other: vectors.cases[(index + 1) % vectors.cases.count], now: now,
        random: random)
      for forgery in forger.forgeries() {
        let verdict = StandardWebhooks.verify(
          forgery.headers, body: forgery.body, keys: forgery.keys, now: forgery.now)
        guard case .invalid = verdict else {
          Issue.record("\(verdict): \(forgery.name) of \(genuine), seed \(random.seed)")
          continue
        }
        refused += 1
      }
      random = forger.random
    }
    #expect(refused >= least, "\(refused) forgeries")
  }

  @Test(
    .enabled(
      if: WebhookVectors.python != nil,
      "OUR OWN WORD ONLY: set LATCHKEY_PYTHON to a Python that has standardwebhooks"))
  func `the official library accepts what we sign, and nothing else`() throws {
    let python = try #require(WebhookVectors.python)
    let sent = WallClock.system.now().seconds
    let ours = try WebhookVectors.committed().cases.map { genuine in
      var signed = genuine
      signed.timestamp = String(sent)
      signed.signature = StandardWebhooks.sign(
        id: genuine.id, timestamp: sent, body: Array(genuine.body.utf8), key: genuine.key)
      return signed
    }
    #expect(
      try WebhookVectors.verdicts(of: ours, by: python)
        == Array(repeating: "good", count: ours.count))
    let altered = ours.map { signed in
      var altered = signed
      altered.body += " "
      return altered
    }
    #expect(
      try WebhookVectors.verdicts(of: altered, by: python)
        == Array(repeating: "No matching signature found", count: ours.count))
  }
}

@Suite struct `The verdict on a webhook's signature` {
  static let now = Timestamp(seconds: 1_795_224_000)
  static let body = Array(#"{"scope":"store/order/created"}"#.utf8)
  static let current = WebhookKey(clientSecret: Secret("current"))
  static let old = WebhookKey(clientSecret: Secret("old"))

  static func headers(
    sent: Int64 = now.seconds, key: WebhookKey = current
  ) -> WebhookSignatureHeaders {
    WebhookSignatureHeaders(
      ids: ["msg_1"], timestamps: [String(sent)],
      signatures: [StandardWebhooks.sign(id: "msg_1", timestamp: sent, body: body, key: key)])
  }

  func verdict(
    _ headers: WebhookSignatureHeaders, hexadecimal: Bool = false
  ) -> WebhookVerdict {
    StandardWebhooks.verify(
      headers, body: Self.body, keys: [Self.current, Self.old], now: Self.now,
      takesHexadecimal: hexadecimal)
  }

  @Test func `the key that made it is named`() {
    #expect(verdict(Self.headers()) == .valid(keyIndex: 0))
    #expect(verdict(Self.headers(key: Self.old)) == .valid(keyIndex: 1))
    var both = Self.headers(key: WebhookKey(clientSecret: Secret("third")))
    #expect(verdict(both) == .invalid(.mismatch))
    both.signatures = [both.signatures[0] + " v1a,x " + Self.headers(key: Self.old).signatures[0]]
    #expect(verdict(both) == .valid(keyIndex: 1))
  }

  @Test func `the window is 72 hours back and 5 minutes ahead`() {
    let now = Self.now.seconds
    #expect(verdict(Self.headers(sent: now - 72 * 3600)) == .valid(keyIndex: 0))
    #expect(verdict(Self.headers(sent: now - 72 * 3600 - 1)) == .invalid(.stale))
    #expect(verdict(Self.headers(sent: now + 300)) == .valid(keyIndex: 0))
    #expect(verdict(Self.headers(sent: now + 301)) == .invalid(.early))
    #expect(verdict(Self.headers(sent: 99_999_999_999)) == .invalid(.early))
  }

  @Test func `each fault has its word`() {
    let other = WebhookKey(clientSecret: Secret("other"))
    #expect(verdict(WebhookSignatureHeaders()) == .absent)
    #expect(verdict(Self.headers(sent: 0, key: other)) == .invalid(.mismatch))
    func fault(_ change: (inout WebhookSignatureHeaders) -> Void) -> WebhookVerdict {
      var headers = Self.headers()
      change(&headers)
      return verdict(headers)
    }
    #expect(fault { $0.timestamps = [] } == .invalid(.incomplete))
    #expect(fault { $0.ids.append("msg_1") } == .invalid(.repeated))
    #expect(fault { $0.ids = [String(repeating: "a", count: 257)] } == .invalid(.tooLong))
    #expect(fault { $0.ids = ["a b"] } == .invalid(.malformed))
    #expect(fault { $0.timestamps = ["01795224000"] } == .invalid(.malformed))
    #expect(fault { $0.signatures = ["v1a,x v2,y"] } == .invalid(.unsupported))
    #expect(
      fault { $0.signatures = [String(repeating: "v2,a ", count: 900)] } == .invalid(.tooLong))
  }

  @Test func `header fields are gathered whatever their case`() throws {
    var fields = FieldSection()
    for (name, value) in [
      ("Webhook-Id", "a"), ("webhook-id", "b"), ("WEBHOOK-TIMESTAMP", "1"),
      ("Webhook-Signature", "v1,x"), ("X-BC-Webhook-Signature", "00"),
    ] {
      try #require(fields.append(name.utf8.span, value.utf8.span) != nil)
    }
    #expect(
      WebhookSignatureHeaders(fields)
        == WebhookSignatureHeaders(
          ids: ["a", "b"], timestamps: ["1"], signatures: ["v1,x"], hexadecimal: ["00"]))
  }

  @Test func `the hexadecimal header counts only where it is asked for and stands alone`() {
    // HMAC-SHA256 of the body with the key "old", by `openssl dgst -sha256 -hmac old`.
    let code = "4a600a707730c4948f45035d272e68af1d77a37ea7b84d672a8c296ef42a6995"
    let headers = WebhookSignatureHeaders(hexadecimal: [code])
    #expect(verdict(headers) == .absent)
    #expect(verdict(headers, hexadecimal: true) == .valid(keyIndex: 1))
    var mixed = Self.headers(sent: 1)
    mixed.hexadecimal = [code]
    #expect(verdict(mixed, hexadecimal: true) == .invalid(.stale))
    let faults: [([String], WebhookFault)] = [
      ([code, code], .repeated), ([code + "00"], .tooLong), ([String(code.dropLast())], .malformed),
      ([String(code.dropLast()) + "g"], .malformed), ([""], .malformed),
      ([String(repeating: "0", count: 64)], .mismatch),
    ]
    for (values, fault) in faults {
      let headers = WebhookSignatureHeaders(hexadecimal: values)
      #expect(verdict(headers, hexadecimal: true) == .invalid(fault), "\(values)")
    }
  }

  @Test func `a subscription's secret is read and written in one form only`() throws {
    let secret = "whsec_" + Base64.encode(Array(0..<32))
    let key = try #require(WebhookKey(subscriptionSecret: Secret(secret)))
    #expect(key.subscriptionSecret.expose() == secret)
    #expect(!"\(key)".contains(secret.dropFirst(6)))
    let texts = [
      "", "whsec_", "WHSEC_" + secret.dropFirst(6), String(secret.dropFirst(6)), secret + "=",
      String(secret.dropLast()), "whsec_" + Base64.encode(Array(0..<23)), secret + "\n",
      "whsec_" + Base64.encode(Array(0..<65)), " " + secret,
    ]
    for text in texts {
      #expect(WebhookKey(subscriptionSecret: Secret(text)) == nil, "\(text)")
    }
  }
}
