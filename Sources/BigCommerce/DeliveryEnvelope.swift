package import Base

/// The body of a webhook that BigCommerce delivers.
///
/// Members that are not named here are passed over, because the platform adds some now and then.
/// - Source: PLATFORM 7.3 and 7.5.
package struct DeliveryEnvelope: Hashable, Sendable {
  /// What happened, for example `store/order/statusUpdated`.
  ///
  /// Free text, because the list grows several times a year; its form is checked: `store` and more
  /// segments of ASCII letters, digits and `_ - . *`, at most 255 bytes.
  package let scope: String
  /// `store_id`: the store's number in digits, which is not its hash.
  package let storeID: String
  /// `producer`.
  package let store: StoreHash
  /// Names the event for recognising duplicates, and signs nothing; 1 to 128 visible characters.
  package let hash: String
  /// When it happened by BigCommerce's clock, in whole seconds.
  package let createdAt: Timestamp
  /// Any JSON value, also an array.
  package let data: JSONValue

  package static func parse(_ body: [UInt8]) throws(DeliveryEnvelopeFault) -> DeliveryEnvelope {
    guard let document = try? JSONScanner.parse(body), document.members != nil else {
      throw .json
    }
    guard let scope = document["scope"]?.string, isScope(scope) else { throw .scope }
    guard let storeID = storeID(document["store_id"]) else { throw .storeID }
    guard let producer = document["producer"]?.string, let store = StoreHash(context: producer)
    else { throw .producer }
    guard let hash = document["hash"]?.string, (1...128).contains(hash.utf8.count),
      hash.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
    else { throw .hash }
    guard let created = document["created_at"]?.integer, (0...253_402_300_799).contains(created)
    else { throw .createdAt }
    guard let data = document["data"] else { throw .data }
    return DeliveryEnvelope(
      scope: scope, storeID: storeID, store: store, hash: hash,
      createdAt: Timestamp(seconds: created), data: data)
  }

  /// A final slash is allowed: the documentation of price lists prints some.
  private static func isScope(_ text: String) -> Bool {
    guard text.utf8.count <= 255 else { return false }
    var segments = text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    if segments.count > 2, segments.last?.isEmpty == true { segments.removeLast() }
    return segments.count >= 2 && segments[0].elementsEqual("store".utf8)
      && segments.allSatisfy { !$0.isEmpty && $0.allSatisfy(isScopeByte) }
  }

  private static func isScopeByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"),
      UInt8(ascii: "."), UInt8(ascii: "*"):
      true
    default: false
    }
  }

  /// A text of 1 to 20 digits, or an integer that is not negative, as in old examples.
  private static func storeID(_ value: JSONValue?) -> String? {
    if let number = value?.integer, number >= 0 { return String(number) }
    guard let text = value?.string, (1...20).contains(text.utf8.count),
      text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
    else { return nil }
    return text
  }
}

/// The part of a delivery's body that is not as it must be: a fixed word, so it may be logged.
package enum DeliveryEnvelopeFault: String, Error, CaseIterable, Hashable, Sendable {
  /// Not one JSON object without duplicate names.
  case json
  case scope
  case storeID = "store_id"
  case producer
  case hash
  case createdAt = "created_at"
  /// Absent.
  case data
}
