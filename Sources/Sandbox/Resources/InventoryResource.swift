import Base

/// `/v3/inventory`: what is in stock, and adjustments of it.
enum InventoryResource {
  /// Items that one adjustment may hold.
  static let batchLimit = 2000
  /// Every store has the one location.
  static let location: Int64 = 1

  static let routes: [RouteTree.Route] = [
    .init("GET", "/v3/inventory/items", list),
    .init("POST", "/v3/inventory/adjustments/relative") { data, call throws(APIFailure) in
      try adjust(&data, call, isRelative: true)
    },
    .init("PUT", "/v3/inventory/adjustments/absolute") { data, call throws(APIFailure) in
      try adjust(&data, call, isRelative: false)
    },
  ]

  private static func list(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    var rows = data.variants.rows
    for (name, field) in [
      ("variant_id:in", "id"), ("product_id:in", "product_id"), ("sku:in", "sku"),
    ] {
      guard let wanted = call.query[name] else { continue }
      let set = Set(wanted.split(separator: ",").map(String.init))
      rows = rows.filter { set.contains($0[field]?.filterText ?? "") }
    }
    let page = Page(of: rows, window: try call.window())
    return .bare(["data": .array(page.items.map(item)), "meta": page.meta])
  }

  private static func item(_ variant: JSONValue) -> JSONValue {
    let level = variant["inventory_level"]?.integer ?? 0
    return [
      "identity": [
        "sku": variant["sku"] ?? "", "variant_id": variant["id"] ?? 0,
        "product_id": variant["product_id"] ?? 0, "sku_id": variant["id"] ?? 0,
      ],
      "locations": [
        [
          "location_id": .integer(location), "location_code": "BC-LOCATION-1",
          "location_name": "Default location", "available_to_sell": .integer(level),
          "total_inventory_onhand": .integer(level), "location_enabled": true,
          "settings": [
            "safety_stock": 0, "is_in_stock": .bool(level > 0),
            "warning_level": variant["inventory_warning_level"] ?? 0, "bin_picking_number": "",
          ],
        ]
      ],
    ]
  }

  /// All items take effect or none.
  private static func adjust(
    _ data: inout StoreData, _ call: APICall, isRelative: Bool
  ) throws(APIFailure) -> APIAnswer {
    let body = try call.object()
    guard let items = body["items"]?.array, !items.isEmpty else {
      throw .invalid("items", "error.path.missing.")
    }
    guard items.count <= batchLimit else { throw .tooManyItems(batchLimit) }
    var levels: [(Int64, StockChange)] = []
    for (index, item) in items.enumerated() {
      guard let variant = variant(item, data), let id = variant["id"]?.integer else {
        throw .invalid("items.\(index)", "The item was not found")
      }
      guard item["location_id"]?.integer == location else {
        throw .invalid("items.\(index).location_id", "The location was not found")
      }
      guard let quantity = item["quantity"]?.integer else {
        throw .invalid("items.\(index).quantity", "error.path.missing.")
      }
      let level = isRelative ? (variant["inventory_level"]?.integer ?? 0) + quantity : quantity
      guard level >= 0 else {
        throw .invalid("items.\(index).quantity", "The stock would be negative")
      }
      levels.append((id, StockChange(level: level, difference: isRelative ? quantity : nil)))
    }
    for (id, change) in levels { setLevel(&data, variant: id, change) }
    return .bare(["transaction_id": .string(call.text.uuid())])
  }

  private static func variant(_ item: JSONValue, _ data: StoreData) -> JSONValue? {
    if let id = item["variant_id"]?.integer { return data.variants[id] }
    if let sku = item["sku"]?.string {
      return data.variants.rows.first { $0["sku"]?.string == sku }
    }
    if let product = item["product_id"]?.integer {
      return data.variants.rows.first { $0["product_id"]?.integer == product }
    }
    return nil
  }

  private static func setLevel(_ data: inout StoreData, variant id: Int64, _ change: StockChange) {
    guard let variant = data.variants[id] else { return }
    data.variants.replace(id, with: variant.setting("inventory_level", .integer(change.level)))
    data.stockHappened(variant: variant, change)
    guard let product = variant["product_id"]?.integer, let document = data.products[product] else {
      return
    }
    let total = data.variants.rows.filter { $0["product_id"]?.integer == product }
      .compactMap { $0["inventory_level"]?.integer }.reduce(0, +)
    data.products.replace(product, with: document.setting("inventory_level", .integer(total)))
  }
}
