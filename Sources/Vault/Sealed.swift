package import Base

/// What a sealed value is for; one sealed for a purpose cannot be opened for another.
package enum SealedPurpose: String, CaseIterable, Sendable {
  /// A store's access token, in its installation's row.
  case accessToken = "access_token"
  /// A record of the spool.
  case spoolRecord = "spool_record"
  /// The constant that tells a wrong key from a right one.
  case canary
  /// The secret that BigCommerce sends with each delivery.
  case webhookSecret = "webhook_secret"
  /// The secret with which deliveries to a subscriber are signed.
  case subscriptionSecret = "subscription_secret"
  /// A console session.
  case consoleCookie = "console_cookie"
  /// BigCommerce's answer to a write that has an `Idempotency-Key`.
  case keptAnswer = "kept_answer"
}

/// Where a sealed value belongs: it opens nowhere else.
///
/// The rest of its address, the key's ID, is added when it is sealed.
package struct SealedPlace: Hashable, Sendable {
  package let purpose: SealedPurpose
  package let app: AppName?
  package let store: StoreHash?
  package let generation: Generation?
  /// What else tells its row from all others.
  package let row: [String]

  package init(
    _ purpose: SealedPurpose, app: AppName? = nil, store: StoreHash? = nil,
    generation: Generation? = nil, row: [String] = []
  ) {
    self.purpose = purpose
    self.app = app
    self.store = store
    self.generation = generation
    self.row = row
  }

  package init(
    _ purpose: SealedPurpose, of installation: InstallationID, generation: Generation? = nil,
    row: [String] = []
  ) {
    self.init(
      purpose, app: installation.app, store: installation.store, generation: generation, row: row)
  }

  /// Purpose, app, store, generation, key ID and the row's own, each with its length before it, so
  /// that no two places share it.
  func associatedData(keyID: KeyID) -> [UInt8] {
    var bytes: [UInt8] = []
    let fields =
      [
        purpose.rawValue, app?.text ?? "", store?.text ?? "", generation.map { "\($0)" } ?? "",
        keyID.text,
      ] + row
    for field in fields {
      let length = UInt32(field.utf8.count)
      for shift: UInt32 in [24, 16, 8, 0] {
        bytes.append(UInt8(truncatingIfNeeded: length >> shift))
      }
      bytes.append(contentsOf: field.utf8)
    }
    return bytes
  }
}

/// A sealed value as it is stored: `v1 | length of key_id | key_id | nonce (12) | ciphertext | tag
/// (16)`.
///
/// AES-256-GCM with a random nonce. It holds no secret, and its key's ID in clear.
package struct Sealed: Hashable, Sendable {
  static let version = Array("v1".utf8)
  static let nonceLength = 12
  static let tagLength = 16

  package let keyID: KeyID
  let nonce: [UInt8]
  let ciphertext: [UInt8]
  let tag: [UInt8]

  init(keyID: KeyID, nonce: [UInt8], ciphertext: [UInt8], tag: [UInt8]) {
    self.keyID = keyID
    self.nonce = nonce
    self.ciphertext = ciphertext
    self.tag = tag
  }

  /// Reads stored bytes; whether they are genuine shows when they are opened.
  package init(bytes: [UInt8]) throws(VaultError) {
    guard bytes.count > Sealed.version.count else { throw .damaged }
    guard bytes.starts(with: Sealed.version) else { throw .unknownVersion }
    let length = Int(bytes[2])
    guard bytes.count >= 3 + length + Sealed.nonceLength + Sealed.tagLength,
      let keyID = KeyID(String(decoding: bytes[3..<3 + length], as: UTF8.self))
    else { throw .damaged }
    let rest = bytes[(3 + length)...]
    self.keyID = keyID
    nonce = Array(rest.prefix(Sealed.nonceLength))
    ciphertext = Array(rest.dropFirst(Sealed.nonceLength).dropLast(Sealed.tagLength))
    tag = Array(rest.suffix(Sealed.tagLength))
  }

  /// The bytes to store.
  package var bytes: [UInt8] {
    Sealed.version + [UInt8(keyID.text.utf8.count)] + Array(keyID.text.utf8) + nonce + ciphertext
      + tag
  }
}
