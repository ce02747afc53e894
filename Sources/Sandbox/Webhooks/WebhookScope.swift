/// The names of events, and which of them a webhook hears of.
enum WebhookScope {
  /// Tells an app about its own webhooks; no wildcard covers it.
  static let deliveryException = "store/hook/deliveryException"

  /// Whether a webhook registered for `wanted` hears of what happened as `scope`.
  ///
  /// `store/order/*` covers everything below `store/order/`, line items of carts and metafields
  /// included; `store/channel/*` is about channels, not about what happens inside of one.
  static func covers(_ wanted: String, _ scope: String) -> Bool {
    if wanted == scope { return true }
    guard wanted.utf8.hasSuffix("/*"), scope != deliveryException,
      scope.utf8.starts(with: wanted.utf8.dropLast())
    else { return false }
    return wanted != "store/channel/*" || !isInsideChannel(scope)
  }

  /// Whether the scope names one channel: `store/channel/2/cart/created`.
  private static func isInsideChannel(_ scope: String) -> Bool {
    guard let place = scope.utf8.dropFirst("store/channel/".utf8.count).first else { return false }
    return (48...57).contains(place) || place == UInt8(ascii: "*")
  }
}

extension String.UTF8View {
  fileprivate func hasSuffix(_ end: StaticString) -> Bool {
    suffix(end.utf8CodeUnitCount).elementsEqual(end.description.utf8)
  }
}
