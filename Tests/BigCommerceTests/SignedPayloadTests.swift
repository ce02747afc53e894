import Base
import BigCommerce
import Foundation
import TestSupport
import Testing

@testable import BigCommerce

@Suite struct `Signed payloads` {
  /// What a mutation leads to.
  private struct Sample {
    let token: String
    let kind: String
    /// What must be read; `nil`: it must be refused.
    let expected: SignedPayload?
  }

  /// The oracle needs no parser: of all texts, only those that were issued here with a right secret
  /// and without an illegal change are genuine.
  @Test func `nothing forged is accepted and nothing genuine refused`() {
    var random = SeededGenerator()
    print("signed payloads: LATCHKEY_TEST_SEED=\(random.seed)")
    var accepted = 0
    var refusals: [SignedPayloadError: Int] = [:]
    let total = count(ordinary: 5000, full: 100_000)
    for _ in 0..<total {
      let sample = sample(&random)
      do throws(SignedPayloadError) {
        let payload = try PayloadForge.verify(sample.token)
        accepted += 1
        let isRight = payload == sample.expected
        #expect(isRight, "\(sample.kind): \(sample.token) seed \(random.seed)")
        #expect(SecondReader.agrees(payload, sample.token), "\(sample.kind): \(sample.token)")
      } catch {
        refusals[error, default: 0] += 1
        #expect(sample.expected == nil, "\(sample.kind), \(error.reason): \(sample.token)")
      }
    }
    print("signed payloads: \(accepted) accepted, \(total - accepted) refused")
    #expect(accepted > total / 5)
    #expect(refusals.count > 15, "\(refusals.keys.map(\.reason))")
  }

  private func sample(_ random: inout SeededGenerator) -> Sample {
    var payload = GenuinePayload(&random)
    let secret = Bool.random(using: &random) ? PayloadForge.current : PayloadForge.old
    let expected = payload.expected
    switch Int.random(in: 0..<10, using: &random) {
    case 0...2:
      return Sample(
        token: payload.token(secret: secret, &random), kind: "legal", expected: expected)
    case 3:
      let kind = PayloadAttacks.spoil(&payload.claims, PayloadAttacks.claims, &random)
      return Sample(token: payload.token(secret: secret, &random), kind: kind, expected: nil)
    case 4:
      let kind = PayloadAttacks.spoil(&payload.header, PayloadAttacks.headers, &random)
      return Sample(token: payload.token(secret: secret, &random), kind: kind, expected: nil)
    case 5:
      let wrong = PayloadAttacks.wrongSecret(&random)
      return Sample(token: payload.token(secret: wrong, &random), kind: "secret", expected: nil)
    case 6:
      let token = PayloadAttacks.wrongSignature(payload.token(secret: secret, &random), &random)
      return Sample(token: token, kind: "signature", expected: nil)
    case 7: return structural(&payload, secret, &random)
    case 8: return splice(payload.token(secret: secret, &random), &random)
    default: return textual(payload.token(secret: secret, &random), expected, &random)
    }
  }

  /// Double members and broken JSON under a right signature.
  private func structural(
    _ payload: inout GenuinePayload, _ secret: String, _ random: inout SeededGenerator
  ) -> Sample {
    let isHeader = Bool.random(using: &random)
    if Bool.random(using: &random) {
      PayloadAttacks.duplicate(&payload.claims, &random)
      return Sample(token: payload.token(secret: secret, &random), kind: "double", expected: nil)
    }
    var header = GenuinePayload.json(payload.header, &random)
    var claims = GenuinePayload.json(payload.claims, &random)
    if isHeader {
      header = PayloadAttacks.breakJSON(header, &random)
    } else {
      claims = PayloadAttacks.breakJSON(claims, &random)
    }
    let token = PayloadForge.token(header, claims, secret: secret)
    return Sample(token: token, kind: "broken JSON", expected: nil)
  }

  /// Parts of two genuine payloads put together.
  private func splice(_ token: String, _ random: inout SeededGenerator) -> Sample {
    let other = GenuinePayload(&random).token(secret: PayloadForge.current, &random)
    var parts = token.split(separator: ".")
    let others = other.split(separator: ".")
    let index = Int.random(in: 1...2, using: &random)
    parts[index] = others[index]
    return Sample(token: parts.joined(separator: "."), kind: "splice", expected: nil)
  }

  /// Changes of the token's text; a change may happen to change nothing.
  private func textual(
    _ token: String, _ expected: SignedPayload, _ random: inout SeededGenerator
  ) -> Sample {
    let changed =
      Bool.random(using: &random)
      ? PayloadAttacks.respelled(token, &random)
      : String(decoding: random.mutated(Array(token.utf8)), as: UTF8.self)
    let isSame = Array(changed.utf8) == Array(token.utf8)
    return Sample(token: changed, kind: "text", expected: isSame ? expected : nil)
  }

