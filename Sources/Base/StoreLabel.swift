/// A word that an operator gives to stores, so that lists and grants can name them together.
///
/// A value of this type has been checked, so it may stand in a path, a query or a log line.
package struct StoreLabel: Hashable, Sendable, CustomStringConvertible {
  /// How many labels a store has at most.
  package static let mostPerStore = 16

  package let text: String

  /// `nil` unless the whole text matches `^[a-z0-9][a-z0-9-]{0,31}$`.
  package init?(_ text: some StringProtocol) {
    let bytes = text.utf8
    guard (1...32).contains(bytes.count), bytes.first != UInt8(ascii: "-"),
      bytes.allSatisfy({ $0.isLowercaseOrDigit || $0 == UInt8(ascii: "-") })
    else { return nil }
    self.text = String(text)
  }

  package var description: String { text }
}

extension StoreLabel: Comparable {
  package static func < (left: StoreLabel, right: StoreLabel) -> Bool { left.text < right.text }
}
