import Base

/// `/v3/catalog/products` and `/v3/catalog/summary`.
enum ProductsResource {
  /// Products that one batch call may hold.
  static let batchLimit = 10

  static let routes: [RouteTree.Route] = [
    .init("GET", "/v3/catalog/products", list), .init("POST", "/v3/catalog/products", create),
    .init("PUT", "/v3/catalog/products", updateBatch),
    .init("DELETE", "/v3/catalog/products", deleteMany),
    .init("GET", "/v3/catalog/products/{id}", show),
    .init("PUT", "/v3/catalog/products/{id}", update),
    .init("DELETE", "/v3/catalog/products/{id}", delete),
    .init("GET", "/v3/catalog/summary", summary),
  ]

  private static let filter = Filter(fields: [
    "id", "name", "sku", "mpn", "upc", "price", "weight", "brand_id", "categories", "type",
    "is_visible", "is_featured", "is_free_shipping", "inventory_level", "availability",
    "condition", "total_sold", "date_created", "date_modified", "sort_order",
  ])

  private static func list(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    var rows = data.products.rows
    if let word = call.query["keyword"]?.lowercased() {
      rows = rows.filter { product in
        ["name", "sku", "search_keywords"].contains {
          product[$0]?.string?.lowercased().contains(word) == true
        }
      }
    }
    let window = try call.window(allowsCursor: true)
    let page = Page(of: try filter.apply(call.query, to: rows), window: window)
    let items = page.items.map { including(call.query, $0, data) }
    return .bare(["data": .array(Filter.project(items, call.query)), "meta": page.meta])
  }

  private static func show(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let product = including(call.query, try find(data, call), data)
    return .data(Filter.project([product], call.query)[0])
  }

  private static func create(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let body = try call.object()
    var errors: [JSONValue.Member] = []
    if (body["name"]?.string ?? "").isEmpty { errors.append(.init("name", "error.path.missing.")) }
    if !["physical", "digital"].contains(body["type"]?.string) {
      errors.append(.init("type", "error.path.missing."))
    }
    for number in ["price", "weight"] where body[number]?.lenientDecimal == nil {
      errors.append(.init(number, "error.path.missing."))
    }
    guard errors.isEmpty else { throw .invalid(errors) }
    try checkUnique(data, body, id: nil)
    try checkBrand(data, body)
    guard !data.products.isFull else { throw .full }
    let product = ProductDocument.insert(body, into: &data, at: call.now)
    data.happened("product", "created", product["id"])
    return .data(product)
  }

  private static func update(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    .data(try change(&data, id: try call.id(), with: try call.object(), call))
  }

  private static func updateBatch(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let items = try call.array(limit: batchLimit)
    var changed: [JSONValue] = []
    for item in items {
      guard let id = item["id"]?.integer else { throw .invalid("id", "error.path.missing.") }
      changed.append(try change(&data, id: id, with: item, call))
    }
    let window = PageWindow.whole(count: changed.count)
    return .page(Page(of: changed, window: window))
  }

  private static func change(
    _ data: inout StoreData, id: Int64, with body: JSONValue, _ call: APICall
  ) throws(APIFailure) -> JSONValue {
    guard let product = data.products[id] else { throw missing(id) }
    try checkUnique(data, body, id: id)
    try checkBrand(data, body)
    if let price = body["price"], price.lenientDecimal == nil {
      throw .invalid("price", "error.expected.jsnumber")
    }
    let changed = ProductDocument.changing(product, body, at: call.now)
    data.products.replace(id, with: changed)
    data.happened("product", "updated", .integer(id))
    if let level = changed["inventory_level"]?.integer,
      product["inventory_level"] != .integer(level)
    {
      data.stockHappened(product: id, StockChange(level: level))
    }
    return changed
  }

  private static func delete(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    remove(&data, id: try call.id())
    return .noContent
  }

