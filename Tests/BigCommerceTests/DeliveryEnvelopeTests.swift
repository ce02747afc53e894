import Base
import BigCommerce
import TestSupport
import Testing

@Suite struct `Delivery envelopes` {
  static let members: [(String, String)] = [
    ("scope", #""store/order/statusUpdated""#), ("store_id", #""1000001""#),
    ("producer", #""stores/abc123""#), ("hash", #""dd70c0976e06b67aaf671e73f49dcb79230ebf9d""#),
    ("created_at", "1561479335"), ("data", #"{"type":"order","id":173331}"#),
  ]

  /// The envelope with one member replaced, or without it when the value is `nil`.
  static func body(_ name: String = "", _ value: String? = nil) -> [UInt8] {
    let kept = members.filter { $0.0 != name } + (value.map { [(name, $0)] } ?? [])
    return Array(("{" + kept.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ",") + "}").utf8)
  }

  static func fault(_ body: [UInt8]) -> DeliveryEnvelopeFault? {
    do throws(DeliveryEnvelopeFault) {
      _ = try DeliveryEnvelope.parse(body)
      return nil
    } catch {
      return error
    }
  }

  @Test func `the documented one is read`() throws {
    let envelope = try DeliveryEnvelope.parse(Self.body())
    #expect(envelope.scope == "store/order/statusUpdated")
    #expect(envelope.storeID == "1000001")
    #expect(envelope.store == StoreHash("abc123"))
    #expect(envelope.hash == "dd70c0976e06b67aaf671e73f49dcb79230ebf9d")
    #expect(envelope.createdAt == Timestamp(seconds: 1_561_479_335))
    #expect(envelope.data == ["type": "order", "id": 173_331])
  }

  @Test(arguments: [
    ("store_id", "11111"), ("store_id", "0"), ("scope", #""store/channel/1/order/created""#),
    ("scope", #""store/priceList/created/""#), ("scope", #""store/*""#), ("data", "[1,2]"),
    ("data", "{}"), ("data", "null"), ("data", "12345678901234567890"), ("data", "1e99999"),
    ("data", #"{"\u0000":"\u0000"}"#),
    ("hash", #""x""#), ("extra", "[{}]"), ("created_at", "0"),
  ])
  func `unusual ones are read`(name: String, value: String) {
    #expect(Self.fault(Self.body(name, value)) == nil)
  }

  @Test(arguments: [
    ("scope", #""""#), ("scope", "5"), ("scope", #""app/installed""#), ("scope", #""store""#),
    ("scope", #""store/""#), ("scope", #""store//created""#), ("scope", #""/store/order""#),
    ("scope", #""store/order created""#), ("scope", #""store/\u0000""#),
    ("scope", #""store/ördër""#), ("scope", "\"store/\(String(repeating: "a", count: 250))\""),
    ("store_id", #""""#), ("store_id", #""abc""#), ("store_id", "-1"), ("store_id", "1.0"),
    ("store_id", "null"), ("store_id", #""123456789012345678901""#),
    ("producer", #""abc123""#), ("producer", #""stores/""#), ("producer", #""stores/ABC""#),
    ("producer", #""stores/abc/""#), ("producer", #""stores/abc123 ""#), ("producer", "[]"),
    ("hash", #""""#), ("hash", "5"), ("hash", #""a b""#),
    ("hash", "\"\(String(repeating: "a", count: 129))\""),
    ("created_at", #""1561479335""#), ("created_at", "-1"), ("created_at", "1561479335.5"),
    ("created_at", "253402300800"),
  ])
  func `a member out of form is named`(name: String, value: String) {
    #expect(Self.fault(Self.body(name, value))?.rawValue == name)
  }

  @Test(arguments: ["scope", "store_id", "producer", "hash", "created_at", "data"])
  func `a missing member is named, and one that stands twice spoils all`(name: String) {
    #expect(Self.fault(Self.body(name))?.rawValue == name)
    let twice = Self.body("extra", "1,\"\(name)\":1")
    #expect(Self.fault(twice) == .json)
  }

  @Test(arguments: ["", "[]", "null", "{}{}", "{", #""stores/abc""#, "{}\u{0}"])
  func `anything but one object is refused`(text: String) {
    #expect(Self.fault(Array(text.utf8)) == .json)
  }

  @Test func `mutated ones are read in form or refused`() {
    var random = SeededGenerator()
    for _ in 0..<count(ordinary: 3000, full: 100_000) {
      let bytes = random.mutated(Self.body())
      guard let envelope = try? DeliveryEnvelope.parse(bytes) else { continue }
      #expect(envelope.scope.hasPrefix("store/"), "seed \(random.seed)")
      #expect(envelope.storeID.allSatisfy { $0.isASCII && $0.isNumber }, "seed \(random.seed)")
    }
  }
}
