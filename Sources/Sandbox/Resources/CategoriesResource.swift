import Base

/// `/v3/catalog/categories`.
enum CategoriesResource {
  static let routes: [RouteTree.Route] = [
    .init("GET", "/v3/catalog/categories", list), .init("POST", "/v3/catalog/categories", create),
    .init("GET", "/v3/catalog/categories/{id}") { data, call throws(APIFailure) in
      .data(try find(data, call))
    },
    .init("PUT", "/v3/catalog/categories/{id}", update),
    .init("DELETE", "/v3/catalog/categories/{id}", delete),
  ]

  private static let filter = Filter(fields: [
    "id", "name", "parent_id", "page_title", "is_visible", "keyword",
  ])

  private static func list(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let rows = try filter.apply(call.query, to: data.categories.rows)
    return .page(Page(of: rows, window: try call.window(allowsCursor: true)))
  }

  private static func create(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let body = try call.object()
    var errors: [JSONValue.Member] = []
    if (body["name"]?.string ?? "").isEmpty { errors.append(.init("name", "error.path.missing.")) }
    if body["parent_id"]?.integer == nil {
      errors.append(.init("parent_id", "error.path.missing."))
    }
    guard errors.isEmpty, let name = body["name"]?.string,
      let parent = body["parent_id"]?.integer
    else { throw .invalid(errors) }
    try check(data, name: name, parent: parent, id: nil)
    guard !data.categories.isFull else { throw .full }
    let category = data.categories.insert(
      CategoryDocument.make(name: name, parent: parent).merging(body))
    happened("created", category["id"], &data)
    return .data(category)
  }

  private static func update(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let id = try call.id()
    let category = try find(data, call)
    let changed = category.merging(try call.object())
    try check(
      data, name: changed["name"]?.string ?? "", parent: changed["parent_id"]?.integer ?? 0,
      id: id)
    data.categories.replace(id, with: changed)
    happened("updated", .integer(id), &data)
    return .data(changed)
  }

  /// All categories are in the one tree of the first channel.
  private static func happened(_ what: String, _ id: JSONValue?, _ data: inout StoreData) {
    data.happened("category", what, id)
    data.happen(
      "store/channel/1/category/\(what)", ["category_id": id ?? .null, "tree_id": 1])
  }

  /// A category that alone holds a product stays, or the product would be lost to shoppers.
  private static func delete(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let id = try call.id()
    _ = try find(data, call)
    let orphans = data.products.contains { $0["categories"]?.array == [.integer(id)] }
    guard !orphans else { throw .conflict("Deleting the category would orphan products") }
    data.categories.remove(id)
    happened("deleted", .integer(id), &data)
    return .noContent
  }

  private static func find(_ data: StoreData, _ call: APICall) throws(APIFailure) -> JSONValue {
    let id = try call.id()
    guard let category = data.categories[id] else {
      throw .notFound("A category was not found with an id of \(id).")
    }
    return category
  }

  /// Names are unique below one parent, and the parent exists.
  private static func check(
    _ data: StoreData, name: String, parent: Int64, id: Int64?
  ) throws(APIFailure) {
    guard parent == 0 || (parent != id && data.categories[parent] != nil) else {
      throw .invalid("parent_id", "The parent category was not found")
    }
    let isTaken = data.categories.contains {
      $0["name"]?.string == name && $0["parent_id"]?.integer == parent
        && $0["id"]?.integer != id
    }
    if isTaken {
      throw .conflict(
        "A category with this name exists already below its parent",
        [.init("name", "The name is a duplicate")])
    }
  }
}

/// How a category is written.
enum CategoryDocument {
  static func make(name: String, parent: Int64) -> JSONValue {
    [
      "id": 0, "parent_id": .integer(parent), "name": .string(name), "description": "", "views": 0,
      "sort_order": 0, "page_title": "", "search_keywords": "", "meta_keywords": [],
      "meta_description": "", "layout_file": "category.html", "is_visible": true,
      "default_product_sort": "use_store_settings", "image_url": "",
      "custom_url": ["url": .string(ShopPath.of(name)), "is_customized": false],
    ]
  }
}

/// Paths of the shop that shoppers see.
enum ShopPath {
  /// `/copper-kettle/` of "Copper Kettle".
  static func of(_ name: String) -> String {
    let words = name.lowercased().split { !($0.isASCII && ($0.isLetter || $0.isNumber)) }
    return "/" + words.joined(separator: "-") + "/"
  }
}
