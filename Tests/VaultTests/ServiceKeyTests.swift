import Base
import Crypto
import TestSupport
import Testing

@testable import Vault

@Suite struct `Service keys` {
  static let known = ServiceKey.generate(
    random: RandomSource { [UInt8](repeating: 0xA5, count: $0) })

  @Test func `a made key is read, with its ID and the SHA-256 of the whole`() throws {
    for _ in 0..<500 {
      let key = ServiceKey.generate()
      let text = key.text.expose()
      let parsed = try #require(ServiceKey.parse(text))
      #expect(parsed.id == key.id)
      #expect(parsed.digest == key.digest)
      #expect(parsed.digest.bytes == Array(SHA256.hash(data: Array(text.utf8))))
      #expect(text.utf8.count == 56)
      #expect(text.hasPrefix("lk_\(key.id)_"))
      #expect(ServiceKey.isID(key.id))
    }
  }

  @Test func `keys differ`() {
    let made = (0..<1000).map { _ in ServiceKey.generate() }
    #expect(Set(made.map(\.id)).count == 1000)
    #expect(Set(made.map(\.digest)).count == 1000)
  }

  /// If this changes, every key in use stops working.
  @Test func `the format is fixed`() {
    let text = Self.known.text.expose()
    #expect(text == "lk_uws2ljnfuws2_uws2ljnfuws2ljnfuws2ljnfuws2ljnf_dibxccm")
    #expect(Checksum.number(of: Array("123456789".utf8)[...]) == 0xCBF4_3926)
    #expect(Checksum.text(of: 0xFFFF_FFFF) == Array("d777777".utf8))
    #expect(Checksum.text(of: 0) == Array("aaaaaaa".utf8))
  }

  static let malformed: [String] = {
    let text = known.text.expose()
    return [
      "", "lk_", "lk", text + "a", String(text.dropLast()), String(text.dropFirst()),
      text.uppercased(), " " + text, text + " ", text + "\n", "Bearer " + text,
      "LK" + text.dropFirst(2), "lj" + text.dropFirst(2), "lkt" + text.dropFirst(2),
      text.replacing("_", with: "-"), text.replacing("u", with: "\u{443}"),
      text.replacing("w", with: "1"), text.replacing("w", with: "0"),
      String(repeating: "é", count: 28), String(repeating: "_", count: 56),
      String(repeating: "a", count: 56), String(repeating: "\u{0}", count: 56),
      "lk_" + text.dropFirst(3).prefix(12) + "a" + text.dropFirst(16),
    ]
  }()

  @Test(arguments: malformed) func `anything else is refused`(_ text: String) {
    #expect(ServiceKey.parse(text) == nil)
  }

  @Test func `one wrong character is always found`() {
    let bytes = Array(Self.known.text.expose().utf8)
    for index in bytes.indices {
      for byte in UInt8.min ... .max where byte != bytes[index] {
        var changed = bytes
        changed[index] = byte
        #expect(ServiceKey.parse(String(decoding: changed, as: UTF8.self)) == nil)
      }
    }
  }

  @Test func `two swapped neighbours are always found`() {
    var random = SeededGenerator()
    for _ in 0..<200 {
      let bytes = Array(ServiceKey.generate(random: random.source()).text.expose().utf8)
      for index in bytes.indices.dropLast() where bytes[index] != bytes[index + 1] {
        var changed = bytes
        changed.swapAt(index, index + 1)
        #expect(
          ServiceKey.parse(String(decoding: changed, as: UTF8.self)) == nil, "seed \(random.seed)")
      }
    }
  }

  @Test func `no random mutation is a key`() {
    var random = SeededGenerator()
    for _ in 0..<count(ordinary: 10_000, full: 200_000) {
      let original = ServiceKey.generate(random: random.source()).text.expose()
      let changed = random.mutated(Array(original.utf8))
      let text = String(decoding: changed, as: UTF8.self)
      guard text != original else { continue }
      #expect(ServiceKey.parse(text) == nil, "\(text), seed \(random.seed)")
    }
  }

  @Test func `a part of a longer text is read like a text`() throws {
    let text = "Bearer " + Self.known.text.expose()
    #expect(ServiceKey.parse(text.utf8.span.extracting(7...))?.digest == Self.known.digest)
  }

  @Test func `a key never prints`() {
    let secret = Self.known.text.expose().split(separator: "_")[2]
    var dumped = ""
    dump(Self.known, to: &dumped)
    for text in ["\(Self.known)", String(reflecting: Self.known), dumped] {
      #expect(!text.contains(secret))
    }
  }
}

@Suite struct `Tickets` {
  @Test func `a made ticket is read and is no service key`() throws {
    for _ in 0..<200 {
      let ticket = Ticket.generate()
      let text = ticket.text.expose()
      #expect(Ticket.parse(text) == ticket.digest)
      #expect(ticket.digest.bytes == Array(SHA256.hash(data: Array(text.utf8))))
      #expect(ServiceKey.parse(text) == nil)
      #expect(text.utf8.count == 36)
    }
  }

  @Test(arguments: [
    "", "lkt_", "lkt_" + String(repeating: "A", count: 32),
    "lkt_" + String(repeating: "a", count: 31), "lkt_" + String(repeating: "a", count: 33),
    "lk__" + String(repeating: "a", count: 32), "lkt_" + String(repeating: "é", count: 16),
    "lkt_" + String(repeating: "1", count: 32),
  ])
  func `anything else is refused`(_ text: String) {
    #expect(Ticket.parse(text) == nil)
  }

  @Test func `a ticket never prints`() {
    let ticket = Ticket.generate()
    var dumped = ""
    dump(ticket, to: &dumped)
    let secret = ticket.text.expose().dropFirst(4)
    #expect(!"\(ticket) \(dumped)".contains(secret))
  }
}

@Suite struct `Key digests` {
  @Test func `bytes survive, and only 32 of them are a digest`() {
    let digest = KeyDigest(of: Array("abc".utf8))
    #expect(
      Hex.encode(digest.bytes)
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(KeyDigest(bytes: digest.bytes) == digest)
    #expect(KeyDigest(bytes: Array(digest.bytes.dropLast())) == nil)
    #expect(KeyDigest(bytes: digest.bytes + [0]) == nil)
  }

  @Test func `digests that differ in one bit differ`() throws {
    let bytes = KeyDigest(of: []).bytes
    let digest = try #require(KeyDigest(bytes: bytes))
    for bit in 0..<256 {
      var changed = bytes
      changed[bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(KeyDigest(bytes: changed) != digest)
    }
  }
}
