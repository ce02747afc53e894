import Base

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
