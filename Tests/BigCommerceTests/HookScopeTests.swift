import BigCommerce
import Testing

@Suite struct `A webhook's scope` {
  @Test(arguments: [
    ("store/order/created", "store/order/created"), ("order/created", "store/order/created"),
    ("Store/Order/*", "store/Order/*"), ("store/order/*/", "store/order/*"),
    ("store/order/statusupdated", "store/order/statusUpdated"),
    ("cart/LINEITEM/*", "store/cart/lineItem/*"),
    ("store/cart/couponapplied", "store/cart/couponApplied"),
    ("store/channel/2/cart/created", "store/channel/2/cart/created"),
    (
      "store/channel/*/inventory/product/stock_changed",
      "store/channel/*/inventory/product/stock_changed"
    ),
    ("store/channel/1/settings/seo/updated", "store/channel/1/settings/SEO/updated"),
    ("store/hook/deliveryexception", "store/hook/deliveryException"),
  ])
  func `is brought into the platform's form`(_ written: String, _ expected: String) throws {
    let scope = try #require(HookScope(written))
    #expect(scope.text == expected)
    #expect(HookScope(scope.text) == scope, "and then stays as it is")
  }

  @Test(arguments: [
    "", "store", "store/", "*", "store/*", "/store/order/created", "store//created",
    "store/order/cre ated",
    "store/*/created", "store/order/*/created", "store/ordér/created", "store/order/**",
    "store/order?x",
    "a/b/c/d/e/f/g/h", "store/\(String(repeating: "x", count: 100))",
  ])
  func `that is not well formed is refused`(_ written: String) {
    #expect(HookScope(written) == nil)
  }

  @Test(arguments: [
    ("store/order/*", "store/order/created", true),
    ("store/order/*", "store/order/message/created", true),
    ("store/order/*", "store/product/created", false),
    ("store/cart/*", "store/cart/lineItem/created", true),
    ("store/cart/*", "store/cart/lineItem/*", true),
    ("store/order/created", "store/order/*", false),
    ("store/channel/*", "store/channel/created", true),
    ("store/channel/*", "store/channel/2/cart/created", false),
    ("store/channel/*", "store/channel/*/inventory/product/low_stock_reached", false),
    ("store/channel/2/*", "store/channel/2/cart/created", true),
    ("store/hook/*", "store/hook/deliveryException", false),
  ])
  func `covers what the platform's wildcards do`(
    _ one: String, _ other: String, _ covers: Bool
  ) throws {
    let (first, second) = (try #require(HookScope(one)), try #require(HookScope(other)))
    #expect(first.covers(second) == covers)
  }

  @Test func `that another covers is left out`() throws {
    let names = [
      "store/cart/lineItem/created", "store/cart/*", "store/order/created", "order/created",
      "store/channel/created", "store/channel/2/cart/created", "store/hook/deliveryException",
    ]
    #expect(
      HookScope.withoutCovered(names.compactMap { HookScope($0) }).map(\.text) == [
        "store/cart/*", "store/channel/2/cart/created", "store/channel/created",
        "store/hook/deliveryException", "store/order/created",
      ])
  }
}
