import Base
import BigCommerce
import Crypto
import Sandbox
import Testing

@Suite struct `Signed payloads` {
  private func payload(_ client: SandboxClient, _ order: JSONValue = [:]) async throws -> String {
    try #require(
      try await client.control("signed_payloads", order)["signed_payload_jwt"]?.string)
  }

  private func claims(_ token: String) throws -> JSONValue {
    let parts = token.split(separator: ".")
    return try JSONScanner.parse(try #require(Base64.decodeURL(parts[1])))
  }

  @Test func `the claims are as documented`() async throws {
    let clock = ManualClock()
    try await withSandbox({ $0.clock = clock.clock }) { client in
      let claims = try claims(
        try await payload(client, ["user": "staff", "url": "/deep?a=1", "channel_id": 7]))
      #expect(claims["aud"] == "demo")
      #expect(claims["iss"] == "bc")
      #expect(claims["iat"] == 1_800_000_000)
      #expect(claims["nbf"] == 1_799_999_995)
      #expect(claims["exp"] == 1_800_086_400)
      #expect(claims["sub"] == "stores/demo1234")
      #expect(claims["url"] == "/deep?a=1")
      #expect(claims["channel_id"] == 7)
      #expect(claims["user"]?["email"] == "staff@demo1234.example")
      #expect(claims["user"]?["locale"] == "en-GB")
      #expect(claims["owner"]?["email"] == "owner@demo1234.example")
      #expect(claims["jti"]?.string?.utf8.count == 36)
    }
  }

  @Test func `the signature is HMAC-SHA256 with the app's secret`() async throws {
    try await withSandbox { client in
      let parts = try await payload(client).split(separator: ".").map(String.init)
      let key = SymmetricKey(data: Array("secret".utf8))
      let mac = HMAC<SHA256>.authenticationCode(
        for: Array((parts[0] + "." + parts[1]).utf8), using: key)
      #expect(Base64.decodeURL(parts[2]) == Array(mac))
      let header = try JSONScanner.parse(try #require(Base64.decodeURL(parts[0])))
      #expect(header == ["alg": "HS256", "typ": "JWT"])
    }
  }

  @Test func `two payloads differ, and a test may spoil one`() async throws {
    try await withSandbox { client in
      let first = try claims(try await payload(client))
      #expect(try claims(try await payload(client))["jti"] != first["jti"])
      let odd = try claims(try await payload(client, ["claims": ["iss": "me", "exp": 1]]))
      #expect(odd["iss"] == "me")
      #expect(odd["exp"] == 1)
      let bare = try await payload(client, ["algorithm": "none"])
      #expect(bare.hasSuffix("."))
    }
  }

  @Test func `the product's verifier accepts what the sandbox signs`() async throws {
    try await withSandbox { client in
      let token = try await payload(client)
      let verified = try SignedPayload.verify(
        token: Secret(token), clientID: "demo", secrets: [Secret("secret")],
        now: WallClock.system.now())
      #expect(verified.store.text == "demo1234")
    }
  }
}
