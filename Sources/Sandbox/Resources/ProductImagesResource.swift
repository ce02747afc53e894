import Base

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
