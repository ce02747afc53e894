package import Base

/// Where a subscription is pushed to: `https`, or `http` to this machine.
///
/// A value of this type has a checked form; whether its host may be reached is ``OutboundPolicy``'s
/// to say, when it is made and again at each attempt.
package struct PushURL: Hashable, Sendable, CustomStringConvertible {
  /// In bytes.
  package static let maxLength = 2048

  package let origin: Origin
  /// Path and query as they are sent.
  package let target: String

  /// `nil` for another scheme, credentials, a fragment, an empty or odd host, a space or anything
  /// that is not ASCII.
  ///
  /// A host that C libraries would read as a number (`0x7f.1`, `127.1`, `2130706433`) is none: it
  /// would be another address than it looks like.
  package init?(_ text: String) {
    guard text.utf8.count <= PushURL.maxLength,
      text.utf8.allSatisfy({ (0x21...0x7E).contains($0) && !PushURL.refused.contains($0) }),
      let scheme = text.firstRange(of: "://")
    else { return nil }
    let rest = text[scheme.upperBound...]
    let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
    guard let origin = Origin(String(text[..<end])), PushURL.isPlainHost(origin.host) else {
      return nil
    }
    let path = String(rest[end...])
    self.origin = origin
    target = path.hasPrefix("/") ? path : "/" + path
  }

  package var description: String { origin.text + target }

  /// `#`, and what no URL holds.
  private static let refused = Set("#\"<>\\^`{|}".utf8)

  private static func isPlainHost(_ host: String) -> Bool {
    if IPAddress(host) != nil { return true }
    guard !host.contains(":"),
      let last = host.split(separator: ".", omittingEmptySubsequences: false).last
    else { return false }
    let looksNumeric =
      last.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
      || last.hasPrefix("0x")
    return !looksNumeric
      && host.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
        (1...63).contains(label.utf8.count) && !label.hasPrefix("-") && !label.hasSuffix("-")
      }
  }
}
