import Base

/// What a webhook listens to, such as `store/order/created` or `store/order/*`.
///
/// The platform adds scopes several times a year, so any well-formed name is one; what people write
/// differently is brought into the platform's form.
package struct HookScope: Hashable, Sendable, CustomStringConvertible {
  /// In the platform's form.
  package let text: String

  /// Tells an app about its own webhooks; no wildcard covers it, and a store has at most one for an
  /// app.
  package static let deliveryException = HookScope(unchecked: "store/hook/deliveryException")
  /// Tells that the store has left the platform.
  package static let appUninstalled = HookScope(unchecked: "store/app/uninstalled")

  /// Reads a scope as people write it: without `store/`, with a slash at the end, in another case.
  ///
  /// `nil` unless it then is 3 to 8 segments of letters and digits, at most 100 bytes, the first
  /// `store`, where the last may be `*`, and the channel's place too.
  package init?(_ text: some StringProtocol) {
    var segments = String(text).split(separator: "/", omittingEmptySubsequences: false)
      .map(String.init)
    if segments.count > 1, segments.last == "" { segments.removeLast() }
    if segments.first?.lowercased() != "store" { segments.insert("store", at: 0) }
    guard (3...8).contains(segments.count) else { return nil }
    let named = segments.map { HookScope.canonical[$0.lowercased()] ?? $0 }
    for (index, segment) in named.enumerated() {
      let isWildcard = segment == "*"
      let mayBeWildcard = index == named.count - 1 || index == 2 && named[1] == "channel"
      guard isWildcard ? mayBeWildcard : HookScope.isName(segment) else { return nil }
    }
    let whole = named.joined(separator: "/")
    guard whole.utf8.count <= 100 else { return nil }
    self.text = whole
  }

  private init(unchecked text: String) {
    self.text = text
  }

  package var description: String { text }

  package var isWildcard: Bool { text.utf8.last == UInt8(ascii: "*") }

  /// Whether a webhook of this scope hears of everything that one of the other would.
  ///
  /// `store/cart/*` covers line items; `store/channel/*` is about channels, not about what happens
  /// inside of one.
  package func covers(_ other: HookScope) -> Bool {
    if self == other { return true }
    guard isWildcard, other != .deliveryException,
      other.text.utf8.starts(with: text.utf8.dropLast())
    else { return false }
    return text != "store/channel/*" || !other.isInsideChannel
  }

  /// The scopes without those that another of them covers, in order: an event that two webhooks
  /// hear of is delivered twice.
  package static func withoutCovered(_ scopes: some Collection<HookScope>) -> [HookScope] {
    let all = Set(scopes)
    return all.filter { scope in
      !all.contains { $0 != scope && $0.covers(scope) }
    }.sorted()
  }

  /// Names one channel, or all by the platform's literal `*`: `store/channel/2/cart/created`.
  private var isInsideChannel: Bool {
    let segments = text.split(separator: "/")
    guard segments.count > 3, segments[1] == "channel" else { return false }
    return segments[2] == "*" || segments[2].utf8.allSatisfy { (0x30...0x39).contains($0) }
  }

  private static func isName(_ segment: String) -> Bool {
    !segment.isEmpty
      && segment.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
          true
        default: false
        }
      }
  }

  /// Segments that the platform does not write in lower case; with another case it takes the
  /// webhook and sends nothing.
  private static let canonical: [String: String] = {
    let names = [
      "statusUpdated", "lineItem", "couponApplied", "priceList", "priceLists", "categoryTree",
      "abandonedCart", "socialMediaLinks", "SEO", "searchContextFilters", "defaultCustomerGroup",
      "customerPrivacy", "emailStatus", "checkoutUrl", "deliveryException", "assignmentUpdated",
    ]
    return Dictionary(
      uniqueKeysWithValues: (names + ["store"]).map { ($0.lowercased(), $0) })
  }()
}

extension HookScope: Comparable {
  package static func < (left: HookScope, right: HookScope) -> Bool { left.text < right.text }
}
