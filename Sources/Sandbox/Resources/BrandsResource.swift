import Base

/// `/v3/catalog/brands`.
enum BrandsResource {
  static let routes: [RouteTree.Route] = [
    .init("GET", "/v3/catalog/brands", list), .init("POST", "/v3/catalog/brands", create),
    .init("GET", "/v3/catalog/brands/{id}") { data, call throws(APIFailure) in
      .data(try find(data, call))
    },
    .init("PUT", "/v3/catalog/brands/{id}", update),
    .init("DELETE", "/v3/catalog/brands/{id}", delete),
  ]

  private static let filter = Filter(fields: ["id", "name", "page_title"])

  private static func list(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let rows = try filter.apply(call.query, to: data.brands.rows)
    return .page(Page(of: rows, window: try call.window(allowsCursor: true)))
  }

  private static func create(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let body = try call.object()
    guard let name = body["name"]?.string, !name.isEmpty else {
      throw .invalid("name", "error.path.missing.")
    }
    try checkUnique(data, name: name, id: nil)
    guard !data.brands.isFull else { throw .full }
    return .data(data.brands.insert(BrandDocument.make(name: name).merging(body)))
  }

  private static func update(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let id = try call.id()
    let brand = try find(data, call)
    let body = try call.object()
    if let name = body["name"]?.string { try checkUnique(data, name: name, id: id) }
    let changed = brand.merging(body)
    data.brands.replace(id, with: changed)
    return .data(changed)
  }

  private static func delete(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    _ = try find(data, call)
    data.brands.remove(try call.id())
    return .noContent
  }

  private static func find(_ data: StoreData, _ call: APICall) throws(APIFailure) -> JSONValue {
    let id = try call.id()
    guard let brand = data.brands[id] else {
      throw .notFound("A brand was not found with an id of \(id).")
    }
    return brand
  }

  private static func checkUnique(
    _ data: StoreData, name: String, id: Int64?
  ) throws(APIFailure) {
    let isTaken = data.brands.contains {
      $0["name"]?.string == name && $0["id"]?.integer != id
    }
    if isTaken {
      throw .conflict(
        "A brand with this name exists already", [.init("name", "The name is a duplicate")])
    }
  }
}

/// How a brand is written.
enum BrandDocument {
  static func make(name: String) -> JSONValue {
    [
      "id": 0, "name": .string(name), "page_title": "", "meta_keywords": [],
      "meta_description": "", "search_keywords": "", "image_url": "",
      "custom_url": ["url": .string(ShopPath.of(name)), "is_customized": false],
    ]
  }
}
