import Base

/// The parameters of a query string or of a form body, in their order.
struct Query: Sendable {
  /// One name and value, decoded.
  struct Item: Sendable {
    let name: String
    let value: String
  }

  private(set) var items: [Item]

  init(_ items: [Item] = []) {
    self.items = items
  }

  /// Reads `a=1&b=2`; `+` means a space, a broken `%` stands for itself.
  init(parsing text: some StringProtocol) {
    items = text.split(separator: "&").map { pair in
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      return Item(
        name: PercentText.decode(parts[0]),
        value: parts.count > 1 ? PercentText.decode(parts[1]) : "")
    }
  }

  /// The first value of that name.
  subscript(_ name: String) -> String? {
    items.first { $0.name == name }?.value
  }

  mutating func append(_ name: String, _ value: String) {
    items.append(Item(name: name, value: value))
  }

  /// `a=1&b=2`, everything but letters, digits and `-._~` escaped.
  var text: String {
    items.map { PercentText.encode($0.name) + "=" + PercentText.encode($0.value) }
      .joined(separator: "&")
  }
}

/// Percent-encoding as browsers write it in queries and forms.
enum PercentText {
  static func decode(_ text: some StringProtocol) -> String {
    guard text.utf8.contains(where: { $0 == UInt8(ascii: "%") || $0 == UInt8(ascii: "+") }) else {
      return String(text)
    }
    let bytes = Array(text.utf8)
    var decoded: [UInt8] = []
    var index = 0
    while index < bytes.count {
      if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count,
        let high = Hex.value(bytes[index + 1]), let low = Hex.value(bytes[index + 2])
      {
        decoded.append(high << 4 | low)
        index += 3
      } else {
        decoded.append(bytes[index] == UInt8(ascii: "+") ? 0x20 : bytes[index])
        index += 1
      }
    }
    return String(decoding: decoded, as: UTF8.self)
  }

  static func encode(_ text: some StringProtocol) -> String {
    var encoded: [UInt8] = []
    for byte in text.utf8 {
      if isUnreserved(byte) {
        encoded.append(byte)
      } else {
        encoded.append(UInt8(ascii: "%"))
        encoded.append(contentsOf: Hex.encode([byte]).uppercased().utf8)
      }
    }
    return String(decoding: encoded, as: UTF8.self)
  }

  private static func isUnreserved(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
      UInt8(ascii: "_"), UInt8(ascii: "~"):
      true
    default: false
    }
  }
}
