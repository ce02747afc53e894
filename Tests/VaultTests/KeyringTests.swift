import Base
import Testing
import Vault

/// Keys of one repeated byte.
func entry(_ id: String, _ byte: UInt8) -> String {
  "\(id):\(Base64.encode([UInt8](repeating: byte, count: 32)))"
}

@Suite struct `Keyring setting` {
  @Test func `the first key seals and all are held in their order`() throws {
    let ring = try Keyring(parsing: Secret("\(entry("new", 1)),\(entry("old-2_x", 2))"))
    #expect(ring.sealingKeyID.text == "new")
    #expect(ring.keyIDs.map(\.text) == ["new", "old-2_x"])
    #expect(ring.keyIDs.allSatisfy(ring.holds))
  }

  @Test(arguments: ["\n", "\r\n", " ", "\t\n", "\r\n\r\n"])
  func `white space around entries does not matter`(_ space: String) throws {
    let text = space + entry("a", 1) + space + "," + space + entry("b", 2) + space
    #expect(try Keyring(parsing: Secret(text)).keyIDs.map(\.text) == ["a", "b"])
  }

  static let malformed: [(String, KeyringError)] = [
    ("", .empty), ("  \n", .empty),
    (",", .notIDAndKey(entry: 1)),
    ("a", .notIDAndKey(entry: 1)),
    (entry("a", 1) + ",", .notIDAndKey(entry: 2)),
    (entry("a", 1) + ",," + entry("b", 1), .notIDAndKey(entry: 2)),
    (entry("a", 1) + ":x", .notIDAndKey(entry: 1)),
    (entry("", 1), .badID(entry: 1)),
    (entry("A", 1), .badID(entry: 1)),
    (entry("a b", 1), .badID(entry: 1)),
    (entry("a.b", 1), .badID(entry: 1)),
    (entry("é", 1), .badID(entry: 1)),
    (entry(String(repeating: "a", count: 33), 1), .badID(entry: 1)),
    (entry("a", 1) + "," + entry("a", 2), .duplicateID(entry: 2)),
    ("a:", .wrongLength(entry: 1, bytes: 0)),
    ("a:AAAA", .wrongLength(entry: 1, bytes: 3)),
    ("a:" + Base64.encode([UInt8](repeating: 1, count: 31)), .wrongLength(entry: 1, bytes: 31)),
    ("a:" + Base64.encode([UInt8](repeating: 1, count: 33)), .wrongLength(entry: 1, bytes: 33)),
    ("a:" + Base64.encodeURL([UInt8](repeating: 255, count: 32)), .notBase64(entry: 1)),
    (String(entry("a", 1).dropLast()), .notBase64(entry: 1)),
    (entry("a", 1).replacing(":", with: ": "), .notBase64(entry: 1)),
    (entry("a", 1) + ";" + entry("b", 1), .notIDAndKey(entry: 1)),
    (entry("a", 1) + "\n" + entry("b", 1), .notIDAndKey(entry: 1)),
  ]

  @Test(arguments: malformed)
  func `a malformed setting is refused with the entry's number`(
    _ text: String, _ error: KeyringError
  ) {
    #expect(throws: error) { try Keyring(parsing: Secret(text)) }
    #expect(!error.description.contains("AQEB"))
  }

  @Test func `an entry that is made can be read`() throws {
    let id = try #require(KeyID("k1"))
    let made = Keyring.makeEntry(id)
    #expect(try Keyring(parsing: made).keyIDs == [id])
    #expect(made.expose() != Keyring.makeEntry(id).expose())
  }

  @Test func `a keyring never prints its keys`() throws {
    let ring = try Keyring(parsing: Secret("\(entry("new", 1)),\(entry("old", 2))"))
    var dumped = ""
    dump(ring, to: &dumped)
    for text in ["\(ring)", String(reflecting: ring), dumped] {
      #expect(!text.contains("AQEB"))
      #expect(!text.lowercased().contains("symmetric"))
      #expect(text.contains("new"))
    }
  }
}
