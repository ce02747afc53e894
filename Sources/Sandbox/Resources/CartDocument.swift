import Base

/// How a cart is written.
enum CartDocument {
  static func make(
    id: String, customer: Int64, channel: Int64, lines: [JSONValue], at now: Timestamp
  ) -> JSONValue {
    let date = JSONValue.string(CalendarText.iso8601(now))
    let cart: JSONValue = [
      "id": .string(id), "customer_id": .integer(customer), "channel_id": .integer(channel),
      "email": "", "currency": ["code": "USD"], "tax_included": false, "base_amount": 0,
      "discount_amount": 0, "manual_discount_amount": 0, "cart_amount": 0, "coupons": [],
      "discounts": [], "line_items": [:], "created_time": date, "updated_time": date,
      "locale": "en", "version": 0,
    ]
    return setting(cart, lines: lines, at: now)
  }

  static func lines(_ cart: JSONValue) -> [JSONValue] {
    cart["line_items"]?["physical_items"]?.array ?? []
  }

  /// The cart with other lines: sums, time and version follow.
  static func setting(_ cart: JSONValue, lines: [JSONValue], at now: Timestamp) -> JSONValue {
    let total = lines.compactMap { $0["extended_sale_price"]?.lenientDecimal }.reduce(0, +)
    return cart.setting("base_amount", .decimal(total)).setting("cart_amount", .decimal(total))
      .setting(
        "line_items",
        [
          "physical_items": .array(lines), "digital_items": [], "gift_certificates": [],
          "custom_items": [],
        ]
      )
      .setting("updated_time", .string(CalendarText.iso8601(now)))
      .setting("version", .integer((cart["version"]?.integer ?? 0) + 1))
  }

  static func line(
    id: String, product: JSONValue, variant: JSONValue, quantity: Int64, store: String
  ) -> JSONValue {
    let price = variant["calculated_price"]?.lenientDecimal ?? 0
    let path = product["custom_url"]?["url"]?.string ?? "/"
    let line: JSONValue = [
      "id": .string(id), "parent_id": .null, "variant_id": variant["id"] ?? 0,
      "product_id": product["id"] ?? 0, "sku": variant["sku"] ?? "", "name": product["name"] ?? "",
      "url": .string("https://\(store).example\(path)"), "quantity": 0, "taxable": true,
      "image_url": .string("https://cdn11.bigcommerce.example/s-\(store)/no-image.png"),
      "discounts": [], "coupons": [], "discount_amount": 0, "coupon_amount": 0,
      "original_price": .decimal(price), "list_price": .decimal(price),
      "sale_price": .decimal(price), "extended_list_price": 0, "extended_sale_price": 0,
      "is_require_shipping": true, "is_mutable": true, "added_by_promotion": false,
    ]
    return setting(line.removing(["parent_id"]), quantity: quantity)
  }

  static func setting(_ line: JSONValue, quantity: Int64) -> JSONValue {
    let sum = JSONValue.decimal((line["sale_price"]?.lenientDecimal ?? 0) * Double(quantity))
    return line.setting("quantity", .integer(quantity)).setting("extended_list_price", sum)
      .setting("extended_sale_price", sum)
  }
}
