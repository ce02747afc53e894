import Base
import NIOHTTP1

/// `/v3/catalog/products/{id}/images`, by URL or as an upload.
enum ProductImagesResource {
  /// The largest upload.
  static let uploadLimit = 8 * 1024 * 1024

  static let routes: [RouteTree.Route] = [
    .init("GET", "/v3/catalog/products/{id}/images", list),
    .init("POST", "/v3/catalog/products/{id}/images", create),
    .init("GET", "/v3/catalog/products/{id}/images/{image}") { data, call throws(APIFailure) in
      .data(try find(data, call))
    },
    .init("PUT", "/v3/catalog/products/{id}/images/{image}", update),
    .init("DELETE", "/v3/catalog/products/{id}/images/{image}", delete),
  ]

  private static func list(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let product = try ProductsResource.find(data, call)["id"]
    let rows = data.images.rows.filter { $0["product_id"] == product }
    return .page(Page(of: rows, window: try call.window()))
  }

  private static func create(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    _ = try ProductsResource.find(data, call)
    let product = try call.id()
    let order =
      call.request.mediaType == "multipart/form-data" ? try upload(call) : try link(call)
    guard !data.images.isFull else { throw .full }
    let isFirst = !data.images.contains { $0["product_id"]?.integer == product }
    let image = ImageDocument.make(
      product: product, file: order.file, store: call.store, description: order.description,
      isThumbnail: isFirst || order.isThumbnail, at: call.now, source: order.source)
    data.happened("product", "updated", .integer(product))
    return .data(data.images.insert(image))
  }

  /// What a caller wants to add.
  private struct Order {
    var file: String
    var description: String
    var isThumbnail: Bool
    var source: String?
  }

  private static func link(_ call: APICall) throws(APIFailure) -> Order {
    let body = try call.object()
    guard let url = body["image_url"]?.string ?? body["image_file"]?.string else {
      throw .invalid("image_url", "error.path.missing.")
    }
    guard url.hasPrefix("http://") || url.hasPrefix("https://") else {
      throw .invalid("image_url", "The URL is not valid")
    }
    let file = url.split(separator: "/").last.map { $0.prefix { $0 != "?" } } ?? "image"
    return Order(
      file: String(file), description: body["description"]?.string ?? "",
      isThumbnail: body["is_thumbnail"]?.bool ?? false, source: url)
  }

  private static func upload(_ call: APICall) throws(APIFailure) -> Order {
    let type = call.request.headers.first(name: "content-type") ?? ""
    guard let parts = Multipart.parts(of: call.request.bodyBytes, contentType: type) else {
      throw APIFailure(status: .badRequest, title: "The multipart body is malformed.")
    }
    guard let file = parts.first(where: { $0.name == "image_file" }), !file.bytes.isEmpty else {
      throw .invalid("image_file", "error.path.missing.")
    }
    guard file.bytes.count <= uploadLimit else {
      throw .invalid("image_file", "The image is larger than 8 MB")
    }
    func field(_ name: String) -> String? {
      parts.first { $0.name == name }.map { String(decoding: $0.bytes, as: UTF8.self) }
    }
    return Order(
      file: file.fileName ?? "upload", description: field("description") ?? "",
      isThumbnail: field("is_thumbnail") == "true")
  }

  private static func update(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let image = try find(data, call)
    let body = try call.object().keeping(["description", "is_thumbnail", "sort_order"])
    let changed = image.merging(body)
      .setting("date_modified", .string(CalendarText.iso8601(call.now)))
    data.images.replace(try call.id(1), with: changed)
    data.happened("product", "updated", changed["product_id"])
    return .data(changed)
  }

  private static func delete(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let image = try find(data, call)
    data.images.remove(try call.id(1))
    data.happened("product", "updated", image["product_id"])
    return .noContent
  }

  private static func find(_ data: StoreData, _ call: APICall) throws(APIFailure) -> JSONValue {
    let product = try ProductsResource.find(data, call)["id"]
    let id = try call.id(1)
    guard let image = data.images[id], image["product_id"] == product else {
      throw .notFound("An image was not found with an id of \(id).")
    }
    return image
  }
}

/// How a product image is written.
enum ImageDocument {
  static func make(
    product: Int64, file: String, store: String, description: String, isThumbnail: Bool,
    at now: Timestamp, source: String? = nil
  ) -> JSONValue {
    let base = "https://cdn11.bigcommerce.example/s-\(store)/products/\(product)/images/"
    return [
      "id": 0, "product_id": .integer(product), "is_thumbnail": .bool(isThumbnail),
      "sort_order": 0, "description": .string(description),
      "image_file": .string("p/\(product)/\(file)"), "image_url": .string(source ?? ""),
      "url_zoom": .string(base + "zoom/" + file), "url_standard": .string(base + "386/" + file),
      "url_thumbnail": .string(base + "220/" + file), "url_tiny": .string(base + "44/" + file),
      "date_modified": .string(CalendarText.iso8601(now)),
    ]
  }
}
