package import Base

/// What a store calls itself.
package struct OwnName: Hashable, Sendable {
  private static let most = 255

  package let name: String?
  package let domain: String?

  package init(name: String?, domain: String?) {
    self.name = name
    self.domain = domain
  }

  /// Reads the answer to `GET /v2/store`; `nil` when it is none.
  ///
  /// What is empty is absent, what is longer than 255 characters is cut.
  package init?(_ document: JSONValue) {
    guard document.members != nil else { return nil }
    name = Self.text(document["name"])
    domain = Self.text(document["domain"])
  }

  /// As a store is looked for by its name: in small letters.
  package var nameKey: String? { name?.lowercased() }
  /// The same for its domain, without `www.`.
  package var domainKey: String? { domain.map { Self.key(ofDomain: $0) } }

  package static func key(ofDomain text: String) -> String {
    let small = text.lowercased()
    return small.hasPrefix("www.") ? String(small.dropFirst(4)) : small
  }

  private static func text(_ value: JSONValue?) -> String? {
    // PostgreSQL keeps no text with a NUL.
    guard let text = value?.string?.filter({ $0 != "\0" }), !text.isEmpty else { return nil }
    return String(text.prefix(most))
  }
}
