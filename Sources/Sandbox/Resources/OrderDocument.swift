import Base

/// One line of a new order.
struct OrderLine {
  /// `nil` for a product that is not in the catalogue.
  let product: JSONValue?
  let variant: JSONValue?
  let name: String
  let sku: String
  let price: Double
  let quantity: Int64

  init(product: JSONValue, variant: JSONValue?, quantity: Int64) {
    self.init(
      product: product, variant: variant, name: product["name"]?.string ?? "",
      sku: variant?["sku"]?.string ?? product["sku"]?.string ?? "",
      price: (variant ?? product)["calculated_price"]?.lenientDecimal ?? 0, quantity: quantity)
  }

  /// Reads a line of `POST /v2/orders`: by `product_id`, or free with `name` and prices.
  init(reading item: JSONValue, _ data: StoreData) throws(APIFailure) {
    let quantity = item["quantity"]?.lenientInteger ?? 1
    guard quantity > 0 else { throw .invalidV2Field("quantity") }
    if let id = item["product_id"]?.lenientInteger {
      guard let product = data.products[id] else {
        throw .invalidV2Field("product_id", "the product was not found")
      }
      let variant = item["variant_id"]?.lenientInteger.flatMap { data.variants[$0] }
      self.init(product: product, variant: variant, quantity: quantity)
      return
    }
    guard let name = item["name"]?.string, let price = item["price_inc_tax"]?.lenientDecimal else {
      throw .invalidV2Field("products", "product_id, or name and price_inc_tax, are required")
    }
    self.init(
      product: nil, name: name, sku: item["sku"]?.string ?? "", price: price, quantity: quantity)
  }

  private init(
    product: JSONValue?, variant: JSONValue? = nil, name: String, sku: String, price: Double,
    quantity: Int64
  ) {
    self.product = product
    self.variant = variant
    self.name = name
    self.sku = sku
    self.price = price
    self.quantity = quantity
  }

  var total: Double { price * Double(quantity) }
}

/// How an order is written.
enum OrderDocument {
  /// Members that a caller may not set.
  static let locked: Set<String> = [
    "id", "status", "date_created", "date_modified", "items_total", "items_shipped", "products",
    "shipping_addresses", "coupons", "is_deleted",
  ]

  /// Adds an order with its lines; the billing address is the shipping address too.
  static func insert(
    lines: [OrderLine], billing: JSONValue, fields: JSONValue, into data: inout StoreData,
    at now: Timestamp
  ) -> JSONValue {
    let total = lines.reduce(0) { $0 + $1.total }
    let date = JSONValue.string(CalendarText.rfc2822(now))
    let billing = address(billing)
    var order = template(total: total, billing: billing, date: date)
      .merging(fields, except: locked.union(["billing_address"]))
    let status = fields["status_id"]?.lenientInteger ?? 1
    order = OrdersResource.setting(order, status)
      .setting("customer_id", .integer(fields["customer_id"]?.lenientInteger ?? 0))
      .setting("items_total", .integer(lines.reduce(0) { $0 + $1.quantity }))
    let kept = data.orders.insert(order)
    let id = kept["id"] ?? 0
    for line in lines {
      _ = data.orderProducts.insert(OrderProductDocument.make(line, order: id))
    }
    return kept
  }

  /// The order with the links that V2 answers in place of its parts.
  static func linked(_ order: JSONValue, _ call: APICall) -> JSONValue {
    let id = order["id"]?.text ?? ""
    let base = "\(call.origin)/stores/\(call.store)/v2"
    var order = order
    for (name, path) in [
      ("products", "products"), ("shipping_addresses", "shipping_addresses"),
      ("coupons", "coupons"), ("fees", "fees"), ("consignments", "consignments"),
    ] {
      let resource = "/orders/\(id)/\(path)"
      order = order.setting(
        name, ["url": .string(base + resource), "resource": .string(resource)])
    }
    return order
  }

  private static func address(_ fields: JSONValue) -> JSONValue {
    let template: JSONValue = [
      "first_name": "", "last_name": "", "company": "", "street_1": "", "street_2": "",
      "city": "", "state": "", "zip": "", "country": "United States", "country_iso2": "US",
      "phone": "", "email": "",
    ]
    return template.merging(fields).setting("form_fields", [])
  }

