import Base

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
