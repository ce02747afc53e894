import Base
import Crypto

/// The token that BigCommerce signs for load, uninstall and remove-user callbacks.
struct SignedPayload: Sendable {
  let claims: JSONValue
  let text: String

  /// Signs the claims with HS256 and the app's secret, or as the order says for a negative test.
  init(claims: JSONValue, secret: String, algorithm: String = "HS256") {
    self.claims = claims
    let header: JSONValue = ["alg": .string(algorithm), "typ": "JWT"]
    let signed = Base64.encodeURL(header.encoded()) + "." + Base64.encodeURL(claims.encoded())
    text = signed + "." + SignedPayload.signature(of: signed, secret: secret, algorithm: algorithm)
  }

  /// The claims as documented: `nbf` five seconds before `iat`, `exp` a day after.
  static func claims(
    app: AppRegistration, store: StoreProfile, user: StoreUser, url: String = "/",
    channel: Int64? = nil, jti: String, at now: Timestamp
  ) -> JSONValue {
    let issued = now.seconds
    return [
      "aud": .string(app.clientID), "iss": "bc", "iat": .integer(issued),
      "nbf": .integer(issued - 5), "exp": .integer(issued + 86400), "jti": .string(jti),
      "sub": .string("stores/\(store.hash)"),
      "user": [
        "id": .integer(user.id), "email": .string(user.email), "locale": .string(user.locale),
      ],
      "owner": ["id": .integer(store.owner.id), "email": .string(store.owner.email)],
      "url": .string(url), "channel_id": channel.map { .integer($0) } ?? .null,
    ]
  }

  private static func signature(of text: String, secret: String, algorithm: String) -> String {
    let key = SymmetricKey(data: Array(secret.utf8))
    let bytes = Array(text.utf8)
    switch algorithm {
    case "none": return ""
    case "HS512":
      return Base64.encodeURL(Array(HMAC<SHA512>.authenticationCode(for: bytes, using: key)))
    default:
      return Base64.encodeURL(Array(HMAC<SHA256>.authenticationCode(for: bytes, using: key)))
    }
  }
}
