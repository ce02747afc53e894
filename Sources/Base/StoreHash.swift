/// The name of a BigCommerce store: 1 to 32 lower-case letters and digits.
///
/// A value of this type has been checked, so it may stand in a path, a query or a log line.
package struct StoreHash: Hashable, Sendable, CustomStringConvertible {
  package let text: String

  /// `nil` unless the whole text matches `^[a-z0-9]{1,32}$`.
  package init?(_ text: Substring) {
    let bytes = text.utf8
    guard (1...32).contains(bytes.count), bytes.allSatisfy({ $0.isLowercaseOrDigit }) else {
      return nil
    }
    self.text = String(text)
  }

  /// `nil` unless the whole text matches `^[a-z0-9]{1,32}$`.
  package init?(_ text: String) { self.init(text[...]) }

  /// Reads BigCommerce's `stores/{hash}`, the form used in `context`, `sub` and `producer`.
  package init?(context: some StringProtocol) {
    guard context.hasPrefix("stores/") else { return nil }
    self.init(Substring(context.dropFirst("stores/".count)))
  }

  /// `stores/{hash}`, BigCommerce's name for the store in `context`, `sub` and `producer`.
  package var context: String { "stores/\(text)" }

  package var description: String { text }
}

extension StoreHash: Comparable {
  package static func < (left: StoreHash, right: StoreHash) -> Bool { left.text < right.text }
}

extension UInt8 {
  var isLowercaseOrDigit: Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self)
      || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self)
  }
}
