/// What merchants see of the app: its name, logo, colour and where they get help.
///
/// What cannot be shown safely is left out; the settings have told the operator before.
package struct Brand: Hashable, Sendable {
  package let name: String
  /// An `https:` image, shown at most 40 pixels high.
  package let logoURL: String?
  let color: BrandColor
  /// Where a merchant gets help: an `https:` page or a `mailto:` address.
  package let supportURL: String?

  /// The color is `#RGB` or `#RRGGBB`.
  package init(
    name: String, logoURL: String? = nil, color: String? = nil, supportURL: String? = nil
  ) {
    self.name = name
    self.logoURL = logoURL.flatMap { Self.isWeb($0) ? $0 : nil }
    self.color = color.flatMap { BrandColor($0) } ?? .standard
    self.supportURL = supportURL.flatMap { Self.isWeb($0) || Self.isMail($0) ? $0 : nil }
  }

  /// `scheme://host[:port]` of the logo, for the content security policy.
  var logoOrigin: String? {
    guard let logoURL else { return nil }
    let rest = logoURL.dropFirst("https://".count)
    return "https://" + rest.prefix { $0 != "/" && $0 != "?" }
  }

  private static func isWeb(_ text: String) -> Bool {
    guard text.hasPrefix("https://"), isPlain(text) else { return false }
    let host = text.dropFirst("https://".count).prefix { $0 != "/" && $0 != "?" }
    return !host.isEmpty && host.utf8.allSatisfy { isHostByte($0) && $0 != UInt8(ascii: "%") }
  }

  private static func isMail(_ text: String) -> Bool {
    text.hasPrefix("mailto:") && text.contains("@") && isPlain(text)
  }

  /// Printable ASCII without what could end an attribute or a policy.
  private static func isPlain(_ text: String) -> Bool {
    text.utf8.count <= 2048
      && text.utf8.allSatisfy {
        (0x21...0x7E).contains($0) && !"\"'<>;,\\`{}|^".utf8.contains($0)
      }
  }
}