  @Test func `the leeway is a minute, to the second`() throws {
    func verify(_ claim: String, _ offset: Int64) throws -> SignedPayload {
      var random = SeededGenerator(seed: 1)
      var payload = GenuinePayload(&random)
      for (index, member) in payload.claims.enumerated() {
        let name = JSONName.read(member.name)
        if name == "exp" { payload.claims[index].value = "\(PayloadForge.now + 100)" }
        if name == claim { payload.claims[index].value = "\(PayloadForge.now + offset)" }
      }
      return try PayloadForge.verify(payload.token(secret: PayloadForge.current, &random))
    }
    #expect(throws: Never.self) { try verify("exp", -59) }
    #expect(throws: SignedPayloadError.expired) { try verify("exp", -60) }
    #expect(throws: Never.self) { try verify("nbf", 60) }
    #expect(throws: SignedPayloadError.notYetValid) { try verify("nbf", 61) }
    #expect(throws: Never.self) { try verify("iat", 60) }
    #expect(throws: SignedPayloadError.issuedInFuture) { try verify("iat", 61) }
  }

  @Test func `without a secret nothing is accepted`() {
    var random = SeededGenerator(seed: 1)
    let payload = GenuinePayload(&random)
    for secrets in [[], [""], ["", "x"]] {
      for secret in ["", PayloadForge.current] {
        let token = payload.token(secret: secret, &random)
        #expect(throws: SignedPayloadError.badSignature) {
          try SignedPayload.verify(
            token: Secret(token), clientID: PayloadForge.clientID,
            secrets: secrets.map { Secret($0) }, now: Timestamp(seconds: PayloadForge.now))
        }
      }
    }
  }

  @Test func `an empty client ID accepts no audience`() {
    var random = SeededGenerator(seed: 1)
    var payload = GenuinePayload(&random)
    for index in payload.claims.indices where JSONName.read(payload.claims[index].name) == "aud" {
      payload.claims[index].value = "\"\""
    }
    let token = payload.token(secret: PayloadForge.current, &random)
    #expect(throws: SignedPayloadError.wrongAudience) {
      try SignedPayload.verify(
        token: Secret(token), clientID: "", secrets: [Secret(PayloadForge.current)],
        now: Timestamp(seconds: PayloadForge.now))
    }
  }

  @Test func `every refusal has its own fixed word`() {
    let errors: [SignedPayloadError] =
      [
        .tooLong, .notThreeParts, .notCanonicalBase64, .headerNotJSON, .headerFieldNotAllowed,
        .wrongAlgorithm, .wrongType, .badSignature, .claimsNotJSON, .wrongAudience, .wrongIssuer,
        .expired, .notYetValid, .issuedInFuture,
      ] + SignedPayloadError.Claim.allCases.map { .badClaim($0) }
    #expect(Set(errors.map(\.reason)).count == errors.count)
  }

  @Test func `the deep link of an off-site url is the root`() throws {
    var random = SeededGenerator(seed: 3)
    for _ in 0..<50 {
      let payload = GenuinePayload(&random)
      let link = try PayloadForge.verify(payload.token(secret: PayloadForge.old, &random)).deepLink
      #expect(["/", "/a?b=1"].contains(link))
    }
  }
}

/// Reads an accepted token again with Foundation's decoders, and computes its signature from the
/// definition of HMAC.
private enum SecondReader {
  static func agrees(_ payload: SignedPayload, _ token: String) -> Bool {
    let parts = token.split(separator: ".").map(String.init)
    guard parts.count == 3, let claims = object(parts[1]), let header = object(parts[0]) else {
      return false
    }
    let user = claims["user"] as? [String: Any]
    return header["alg"] as? String == "HS256"
      && claims["sub"] as? String == "stores/\(payload.store)"
      && (user?["id"] as? NSNumber)?.int64Value == payload.userID
      && (claims["iat"] as? NSNumber)?.int64Value == payload.issuedAt.seconds
      && claims["jti"] as? String == payload.tokenID && isSigned(parts)
  }

  private static func isSigned(_ parts: [String]) -> Bool {
    [PayloadForge.current, PayloadForge.old].contains { secret in
      let code = PayloadForge.hmac(
        key: Array(secret.utf8), message: Array("\(parts[0]).\(parts[1])".utf8))
      return data(parts[2]) == Data(code)
    }
  }

  private static func object(_ text: String) -> [String: Any]? {
    data(text).flatMap { try? JSONSerialization.jsonObject(with: $0) } as? [String: Any]
  }

  private static func data(_ text: String) -> Data? {
    let standard = text.replacing("-", with: "+").replacing("_", with: "/")
    let padding = String(repeating: "=", count: (4 - standard.count % 4) % 4)
    return Data(base64Encoded: standard + padding)
  }
}
