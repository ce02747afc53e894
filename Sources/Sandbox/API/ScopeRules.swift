import Base
import NIOHTTP1

/// Which scopes open which paths, by the longest matching prefix.
///
/// A table of the sandbox's own, from BigCommerce's list of scopes, so that a mistake in the product's
/// table shows as a difference.
enum ScopeRules {
  private struct Rule: Sendable {
    let prefix: [Substring]
    let read: Set<String>
    let modify: Set<String>
  }

  /// Refuses when none of the scopes that would do is granted.
  static func check(
    _ method: HTTPMethod, _ segments: [Substring], granted: Set<String>
  ) throws(APIFailure) {
    guard let rule = rules.first(where: { segments.starts(with: $0.prefix) }) else { return }
    let isRead = method == .GET || method == .HEAD
    let wanted = isRead ? rule.read : rule.modify
    if !wanted.isDisjoint(with: granted) { return }
    if isRead, !rule.modify.isDisjoint(with: granted) { return }
    throw .missingScope
  }

  private static let rules: [Rule] = table.map { path, read, modify in
    Rule(
      prefix: path.split(separator: "/"), read: Set(read.split(separator: " ").map(String.init)),
      modify: Set(modify.split(separator: " ").map(String.init)))
  }.sorted { $0.prefix.count > $1.prefix.count }

  private static let products = ("store_v2_products_read_only", "store_v2_products")
  private static let orders = ("store_v2_orders_read_only", "store_v2_orders")
  private static let customers = ("store_v2_customers_read_only", "store_v2_customers")
  private static let information = ("store_v2_information_read_only", "store_v2_information")
  private static let content = ("store_v2_content_read_only", "store_v2_content")
  private static let marketing = ("store_v2_marketing_read_only", "store_v2_marketing")

  private static let table: [(String, String, String)] = [
    ("v3/catalog", products.0, products.1),
    ("v3/pricelists", products.0, products.1),
    ("v3/pricing", products.0, products.0 + " " + products.1),
    ("v3/shipping/products", products.0, products.1),
    ("v2/products", products.0, products.1),
    ("v2/brands", products.0, products.1),
    ("v2/categories", products.0, products.1),
    ("v2/options", products.0, products.1),
    ("v2/option_sets", products.0, products.1),
    ("v2/orders", orders.0, orders.1),
    ("v2/order_statuses", orders.0, orders.1),
    ("v3/orders", orders.0, orders.1),
    ("v2/customers", customers.0, customers.1),
    ("v2/customer_groups", customers.0, customers.1),
    ("v3/customers", customers.0, customers.1),
    ("v3/wishlists", customers.0, customers.1),
    ("v3/segments", customers.0, customers.1),
    ("v3/shopper-profiles", customers.0, customers.1),
    ("v3/carts", "store_cart_read_only", "store_cart"),
    ("v3/carts/settings", information.0, information.1),
    ("v3/checkouts", "store_checkout_read_only", "store_checkout"),
    ("v3/inventory", "store_inventory_read_only", "store_inventory"),
    ("v3/inventory/locations", "store_locations_read_only", "store_locations"),
    ("v3/channels", "store_channel_settings_read_only", "store_channel_settings"),
    ("v3/sites", "store_sites_read_only", "store_sites"),
    ("v3/themes", "store_themes_read_only", "store_themes_manage"),
    ("v3/content", content.0, content.1),
    ("v2/pages", content.0, content.1),
    ("v2/blog", content.0, content.1),
    ("v2/coupons", marketing.0, marketing.1),
    ("v3/promotions", marketing.0, marketing.1),
    ("v2/store", information.0, information.1),
    ("v2/time", information.0, information.1),
    ("v2/currencies", information.0, information.1),
    ("v2/countries", information.0, information.1),
    ("v3/settings", information.0, information.1),
    ("v3/store/metafields", information.0, information.1),
  ]
}
