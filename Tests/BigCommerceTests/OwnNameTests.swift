import Base
import BigCommerce
import Testing

@Suite struct `What a store calls itself` {
  @Test func `is read from its document, absent where it says nothing`() throws {
    #expect(
      OwnName(["name": "Copper Kettle", "domain": "kettle.example", "id": "abc"])
        == OwnName(name: "Copper Kettle", domain: "kettle.example"))
    #expect(OwnName(["name": "", "domain": .null]) == OwnName(name: nil, domain: nil))
    #expect(OwnName(["name": 7]) == OwnName(name: nil, domain: nil))
    #expect(OwnName(["a\0b"]) == nil && OwnName(.null) == nil)
  }

  @Test func `holds no NUL and is not longer than a domain may be`() throws {
    let name = try #require(
      OwnName(["name": "a\0b", "domain": .string(String(repeating: "ä", count: 300))]))
    #expect(name.name == "ab" && name.domain?.count == 255)
  }
}
