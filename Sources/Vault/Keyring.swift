package import Base
import Crypto

/// The name of a key: 1 to 32 of `a-z`, `0-9`, `_` and `-`.
///
/// It stands in clear in every envelope, in the database and in logs.
package struct KeyID: Hashable, Sendable, CustomStringConvertible {
  package let text: String

  /// `nil` unless the whole text matches `^[a-z0-9_-]{1,32}$`.
  package init?(_ text: some StringProtocol) {
    guard (1...32).contains(text.utf8.count), text.utf8.allSatisfy(KeyID.allows) else { return nil }
    self.text = String(text)
  }

  private static func allows(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
      UInt8(ascii: "_"), UInt8(ascii: "-"):
      true
    default: false
    }
  }

  package var description: String { text }
}

extension KeyID: Comparable {
  package static func < (left: KeyID, right: KeyID) -> Bool { left.text < right.text }
}

/// The keys that seal what must not be readable in the database: the first seals, all open.
///
/// Its bytes never print. Several keys are loaded while one replaces another (DESIGN 4.5).
package struct Keyring: Sendable {
  private let keys: [KeyID: SymmetricKey]
  private let random: RandomSource
  /// The IDs in the order of the setting.
  package let keyIDs: [KeyID]
  /// The key with which everything new is sealed.
  package let sealingKeyID: KeyID

  /// The length of a key.
  package static let keyLength = ByteCount(32)

  /// Reads `id:base64(32 bytes)`, several separated by commas.
  ///
  /// White space around an entry does not matter, so that a file may end with a line break.
  package init(
    parsing text: Secret<String>, random: RandomSource = .system
  ) throws(KeyringError) {
    var keys: [KeyID: SymmetricKey] = [:]
    var keyIDs: [KeyID] = []
    let entries = text.expose().split(separator: ",", omittingEmptySubsequences: false)
      .map(Keyring.trimmed)
    guard entries != [""] else { throw .empty }
    for (index, entry) in entries.enumerated() {
      let (keyID, key) = try Keyring.read(entry, number: index + 1)
      guard keys.updateValue(key, forKey: keyID) == nil else {
        throw .duplicateID(entry: index + 1)
      }
      keyIDs.append(keyID)
    }
    guard let sealing = keyIDs.first else { throw .empty }
    self.keys = keys
    self.keyIDs = keyIDs
    sealingKeyID = sealing
    self.random = random
  }

  /// A new key in the form of the setting, `id:base64`, for a data directory that has none.
  package static func makeEntry(_ id: KeyID, random: RandomSource = .system) -> Secret<String> {
    Secret("\(id):\(Base64.encode(random.bytes(keyLength.bytes)))")
  }

  private static func read(
    _ entry: Substring, number: Int
  ) throws(KeyringError) -> (KeyID, SymmetricKey) {
    let parts = entry.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2 else { throw .notIDAndKey(entry: number) }
    guard let id = KeyID(parts[0]) else { throw .badID(entry: number) }
    guard let bytes = Base64.decode(parts[1]) else { throw .notBase64(entry: number) }
    guard bytes.count == keyLength.bytes else {
      throw .wrongLength(entry: number, bytes: bytes.count)
    }
    return (id, SymmetricKey(data: bytes))
  }

  /// Without white space at its ends; by scalars, because CR LF is one `Character`.
  private static func trimmed(_ text: Substring) -> Substring {
    let isSpace = { (byte: UInt8) in byte == 0x20 || (0x09...0x0D).contains(byte) }
    let head = text.utf8.drop(while: isSpace)
    guard let last = head.lastIndex(where: { !isSpace($0) }) else { return "" }
    return text[head.startIndex..<head.index(after: last)]
  }
}

extension Keyring {
  /// Whether a key of that ID is loaded.
  package func holds(_ id: KeyID) -> Bool { keys[id] != nil }

  /// Seals with the first key, for one place only.
  package func seal(
    _ plaintext: Secret<[UInt8]>, for place: SealedPlace
  ) throws(VaultError) -> Sealed {
    try seal(plaintext, for: place, with: sealingKeyID)
  }

  /// Opens what was sealed for that place, with the key that the envelope names and no other.
  package func open(
    _ sealed: Sealed, for place: SealedPlace
  ) throws(VaultError) -> Secret<[UInt8]> {
    guard let key = keys[sealed.keyID] else { throw .unknownKey(sealed.keyID) }
    let associated = place.associatedData(keyID: sealed.keyID)
    guard
      let nonce = try? AES.GCM.Nonce(data: sealed.nonce),
      let box = try? AES.GCM.SealedBox(
        nonce: nonce, ciphertext: sealed.ciphertext, tag: sealed.tag),
      let plaintext = try? AES.GCM.open(box, using: key, authenticating: associated)
    else { throw .damaged }
    return Secret(Array(plaintext))
  }

  /// Seals what is sealed for that place anew with the first key; `nil` when it is already.
  package func rewrap(
    _ sealed: Sealed, for place: SealedPlace
  ) throws(VaultError) -> Sealed? {
    guard sealed.keyID != sealingKeyID else { return nil }
    return try seal(open(sealed, for: place), for: place)
  }

  func seal(
    _ plaintext: Secret<[UInt8]>, for place: SealedPlace, with id: KeyID
  ) throws(VaultError) -> Sealed {
    guard let key = keys[id] else { throw .unknownKey(id) }
    let associated = place.associatedData(keyID: id)
    guard
      let nonce = try? AES.GCM.Nonce(data: random.bytes(Sealed.nonceLength)),
      let box = try? AES.GCM.seal(
        plaintext.expose(), using: key, nonce: nonce, authenticating: associated)
    else { throw .sealingFailed }
    return Sealed(
      keyID: id, nonce: Array(nonce), ciphertext: Array(box.ciphertext), tag: Array(box.tag))
  }
}

extension Keyring: CustomStringConvertible, CustomReflectable {
  /// The IDs only.
  package var description: String { "Keyring(\(keyIDs.map(\.text).joined(separator: ",")))" }
  package var customMirror: Mirror { Mirror(self, children: ["keyIDs": keyIDs]) }
}

/// Why a keyring setting cannot be read.
///
/// Entries are named by their number from 1, never by what they hold.
package enum KeyringError: Error, Hashable, Sendable {
  case empty
  /// Not two parts separated by one colon.
  case notIDAndKey(entry: Int)
  case badID(entry: Int)
  case notBase64(entry: Int)
  case wrongLength(entry: Int, bytes: Int)
  case duplicateID(entry: Int)
}

extension KeyringError: CustomStringConvertible {
  /// What is wrong and how it should be, for the operator.
  package var description: String {
    switch self {
    case .empty: "no key; expected id:base64(32 bytes), several separated by commas"
    case .notIDAndKey(let entry): "entry \(entry) is not id:base64"
    case .badID(let entry): "the ID of entry \(entry) is not 1 to 32 of a-z, 0-9, _ and -"
    case .notBase64(let entry): "the key of entry \(entry) is not base64 with padding"
    case .wrongLength(let entry, let bytes): "the key of entry \(entry) has \(bytes) bytes, not 32"
    case .duplicateID(let entry): "the ID of entry \(entry) stands in an earlier entry too"
    }
  }
}
