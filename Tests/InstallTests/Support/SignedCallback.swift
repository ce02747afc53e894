import Base
import Crypto

/// Makes the payloads that BigCommerce signs.
struct SignedCallback: Sendable {
  static let clientID = "client-id"
  static let secret = "client-secret-canary-8842"

  var store = "abc123"
  var userID: Int64 = 7
  var email = "user@example.com"
  var ownerID: Int64 = 1
  var issuedAt: Timestamp
  var jti: String
  var url = "/"
  var channelID: Int64?
  var secret = SignedCallback.secret

  var jwt: String {
    let payload: JSONValue = [
      "aud": .string(SignedCallback.clientID), "iss": "bc",
      "iat": .integer(issuedAt.seconds), "nbf": .integer(issuedAt.seconds - 5),
      "exp": .integer(issuedAt.seconds + 86400), "jti": .string(jti),
      "sub": .string("stores/\(store)"),
      "user": [
        "id": .integer(userID), "email": .string(email), "locale": "en-US",
      ],
      "owner": ["id": .integer(ownerID), "email": "owner@example.com"],
      "url": .string(url), "channel_id": channelID.map { .integer($0) } ?? .null,
    ]
    let header: JSONValue = ["alg": "HS256", "typ": "JWT"]
    let signed = Base64.encodeURL(header.encoded()) + "." + Base64.encodeURL(payload.encoded())
    let mac = HMAC<SHA256>.authenticationCode(
      for: Array(signed.utf8), using: SymmetricKey(data: Array(secret.utf8)))
    return signed + "." + Base64.encodeURL(Array(mac))
  }

  var query: String { "signed_payload_jwt=\(jwt)" }
}
