import BigCommerce
import Testing

@Suite struct `Sets of scopes` {
  @Test(arguments: [
    "store_v2_orders store_v2_products", "store_v2_products store_v2_orders",
    "store_v2_orders,store_v2_products", " store_v2_orders ,, store_v2_products\r\n",
    "store_v2_orders\tstore_v2_products store_v2_orders",
  ])
  func `spaces, commas and repetitions make the same set`(_ text: String) {
    let scopes = Scopes(parsing: text)
    #expect(scopes.names == ["store_v2_orders", "store_v2_products"])
    #expect(scopes == Scopes(["store_v2_products", "store_v2_orders"]))
    #expect(scopes.description == "store_v2_orders store_v2_products")
  }

  @Test(arguments: ["", " ", ",", "\n,\t"]) func `nothing is the empty set`(_ text: String) {
    #expect(Scopes(parsing: text).isEmpty)
    #expect(Scopes(parsing: text) == .none)
  }

  static let twins = [
    ("store_v2_products", "store_v2_products_read_only"),
    ("store_themes_manage", "store_themes_read_only"),
    ("store_order_fulfillment_manage", "store_order_fulfillment_read_only"),
    ("store_fulfillment_methods_manage", "store_fulfillment_methods_read_only"),
    ("store_infrastructure_projects_manage", "store_infrastructure_projects_read_only"),
    ("store_stored_payment_instruments", "store_stored_payment_instruments_read_only"),
    ("store_content_checkout", "store_content_checkout_read_only"),
    ("store_cart", "store_cart_read_only"),
  ]

  @Test(arguments: twins) func `a modify scope implies its read-only twin, not the other way`(
    _ modify: String, _ readOnly: String
  ) {
    #expect(Scopes([modify]).covers(Scopes([readOnly])))
    #expect(Scopes([modify]).covers(Scopes([modify, readOnly])))
    #expect(!Scopes([readOnly]).covers(Scopes([modify])))
    #expect(Scopes([modify]) != Scopes([modify, readOnly]))
    #expect(Scopes([modify]).coversAny(of: Scopes([readOnly, "store_v2_default"])))
    #expect(Scopes([modify]).names == [modify])
  }

  @Test(arguments: [
    "store_metafield_write_all", "store_v2_customers_login", "store_payments_access_token_create",
    "store_storefront_api", "store_v2_default",
  ])
  func `a scope without a twin implies nothing`(_ name: String) {
    #expect(!Scopes([name]).covers(Scopes([name + "_read_only"])))
    #expect(!Scopes([name]).covers(Scopes(["store_v2_products_read_only"])))
  }

  @Test func `drift is what is neither granted nor implied`() {
    let granted = Scopes(parsing: "store_v2_default store_v2_orders users_basic_information odd")
    let required = Scopes(parsing: "store_v2_orders_read_only store_v2_products odd other")
    #expect(granted.missing(of: required).names == ["other", "store_v2_products"])
    #expect(!granted.covers(required))
    #expect(granted.missing(of: granted).isEmpty)
    #expect(granted.covers(.none))
    #expect(Scopes.none.missing(of: required) == required)
  }

  @Test func `unknown names are kept and warned of`() {
    let scopes = Scopes(parsing: "store_v3_products store_v2_orders zzz MANAGE_TAX")
    #expect(scopes.names == ["MANAGE_TAX", "store_v2_orders", "store_v3_products", "zzz"])
    #expect(scopes.unknownNames == ["MANAGE_TAX", "store_v3_products", "zzz"])
    #expect(scopes.warnings.map(\.suggestion) == [nil, "store_v2_products", nil])
    #expect(scopes.warnings[1].description.contains("did you mean store_v2_products?"))
    #expect(!scopes.covers("store_v2_products"))
    #expect(scopes.covers("zzz"))
  }

  @Test(arguments: [
    ("store_v3_products", "store_v2_products"),
    ("store_v3_orders_read_only", "store_v2_orders_read_only"),
    ("store_v3_cart", "store_cart"), ("store_v3_carts", "store_cart"),
    ("store_products", "store_v2_products"), ("store_checkouts", "store_checkout"),
    ("store_checkout_content_read_only", "store_content_checkout_read_only"),
    ("store_storefront-api", "store_storefront_api"), ("store_v2_settings", "store_v2_information"),
    ("store_webhooks_manage", "store_v2_default"),
  ])
  func `a well-known mistake gets the name that is meant`(_ wrong: String, _ right: String) {
    #expect(Scopes([wrong]).warnings.map(\.suggestion) == [right])
    #expect(Scopes([right]).warnings.isEmpty)
  }

  @Test func `the order of the names does not matter to equality and hashing`() {
    let names = ["b", "a", "store_v2_orders", "store_cart"]
    #expect(Set([Scopes(names), Scopes(names.reversed()), Scopes(names.sorted())]).count == 1)
    #expect(Scopes(["a"]).union(Scopes(["store_cart"])).names == ["a", "store_cart"])
  }
}
