import Base

/// Reads the claims of a payload whose signature is valid.
///
/// Strict where the documentation is definite: identifiers and times are JSON integers, never texts
/// or fractions. (Old token *answers* show the user's ID as a text; no signed payload does, and a
/// second spelling of an identity is a second way to be somebody.) Whatever will be stored or shown
/// has bounded length and no control characters.
struct ClaimReader {
  private let claims: JSONValue

  init(_ claims: JSONValue) {
    self.claims = claims
  }

  /// Whether it was made by BigCommerce for this app.
  func checkParties(clientID: String) throws(SignedPayloadError) {
    guard let audience = claims["aud"]?.string, !clientID.isEmpty,
      audience.utf8.elementsEqual(clientID.utf8)
    else { throw .wrongAudience }
    guard claims["iss"]?.string == "bc" else { throw .wrongIssuer }
  }

  func payload(now: Timestamp) throws(SignedPayloadError) -> SignedPayload {
    let issuedAt = try time("iat", .iat)
    let expiresAt = try time("exp", .exp)
    let validFrom = try time("nbf", .nbf)
    guard expiresAt > now - SignedPayload.leeway else { throw .expired }
    guard validFrom <= now + SignedPayload.leeway else { throw .notYetValid }
    guard issuedAt <= now + SignedPayload.leeway else { throw .issuedInFuture }
    guard let subject = claims["sub"]?.string, let store = StoreHash(context: subject) else {
      throw .badClaim(.sub)
    }
    let user = claims["user"] ?? .null
    let owner = claims["owner"] ?? .null
    guard user.members != nil, let userID = identifier(user["id"]) else {
      throw .badClaim(.userID)
    }
    return SignedPayload(
      store: store, userID: userID,
      userEmail: try text(user["email"], limit: 320, .userEmail) ?? "",
      userLocale: try text(user["locale"], limit: 64, .userLocale),
      ownerID: try ownerID(owner), ownerEmail: try text(owner["email"], limit: 320, .owner),
      issuedAt: issuedAt, expiresAt: expiresAt, tokenID: try tokenID(),
      url: try text(claims["url"], limit: 4096, .url), channelID: try channelID())
  }

  /// Seconds from 1970 to the year 9999, so that no later arithmetic overflows.
  private func time(
    _ name: String, _ claim: SignedPayloadError.Claim
  ) throws(SignedPayloadError) -> Timestamp {
    guard let seconds = claims[name]?.integer, (0...253_402_300_799).contains(seconds) else {
      throw .badClaim(claim)
    }
    return Timestamp(seconds: seconds)
  }

  private func tokenID() throws(SignedPayloadError) -> String {
    guard let text = claims["jti"]?.string, (1...128).contains(text.utf8.count),
      text.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
    else { throw .badClaim(.jti) }
    return text
  }

  private func identifier(_ value: JSONValue?) -> Int64? {
    guard let number = value?.integer, number > 0 else { return nil }
    return number
  }

  /// Older documentation lacks the owner, so it may be absent; it may not be something else.
  private func ownerID(_ owner: JSONValue) throws(SignedPayloadError) -> Int64? {
    if owner == .null { return nil }
    guard owner.members != nil, let number = identifier(owner["id"]) else {
      throw .badClaim(.owner)
    }
    return number
  }

  private func channelID() throws(SignedPayloadError) -> Int64? {
    let value = claims["channel_id"] ?? .null
    if value == .null { return nil }
    guard let number = value.integer, number >= 0 else { throw .badClaim(.channelID) }
    return number
  }

  /// A text of at most `limit` bytes without control characters; `nil` when it is null or absent.
  private func text(
    _ value: JSONValue?, limit: Int, _ claim: SignedPayloadError.Claim
  ) throws(SignedPayloadError) -> String? {
    guard let value, value != .null else { return nil }
    guard let text = value.string, text.utf8.count <= limit, !text.hasControls else {
      throw .badClaim(claim)
    }
    return text
  }
}

extension String {
  /// Whether it holds a control character of ASCII or Latin-1, NUL included.
  var hasControls: Bool {
    unicodeScalars.contains { $0.value < 0x20 || (0x7F..<0xA0).contains($0.value) }
  }
}
