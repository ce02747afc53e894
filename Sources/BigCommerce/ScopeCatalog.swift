/// The scope names that BigCommerce documents, and which of them implies which.
///
/// - Source: PLATFORM 4.1 (docs/start/authentication/api-accounts.mdx at 24f580ca, and real
///   grants). The names are irregular, so the twins are listed, never derived.
enum ScopeCatalog {
  /// A read-only scope and the modify scope that includes it.
  static let twins: [(readOnly: String, modify: String)] = [
    ("store_cart_read_only", "store_cart"),
    ("store_channel_listings_read_only", "store_channel_listings"),
    ("store_channel_settings_read_only", "store_channel_settings"),
    ("store_checkout_read_only", "store_checkout"),
    ("store_content_checkout_read_only", "store_content_checkout"),
    ("store_fulfillment_methods_read_only", "store_fulfillment_methods_manage"),
    ("store_infrastructure_deployments_read_only", "store_infrastructure_deployments_manage"),
    ("store_infrastructure_projects_read_only", "store_infrastructure_projects_manage"),
    ("store_inventory_read_only", "store_inventory"),
    ("store_locations_read_only", "store_locations"),
    ("store_order_fulfillment_read_only", "store_order_fulfillment_manage"),
    ("store_sites_read_only", "store_sites"),
    ("store_stored_payment_instruments_read_only", "store_stored_payment_instruments"),
    ("store_themes_read_only", "store_themes_manage"),
    ("store_translations_read_only", "store_translations"),
    ("store_v2_content_read_only", "store_v2_content"),
    ("store_v2_customers_read_only", "store_v2_customers"),
    ("store_v2_information_read_only", "store_v2_information"),
    ("store_v2_marketing_read_only", "store_v2_marketing"),
    ("store_v2_orders_read_only", "store_v2_orders"),
    ("store_v2_products_read_only", "store_v2_products"),
    ("store_v2_transactions_read_only", "store_v2_transactions"),
  ]

  /// Scopes without a twin.
  static let single = [
    "store_app_extensions_manage", "store_infrastructure_deployments_create_preview",
    "store_infrastructure_logs_read_only", "store_logs_read_only", "store_metafield_change_owner",
    "store_metafield_write", "store_metafield_write_all", "store_payments_access_token_create",
    "store_payments_methods_read", "store_storefront_api",
    "store_storefront_api_customer_impersonation", "store_v2_customers_login", "store_v2_default",
    "users_basic_information",
  ]

  /// Names found in guides and specifications that no BigCommerce list has, with the one that is
  /// meant.
  static let mistakes: [String: String] = [
    "store_checkouts": "store_checkout",
    "store_checkouts_read_only": "store_checkout_read_only",
    "store_v2_checkouts": "store_checkout",
    "store_v2_checkouts_read_only": "store_checkout_read_only",
    "store_checkout_content": "store_content_checkout",
    "store_checkout_content_read_only": "store_content_checkout_read_only",
    "store_carts": "store_cart",
    "store_carts_read_only": "store_cart_read_only",
    "store_v2_cart": "store_cart",
    "store_v2_carts": "store_cart",
    "store_storefront-api": "store_storefront_api",
    "store_themes": "store_themes_manage",
    "store_v2_settings": "store_v2_information",
    "store_v2_settings_read_only": "store_v2_information_read_only",
    "store_webhooks_manage": "store_v2_default",
    "store_payments_methods_read_only": "store_payments_methods_read",
  ]

  /// All documented names; a name's place here is its bit in ``Scopes``.
  static let names: [String] = (twins.flatMap { [$0.readOnly, $0.modify] } + single).sorted()

  static let places = Dictionary(
    uniqueKeysWithValues: names.enumerated().map { ($0.element, $0.offset) })

  /// The bits of the read-only scopes that the modify scopes among `bits` imply.
  static func implied(by bits: UInt128) -> UInt128 {
    twinBits.reduce(0) { bits & $1.modify != 0 ? $0 | $1.readOnly : $0 }
  }

  /// The name that was probably meant by an unknown one, or `nil`.
  static func suggestion(for name: String) -> String? {
    if let meant = mistakes[name] { return meant }
    for (wrong, right) in [
      ("store_v3_", "store_v2_"), ("store_v3_", "store_"), ("store_", "store_v2_"),
    ]
    where name.hasPrefix(wrong) {
      let candidate = right + name.dropFirst(wrong.count)
      if places[candidate] != nil { return candidate }
      if let meant = mistakes[candidate] { return meant }
    }
    return nil
  }

  private static let twinBits: [(readOnly: UInt128, modify: UInt128)] = twins.map {
    (bit($0.readOnly), bit($0.modify))
  }

  private static func bit(_ name: String) -> UInt128 {
    places[name].map { 1 << UInt128($0) } ?? 0
  }
}