  /// Without a filter it would empty the catalogue, so one is demanded.
  private static func deleteMany(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let doomed = try filter.apply(call.query, to: data.products.rows)
    guard call.query.items.contains(where: { $0.name != "limit" && $0.name != "page" }) else {
      throw .invalid("id:in", "a filter is required")
    }
    for product in doomed.prefix(PageWindow.maximumLimit) {
      remove(&data, id: product["id"]?.integer ?? 0)
    }
    return .noContent
  }

  private static func remove(_ data: inout StoreData, id: Int64) {
    guard data.products.remove(id) != nil else { return }
    data.happened("product", "deleted", .integer(id))
    data.variants.removeAll { $0["product_id"]?.integer == id }
    data.images.removeAll { $0["product_id"]?.integer == id }
  }

  private static func summary(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let prices = data.variants.rows.compactMap { $0["calculated_price"]?.lenientDecimal }
    let stock = data.products.rows.compactMap { $0["inventory_level"]?.integer }.reduce(0, +)
    let value = data.products.rows.reduce(0.0) { sum, product in
      sum + Double(product["inventory_level"]?.integer ?? 0)
        * (product["price"]?.lenientDecimal ?? 0)
    }
    let dates = data.products.rows.compactMap { $0["date_created"]?.string }
    return .data([
      "inventory_count": .integer(stock), "inventory_value": .decimal(value),
      "primary_category_id": data.categories.rows.first?["id"] ?? 0,
      "primary_category_name": data.categories.rows.first?["name"] ?? "",
      "variant_count": .integer(data.variants.rows.count),
      "highest_variant_price": .decimal(prices.max() ?? 0),
      "average_variant_price": .decimal(
        prices.isEmpty ? 0 : prices.reduce(0, +) / Double(prices.count)),
      "lowest_variant_price": .string(JSONValue.decimal(prices.min() ?? 0).filterText),
      "oldest_variant_date": .string(dates.min() ?? ""),
      "newest_variant_date": .string(dates.max() ?? ""),
    ])
  }

  static func find(_ data: StoreData, _ call: APICall) throws(APIFailure) -> JSONValue {
    let id = try call.id()
    guard let product = data.products[id] else { throw missing(id) }
    return product
  }

  private static func missing(_ id: Int64) -> APIFailure {
    .notFound("A product was not found with an id of \(id).")
  }

  private static func checkUnique(
    _ data: StoreData, _ body: JSONValue, id: Int64?
  ) throws(APIFailure) {
    for field in ["name", "sku"] {
      guard let text = body[field]?.string, !text.isEmpty else { continue }
      let isTaken = data.products.contains {
        $0[field]?.string == text && $0["id"]?.integer != id
      }
      if isTaken {
        throw .conflict(
          "The product \(field) is a duplicate",
          [.init(field, .string("The product \(field) is a duplicate"))])
      }
    }
  }

  private static func checkBrand(_ data: StoreData, _ body: JSONValue) throws(APIFailure) {
    guard let brand = body["brand_id"]?.integer, brand != 0 else { return }
    guard data.brands[brand] != nil else {
      throw .conflict("The brand was not found", [.init("brand_id", "The brand was not found")])
    }
  }

  /// Adds the sub-resources that `include` names.
  private static func including(
    _ query: Query, _ product: JSONValue, _ data: StoreData
  ) -> JSONValue {
    guard let include = query["include"] else { return product }
    var product = product
    let id = product["id"]?.integer
    for name in include.split(separator: ",") {
      switch name {
      case "variants":
        product = product.setting(
          "variants", .array(data.variants.rows.filter { $0["product_id"]?.integer == id }))
      case "images":
        product = product.setting(
          "images", .array(data.images.rows.filter { $0["product_id"]?.integer == id }))
      case "primary_image":
        let image = data.images.rows.first { $0["product_id"]?.integer == id }
        product = product.setting("primary_image", image ?? [:])
      case "custom_fields", "bulk_pricing_rules", "videos", "options", "modifiers":
        product = product.setting(String(name), product[String(name)] ?? [])
      default: break
      }
    }
    return product
  }
}
