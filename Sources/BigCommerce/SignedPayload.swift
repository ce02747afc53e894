package import Base
import Crypto

/// What BigCommerce says in the `signed_payload_jwt` of a load, uninstall or remove-user callback.
///
/// A value of this type has been verified. Payloads carry no purpose: any of the three callbacks
/// could have had it.
/// - Source: PLATFORM 3.2 and 3.3; DESIGN 3.6.
package struct SignedPayload: Hashable, Sendable {
  /// `sub`.
  package let store: StoreHash
  /// `user.id`: the acting user, above zero.
  package let userID: Int64
  /// `user.email`; empty when absent.
  package let userEmail: String
  /// `user.locale`, a BCP 47 tag, not checked further.
  package let userLocale: String?
  /// `owner.id`: the store's owner, above zero.
  package let ownerID: Int64?
  package let ownerEmail: String?
  /// `iat`, by BigCommerce's clock.
  package let issuedAt: Timestamp
  /// `exp`, by BigCommerce's clock.
  package let expiresAt: Timestamp
  /// `jti`, 1 to 128 printable ASCII characters: unique per payload.
  package let tokenID: String
  /// `url` as it came, which may be anything: use ``deepLink``.
  package let url: String?
  /// `channel_id`; `nil` from the Apps side menu.
  package let channelID: Int64?

  /// Where in the app to go: `url` if it is a safe relative path, else `/`.
  package var deepLink: String { DeepLink.path(from: url) }

  /// The longest token that is looked at.
  package static let maxLength = ByteCount.kibibytes(8)
  /// How far BigCommerce's clock and ours may differ.
  package static let leeway = Duration.seconds(60)

  /// Verifies a token for one app.
  ///
  /// The signature is checked, in constant time, before any claim is read; no claim chooses the
  /// secret. `aud` must be the client ID. The secrets are the app's current and old ones; an empty
  /// one never matches.
  package static func verify(
    token: Secret<String>, clientID: String, secrets: [Secret<String>], now: Timestamp
  ) throws(SignedPayloadError) -> SignedPayload {
    let claims = try authenticClaims(of: token.expose(), secrets: secrets)
    let reader = ClaimReader(claims)
    try reader.checkParties(clientID: clientID)
    return try reader.payload(now: now)
  }

  /// The JSON of the second part, once the third is its signature.
  private static func authenticClaims(
    of token: String, secrets: [Secret<String>]
  ) throws(SignedPayloadError) -> JSONValue {
    guard token.utf8.count <= maxLength.bytes else { throw .tooLong }
    let parts = token.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard parts.count == 3 else { throw .notThreeParts }
    guard let header = Base64.decodeURL(Substring(parts[0])),
      let claims = Base64.decodeURL(Substring(parts[1])),
      let signature = Base64.decodeURL(Substring(parts[2]))
    else { throw .notCanonicalBase64 }
    try checkHeader(header)
    let signed = Array(token.utf8[..<parts[1].endIndex])
    guard isSigned(signed, signature: signature, secrets: secrets) else { throw .badSignature }
    guard let value = try? JSONScanner.parse(claims), value.members != nil else {
      throw .claimsNotJSON
    }
    return value
  }

  private static func checkHeader(_ bytes: [UInt8]) throws(SignedPayloadError) {
    guard let value = try? JSONScanner.parse(bytes), let members = value.members else {
      throw .headerNotJSON
    }
    guard members.allSatisfy({ $0.name == "alg" || $0.name == "typ" }) else {
      throw .headerFieldNotAllowed
    }
    guard value["alg"]?.string == "HS256" else { throw .wrongAlgorithm }
    if let type = value["typ"] {
      guard type.string?.lowercased() == "jwt" else { throw .wrongType }
    }
  }

  /// Tries every secret, so that the time does not tell which one matched.
  private static func isSigned(
    _ signed: [UInt8], signature: [UInt8], secrets: [Secret<String>]
  ) -> Bool {
    var isValid = false
    for secret in secrets where !secret.expose().isEmpty {
      let key = SymmetricKey(data: Array(secret.expose().utf8))
      if HMAC<SHA256>.isValidAuthenticationCode(signature, authenticating: signed, using: key) {
        isValid = true
      }
    }
    return isValid
  }
}

/// Why a signed payload is refused; nothing in it comes from the payload, so it may be logged.
package enum SignedPayloadError: Error, Hashable, Sendable {
  case tooLong
  case notThreeParts
  case notCanonicalBase64
  case headerNotJSON
  case headerFieldNotAllowed
  case wrongAlgorithm
  case wrongType
  case badSignature
  case claimsNotJSON
  case wrongAudience
  case wrongIssuer
  case expired
  case notYetValid
  case issuedInFuture
  /// The claim is missing, of the wrong type or out of range.
  case badClaim(Claim)

  /// The claims that are read.
  package enum Claim: String, CaseIterable, Sendable {
    case exp, nbf, iat, jti, sub, owner, url
    case userID = "user.id"
    case userEmail = "user.email"
    case userLocale = "user.locale"
    case channelID = "channel_id"
  }

  /// A fixed word for logs and metrics, for example `bad_signature` or `bad_claim:user.id`.
  package var reason: String {
    switch self {
    case .tooLong: "too_long"
    case .notThreeParts: "not_three_parts"
    case .notCanonicalBase64: "not_canonical_base64"
    case .headerNotJSON: "header_not_json"
    case .headerFieldNotAllowed: "header_field_not_allowed"
    case .wrongAlgorithm: "wrong_algorithm"
    case .wrongType: "wrong_type"
    case .badSignature: "bad_signature"
    case .claimsNotJSON: "claims_not_json"
    case .wrongAudience: "wrong_audience"
    case .wrongIssuer: "wrong_issuer"
    case .expired: "expired"
    case .notYetValid: "not_yet_valid"
    case .issuedInFuture: "issued_in_future"
    case .badClaim(let claim): "bad_claim:\(claim.rawValue)"
    }
  }
}