  private static func template(total: Double, billing: JSONValue, date: JSONValue) -> JSONValue {
    let zero = JSONValue.amount(0)
    var members: [JSONValue.Member] = [
      .init("id", 0), .init("customer_id", 0), .init("date_created", date),
      .init("date_modified", date), .init("date_shipped", ""), .init("status_id", 1),
      .init("status", "Pending"),
    ]
    for name in ["subtotal_ex_tax", "subtotal_inc_tax", "total_ex_tax", "total_inc_tax"] {
      members.append(.init(name, .amount(total)))
    }
    for name in zeroAmounts { members.append(.init(name, zero)) }
    for name in taxClasses { members.append(.init(name, 0)) }
    members += [
      .init("items_total", 0), .init("items_shipped", 0), .init("payment_method", "Manual"),
      .init("payment_provider_id", ""), .init("payment_status", "captured"),
      .init("order_is_digital", false), .init("ip_address", "192.0.2.10"),
      .init("ip_address_v6", ""), .init("geoip_country", "United States"),
      .init("geoip_country_iso2", "US"), .init("currency_id", 1), .init("currency_code", "USD"),
      .init("currency_exchange_rate", "1.0000000000"), .init("default_currency_id", 1),
      .init("default_currency_code", "USD"), .init("store_default_currency_code", "USD"),
      .init("store_default_to_transactional_exchange_rate", "1.0000000000"),
      .init("staff_notes", ""), .init("customer_message", ""),
      .init("shipping_address_count", 1), .init("is_deleted", false),
      .init("is_tax_inclusive_pricing", false), .init("is_email_opt_in", false),
      .init("order_source", "www"), .init("channel_id", 1), .init("external_source", .null),
      .init("external_id", .null), .init("external_merchant_id", .null),
      .init("external_order_id", ""), .init("tax_provider_id", "BasicTaxProvider"),
      .init("customer_locale", "en"), .init("ebay_order_id", "0"), .init("cart_id", ""),
      .init("billing_address", billing),
    ]
    return .object(members)
  }

  private static let zeroAmounts = [
    "subtotal_tax", "total_tax", "base_shipping_cost", "shipping_cost_ex_tax",
    "shipping_cost_inc_tax", "shipping_cost_tax", "base_handling_cost", "handling_cost_ex_tax",
    "handling_cost_inc_tax", "handling_cost_tax", "base_wrapping_cost", "wrapping_cost_ex_tax",
    "wrapping_cost_inc_tax", "wrapping_cost_tax", "refunded_amount", "store_credit_amount",
    "gift_certificate_amount", "discount_amount", "coupon_discount",
  ]

  private static let taxClasses = [
    "shipping_cost_tax_class_id", "handling_cost_tax_class_id", "wrapping_cost_tax_class_id",
  ]
}

/// How a line of an order is written.
enum OrderProductDocument {
  static func make(_ line: OrderLine, order: JSONValue) -> JSONValue {
    let zero = JSONValue.amount(0)
    let price = JSONValue.amount(line.price)
    let total = JSONValue.amount(line.total)
    var members: [JSONValue.Member] = [
      .init("id", 0), .init("order_id", order), .init("product_id", line.product?["id"] ?? 0),
      .init("variant_id", line.variant?["id"] ?? line.product?["base_variant_id"] ?? 0),
      .init("order_pickup_method_id", 0), .init("order_address_id", order),
      .init("name", .string(line.name)), .init("name_customer", .string(line.name)),
      .init("name_merchant", .string(line.name)), .init("sku", .string(line.sku)),
      .init("upc", ""), .init("type", "physical"), .init("quantity", .integer(line.quantity)),
    ]
    for name in ["base_price", "price_ex_tax", "price_inc_tax"] {
      members.append(.init(name, price))
    }
    for name in ["base_total", "total_ex_tax", "total_inc_tax", "discounted_total_inc_tax"] {
      members.append(.init(name, total))
    }
    for name in zeroAmounts { members.append(.init(name, zero)) }
    members += [
      .init("weight", .amount(line.product?["weight"]?.lenientDecimal ?? 0)),
      .init("width", zero), .init("height", zero), .init("depth", zero),
      .init("is_refunded", false), .init("quantity_refunded", 0), .init("return_id", 0),
      .init("wrapping_id", 0), .init("wrapping_name", .null), .init("wrapping_message", ""),
      .init("quantity_shipped", 0), .init("event_name", .null), .init("event_date", .null),
      .init("ebay_item_id", ""), .init("ebay_transaction_id", ""), .init("option_set_id", .null),
      .init("parent_order_product_id", .null), .init("is_bundled_product", false),
      .init("bin_picking_number", ""), .init("external_id", .null), .init("brand", ""),
      .init("gift_certificate_id", .null), .init("applied_discounts", []),
      .init("product_options", []), .init("configurable_fields", []),
    ]
    return .object(members)
  }

  private static let zeroAmounts = [
    "price_tax", "total_tax", "base_cost_price", "cost_price_inc_tax", "cost_price_ex_tax",
    "cost_price_tax", "refund_amount", "base_wrapping_cost", "wrapping_cost_ex_tax",
    "wrapping_cost_inc_tax", "wrapping_cost_tax", "fixed_shipping_cost",
  ]
}
