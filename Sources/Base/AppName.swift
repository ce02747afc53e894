/// The name of an app registration in this deployment, 1 to 32 of `a-z`, `0-9` and `-`, starting
/// with a letter.
package struct AppName: Hashable, Sendable, CustomStringConvertible {
  package let text: String

  /// The app that the environment's client ID describes.
  package static let `default` = AppName(unchecked: "default")

  /// `nil` unless the whole text matches `^[a-z][a-z0-9-]{0,31}$`.
  package init?(_ text: some StringProtocol) {
    guard
      (1...32).contains(text.utf8.count),
      let first = text.utf8.first, (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(first),
      text.utf8.allSatisfy({ $0.isLowercaseOrDigit || $0 == UInt8(ascii: "-") })
    else { return nil }
    self.text = String(text)
  }

  private init(unchecked text: String) {
    self.text = text
  }

  package var description: String { text }
}

extension AppName: Comparable {
  package static func < (left: AppName, right: AppName) -> Bool { left.text < right.text }
}
