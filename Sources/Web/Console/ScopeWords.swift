/// What BigCommerce's scopes are for, in words for people.
enum ScopeWords {
  private static let subjects: [String: String] = [
    "store_app_extensions": "App extensions in the control panel",
    "store_cart": "Carts", "store_channel_listings": "Listings of channels",
    "store_channel_settings": "Channels and their settings", "store_checkout": "Checkouts",
    "store_content_checkout": "Scripts of the checkout",
    "store_fulfillment_methods": "Shipping methods",
    "store_infrastructure_deployments": "Deployments of storefronts",
    "store_infrastructure_projects": "Projects of storefronts",
    "store_infrastructure_logs": "Logs of storefronts", "store_inventory": "Inventory",
    "store_locations": "Locations", "store_logs": "Logs of the store",
    "store_metafield": "Metafields", "store_metafield_change_owner": "Owners of metafields",
    "store_order_fulfillment": "Fulfilment of orders", "store_payments_methods": "Payment methods",
    "store_payments_access_token": "Payments", "store_sites": "Sites and routes",
    "store_storefront_api": "Tokens for the storefront’s GraphQL API",
    "store_storefront_api_customer_impersonation": "Storefront API in a customer’s name",
    "store_stored_payment_instruments": "Stored payment instruments", "store_themes": "Themes",
    "store_translations": "Translations",
    "store_v2_content": "Content: pages, blog, redirects, scripts",
    "store_v2_customers": "Customers, their addresses and groups",
    "store_v2_customers_login": "Logging customers in",
    "store_v2_default": "What every app may do",
    "store_v2_information": "Name, domain, plan and settings of the store",
    "store_v2_marketing": "Marketing: coupons, banners, gift certificates",
    "store_v2_orders": "Orders, shipments, refunds",
    "store_v2_products": "Catalogue: products, variants, categories, brands",
    "store_v2_transactions": "Transactions of orders",
    "users_basic_information": "Names and addresses of the store’s users",
  ]
  private static let endings: [(String, String)] = [
    ("_read_only", "read"), ("_read", "read"), ("_manage", "read and change"),
    ("_create_preview", "create previews"), ("_create", "create"), ("_write_all", "change all"),
    ("_write", "change"),
  ]

  /// Such as `Orders, shipments, refunds: read`; `nil` for a scope that no documentation lists.
  static func purpose(of scope: String) -> String? {
    for (ending, access) in endings where scope.hasSuffix(ending) {
      if let subject = subjects[String(scope.dropLast(ending.count))] {
        return "\(subject): \(access)"
      }
    }
    guard let subject = subjects[scope] else { return nil }
    return [
      "store_v2_default", "users_basic_information", "store_v2_customers_login",
      "store_metafield_change_owner", "store_storefront_api",
      "store_storefront_api_customer_impersonation",
    ].contains(scope) ? subject : "\(subject): read and change"
  }
}
