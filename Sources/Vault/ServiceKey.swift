package import Base

/// The format of service keys: `lk_<id>_<secret>_<checksum>`, 56 characters.
///
/// The ID (12 characters, public) names the key in lists and logs; the secret has 160 random bits;
/// the checksum is of all before it. Only the SHA-256 of the whole key is stored: with that much
/// randomness a slow hash would protect nothing and cost every call.
package struct ServiceKey: Sendable {
  static let prefix = Array("lk_".utf8)
  static let idLength = 12
  static let secretLength = 32
  static let length = 3 + idLength + 1 + secretLength + 1 + Checksum.length

  /// The public part, 12 of `a-z2-7`.
  package let id: String
  /// What is stored and looked up.
  package let digest: KeyDigest
  /// The key itself, to be shown once; nothing keeps it.
  package let text: Secret<String>

  /// Makes a new key.
  package static func generate(random: RandomSource = .system) -> ServiceKey {
    let id = Base32.encode(random.bytes(8), count: idLength)
    let secret = Base32.encode(random.bytes(20), count: secretLength)
    let body = Array("lk_\(id)_\(secret)".utf8)
    let checksum = Checksum.text(of: Checksum.number(of: body[...]))
    let bytes = body + [UInt8(ascii: "_")] + checksum
    return ServiceKey(
      id: id, digest: KeyDigest(of: bytes), text: Secret(String(decoding: bytes, as: UTF8.self)))
  }

  /// The digest and ID of a key as a caller presents it, or `nil` when it is no key: one small
  /// allocation and one hash.
  ///
  /// It refuses, without a look-up, whatever has another length, another character or a wrong
  /// checksum.
  package static func parse(_ presented: Span<UInt8>) -> (id: String, digest: KeyDigest)? {
    guard presented.count == length else { return nil }
    var bytes: [UInt8] = []
    bytes.append(addingCapacity: length) { out in
      for index in presented.indices { out.append(presented[index]) }
    }
    let idEnd = 3 + idLength
    let secretEnd = idEnd + 1 + secretLength
    guard bytes.starts(with: prefix),
      bytes[idEnd] == UInt8(ascii: "_"), bytes[secretEnd] == UInt8(ascii: "_"),
      bytes[3..<idEnd].allSatisfy(Base32.allows),
      bytes[(idEnd + 1)..<secretEnd].allSatisfy(Base32.allows),
      Checksum.matches(Checksum.number(of: bytes[..<secretEnd]), bytes[(secretEnd + 1)...])
    else { return nil }
    return (String(decoding: bytes[3..<idEnd], as: UTF8.self), KeyDigest(of: bytes))
  }

  /// The same of a key as text.
  package static func parse(_ text: String) -> (id: String, digest: KeyDigest)? {
    parse(text.utf8.span)
  }

  /// Whether a text is a key's public part.
  package static func isID(_ text: some StringProtocol) -> Bool {
    text.utf8.count == idLength && text.utf8.allSatisfy(Base32.allows)
  }
}

/// The format of tickets: `lkt_<secret>`, 36 characters with 160 random bits, used once within a
/// minute.
package struct Ticket: Sendable {
  static let secretLength = 32
  static let length = 4 + secretLength

  /// What is stored and looked up: the SHA-256 of the whole ticket.
  package let digest: KeyDigest
  /// The ticket itself, to be handed to the merchant's browser.
  package let text: Secret<String>

  /// Makes a new ticket.
  package static func generate(random: RandomSource = .system) -> Ticket {
    let text = "lkt_" + Base32.encode(random.bytes(20), count: secretLength)
    return Ticket(digest: KeyDigest(of: Array(text.utf8)), text: Secret(text))
  }

  /// The digest of a ticket as it is presented, or `nil` when it is none.
  package static func parse(_ text: some StringProtocol) -> KeyDigest? {
    guard text.utf8.count == length, text.utf8.starts(with: "lkt_".utf8),
      text.utf8.dropFirst(4).allSatisfy(Base32.allows)
    else { return nil }
    return KeyDigest(of: Array(text.utf8))
  }
}
