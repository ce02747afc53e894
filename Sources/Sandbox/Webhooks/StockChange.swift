import Base

/// A new stock level, and how it came about.
struct StockChange {
  let level: Int64
  /// `nil` when the level was set as such.
  var difference: Int64?

  /// The `method` and `value` of an event.
  var members: [JSONValue.Member] {
    [
      .init("method", difference == nil ? "absolute" : "relative"),
      .init("value", .integer(difference ?? level)),
    ]
  }
}

extension StoreData {
  /// Notes what happened to a variant, which webhooks call a SKU.
  mutating func skuHappened(_ what: String, _ variant: JSONValue) {
    happened("sku", what, variant["id"], [.init("sku", .object(StoreData.names(variant)))])
  }

  /// Notes that a product's own stock has changed.
  mutating func stockHappened(product id: Int64, _ change: StockChange) {
    happened(
      "product", "inventory/updated", .integer(id),
      [.init("inventory", .object([.init("product_id", .integer(id))] + change.members))])
  }

  /// Notes that a variant's stock has changed: as its product's when it has no options.
  mutating func stockHappened(variant: JSONValue, _ change: StockChange) {
    if variant["option_values"]?.array?.isEmpty == true,
      let product = variant["product_id"]?.integer
    {
      stockHappened(product: product, change)
    } else {
      happened(
        "sku", "inventory/updated", variant["id"],
        [.init("inventory", .object(StoreData.names(variant) + change.members))])
    }
    let place = JSONValue.object(
      StoreData.names(variant) + [.init("location_id", .integer(InventoryResource.location))])
    happen("store/channel/*/inventory/product/stock_changed", place)
    let warning = variant["inventory_warning_level"]?.integer ?? 0
    if change.level == 0 {
      happen("store/channel/*/inventory/product/out_of_stock_reached", place)
    } else if change.level <= warning {
      happen("store/channel/*/inventory/product/low_stock_reached", place)
    }
  }

  private static func names(_ variant: JSONValue) -> [JSONValue.Member] {
    [
      .init("product_id", variant["product_id"] ?? .null),
      .init("variant_id", variant["id"] ?? .null),
    ]
  }
}
