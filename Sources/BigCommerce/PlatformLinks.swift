package import Base

/// Pages of BigCommerce's login host that a merchant's browser is sent to.
///
/// - Source: PLATFORM 2.
package struct PlatformLinks: Hashable, Sendable {
  private let base: String

  package init(login: Origin, clientID: String) {
    base = "\(login.text)/app/\(FormEncoding.encode(clientID))/install"
  }

  /// Where an install outside the control panel begins.
  package var install: String { base }

  /// Where an external install ends when the token is kept.
  package var succeeded: String { base + "/succeeded" }

  /// Where an external install ends otherwise.
  package var failed: String { base + "/failed" }
}

/// Who may frame the app's pages, as in the policy `frame-ancestors`.
///
/// BigCommerce documents no list; control panels live on these domains (PLATFORM 3.6).
package struct FrameAncestors: Hashable, Sendable, CustomStringConvertible {
  /// Origins separated by single spaces.
  package let sources: String

  package static let bigCommerce = FrameAncestors(
    unchecked: "https://*.mybigcommerce.com https://*.bigcommerce.com")

  /// Reads origins: `https://` or `http://`, a host that may begin with `*.`, perhaps a port; or
  /// `'none'`, `'self'`.
  ///
  /// `nil` for anything else, so that a setting cannot add another directive.
  package init?(_ text: String) {
    let words = text.split(separator: " ")
    guard !words.isEmpty, words.allSatisfy(FrameAncestors.isSource) else { return nil }
    guard words.count == 1 || !words.contains("'none'") else { return nil }
    sources = words.joined(separator: " ")
  }

  private init(unchecked text: String) {
    sources = text
  }

  /// The whole directive.
  package var description: String { "frame-ancestors \(sources)" }

  private static func isSource(_ word: Substring) -> Bool {
    if word == "'none'" || word == "'self'" { return true }
    for scheme in ["https://", "http://"] where word.hasPrefix(scheme) {
      var host = word.dropFirst(scheme.count)
      if host.hasPrefix("*.") { host = host.dropFirst(2) }
      let parts = host.split(separator: ":", omittingEmptySubsequences: false)
      guard (1...2).contains(parts.count), isHost(parts[0]) else { return false }
      return parts.count == 1 || parts[1] == "*" || isPort(parts[1])
    }
    return false
  }

  private static func isPort(_ text: Substring) -> Bool {
    guard text.utf8.first.map({ (UInt8(ascii: "1")...UInt8(ascii: "9")).contains($0) }) ?? false
    else { return false }
    return UInt16(text) != nil
  }

  private static func isHost(_ text: Substring) -> Bool {
    !text.isEmpty
      && text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
        !label.isEmpty
          && label.utf8.allSatisfy { $0.isASCIILetterOrDigit || $0 == UInt8(ascii: "-") }
      }
  }
}
