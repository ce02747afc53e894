import Base

/// How a product is written.
enum ProductDocument {
  /// Members that a caller may not set.
  private static let locked: Set<String> = [
    "id", "calculated_price", "date_created", "date_modified", "base_variant_id", "reviews_count",
    "reviews_rating_sum", "total_sold", "view_count",
  ]

  /// Adds a product and the one variant that every product has.
  static func insert(_ fields: JSONValue, into data: inout StoreData, at now: Timestamp)
    -> JSONValue
  {
    let draft = template(name: fields["name"]?.string ?? "", at: now)
      .merging(fields, except: locked)
    var product = data.products.insert(draft)
    let id = product["id"]?.integer ?? 0
    let variant = data.variants.insert(
      VariantDocument.base(of: product).setting("product_id", .integer(id)))
    product = repriced(product).setting("base_variant_id", variant["id"] ?? .null)
    data.products.replace(id, with: product)
    return product
  }

  static func changing(_ product: JSONValue, _ fields: JSONValue, at now: Timestamp) -> JSONValue {
    repriced(product.merging(fields, except: locked))
      .setting("date_modified", .string(CalendarText.iso8601(now)))
  }

  /// The price a shopper pays: the sale price, when there is one.
  private static func repriced(_ product: JSONValue) -> JSONValue {
    let sale = product["sale_price"]?.lenientDecimal ?? 0
    let price = product["price"]?.lenientDecimal ?? 0
    return product.setting("calculated_price", .decimal(sale > 0 ? sale : price))
  }

  private static func template(name: String, at now: Timestamp) -> JSONValue {
    let date = JSONValue.string(CalendarText.iso8601(now))
    return .object(
      [
        .init("id", 0), .init("name", .string(name)), .init("type", "physical"), .init("sku", ""),
        .init("description", ""), .init("weight", 0), .init("width", 0), .init("depth", 0),
        .init("height", 0), .init("price", 0), .init("cost_price", 0), .init("retail_price", 0),
        .init("sale_price", 0), .init("map_price", 0), .init("tax_class_id", 0),
        .init("product_tax_code", ""), .init("calculated_price", 0), .init("categories", []),
        .init("brand_id", 0),
        .init("option_set_display", "right"), .init("inventory_level", 0),
        .init("inventory_warning_level", 0), .init("inventory_tracking", "none"),
        .init("reviews_rating_sum", 0), .init("reviews_count", 0), .init("total_sold", 0),
        .init("fixed_cost_shipping_price", 0), .init("is_free_shipping", false),
        .init("is_visible", true), .init("is_featured", false), .init("related_products", [-1]),
        .init("warranty", ""), .init("bin_picking_number", ""),
        .init("layout_file", "product.html"), .init("upc", ""), .init("mpn", ""),
        .init("gtin", ""), .init("date_last_imported", ""), .init("search_keywords", ""),
        .init("availability", "available"), .init("availability_description", ""),
      ] + presentation(name: name, date: date))
  }

  private static func presentation(name: String, date: JSONValue) -> [JSONValue.Member] {
    [
      .init("gift_wrapping_options_type", "any"), .init("gift_wrapping_options_list", []),
      .init("sort_order", 0), .init("condition", "New"), .init("is_condition_shown", false),
      .init("order_quantity_minimum", 0), .init("order_quantity_maximum", 0),
      .init("page_title", ""), .init("meta_keywords", []), .init("meta_description", ""),
      .init("date_created", date), .init("date_modified", date), .init("view_count", 0),
      .init("preorder_release_date", .null), .init("preorder_message", ""),
      .init("is_preorder_only", false), .init("is_price_hidden", false),
      .init("price_hidden_label", ""),
      .init("custom_url", ["url": .string(ShopPath.of(name)), "is_customized": false]),
      .init("base_variant_id", .null), .init("open_graph_type", "product"),
      .init("open_graph_title", ""), .init("open_graph_description", ""),
      .init("open_graph_use_meta_description", true),
      .init("open_graph_use_product_name", true), .init("open_graph_use_image", true),
    ]
  }
}
