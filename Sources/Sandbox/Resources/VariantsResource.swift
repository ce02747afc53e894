import Base

/// Variants of one product and of all: `/v3/catalog/products/{id}/variants`,
/// `/v3/catalog/variants`.
enum VariantsResource {
  /// Variants that one batch call may hold.
  static let batchLimit = 50

  static let routes: [RouteTree.Route] = [
    .init("GET", "/v3/catalog/products/{id}/variants", listOfProduct),
    .init("POST", "/v3/catalog/products/{id}/variants", create),
    .init("GET", "/v3/catalog/products/{id}/variants/{variant}") {
      data, call throws(APIFailure) in .data(try find(data, call))
    },
    .init("PUT", "/v3/catalog/products/{id}/variants/{variant}", update),
    .init("DELETE", "/v3/catalog/products/{id}/variants/{variant}", delete),
    .init("GET", "/v3/catalog/variants", listAll),
    .init("PUT", "/v3/catalog/variants", updateBatch),
  ]

  private static let filter = Filter(fields: ["id", "sku", "upc", "price", "product_id"])

  private static func listOfProduct(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let product = try ProductsResource.find(data, call)["id"]
    let rows = data.variants.rows.filter { $0["product_id"] == product }
    return .page(Page(of: rows, window: try call.window(allowsCursor: true)))
  }

  private static func listAll(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let rows = try filter.apply(call.query, to: data.variants.rows)
    return .page(Page(of: rows, window: try call.window(allowsCursor: true)))
  }

  private static func create(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let product = try ProductsResource.find(data, call)
    let body = try call.object()
    guard let sku = body["sku"]?.string, !sku.isEmpty else {
      throw .invalid("sku", "error.path.missing.")
    }
    try checkUnique(data, sku: sku, id: nil)
    guard !data.variants.isFull else { throw .full }
    var variant = VariantDocument.base(of: product).merging(body, except: VariantDocument.locked)
    variant = variant.setting("option_values", body["option_values"] ?? [])
    let kept = data.variants.insert(VariantDocument.repriced(variant))
    data.skuHappened("created", kept)
    return .data(kept)
  }

  private static func update(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let variant = try find(data, call)
    return .data(try change(&data, variant, with: try call.object()))
  }

  private static func updateBatch(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    var changed: [JSONValue] = []
    for item in try call.array(limit: batchLimit) {
      guard let id = item["id"]?.integer else { throw .invalid("id", "error.path.missing.") }
      guard let variant = data.variants[id] else {
        throw .invalid("id", "variant \(id) was not found")
      }
      changed.append(try change(&data, variant, with: item))
    }
    return .page(Page(of: changed, window: .whole(count: changed.count)))
  }

  private static func change(
    _ data: inout StoreData, _ variant: JSONValue, with body: JSONValue
  ) throws(APIFailure) -> JSONValue {
    guard let id = variant["id"]?.integer else { throw .noRoute }
    if let sku = body["sku"]?.string { try checkUnique(data, sku: sku, id: id) }
    let changed = VariantDocument.repriced(
      variant.merging(body, except: VariantDocument.locked))
    data.variants.replace(id, with: changed)
    data.skuHappened("updated", changed)
    if let level = changed["inventory_level"]?.integer,
      variant["inventory_level"] != .integer(level)
    {
      data.stockHappened(variant: changed, StockChange(level: level))
    }
    return changed
  }

  private static func delete(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let variant = try find(data, call)
    data.variants.remove(try call.id(1))
    data.skuHappened("deleted", variant)
    return .noContent
  }

  private static func find(_ data: StoreData, _ call: APICall) throws(APIFailure) -> JSONValue {
    let product = try ProductsResource.find(data, call)["id"]
    let id = try call.id(1)
    guard let variant = data.variants[id], variant["product_id"] == product else {
      throw .notFound("A variant was not found with an id of \(id).")
    }
    return variant
  }

  private static func checkUnique(
    _ data: StoreData, sku: String, id: Int64?
  ) throws(APIFailure) {
    guard !sku.isEmpty else { return }
    let isTaken = data.variants.contains {
      $0["sku"]?.string == sku && $0["id"]?.integer != id
    }
    if isTaken { throw .conflict("The SKU is a duplicate", [.init("sku", "duplicate")]) }
  }
}

/// How a variant is written.
enum VariantDocument {
  /// Members that a caller may not set.
  static let locked: Set<String> = [
    "id", "product_id", "sku_id", "calculated_price", "calculated_weight", "option_values",
  ]

  /// The variant of a product without options.
  static func base(of product: JSONValue) -> JSONValue {
    let price = product["price"] ?? 0
    return [
      "id": 0, "product_id": product["id"] ?? 0, "sku": product["sku"] ?? "", "sku_id": .null,
      "price": price, "calculated_price": price, "sale_price": .null, "retail_price": .null,
      "map_price": .null, "weight": product["weight"] ?? 0,
      "calculated_weight": product["weight"] ?? 0, "width": .null, "height": .null, "depth": .null,
      "is_free_shipping": false, "fixed_cost_shipping_price": .null, "purchasing_disabled": false,
      "purchasing_disabled_message": "", "image_url": "", "cost_price": 0, "upc": "",
      "mpn": product["mpn"] ?? "", "gtin": "",
      "inventory_level": product["inventory_level"] ?? 0, "inventory_warning_level": 0,
      "bin_picking_number": "", "option_values": [],
    ]
  }

  static func repriced(_ variant: JSONValue) -> JSONValue {
    let sale = variant["sale_price"]?.lenientDecimal ?? 0
    return variant.setting(
      "calculated_price",
      sale > 0 ? .decimal(sale) : .decimal(variant["price"]?.lenientDecimal ?? 0))
  }
}
