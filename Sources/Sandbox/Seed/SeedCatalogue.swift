import Base

/// Brands, categories and products.
struct SeedCatalogue {
  let hash: String
  let products: Int

  private static let brands = ["Fjordline", "Common Thread", "Oak & Ember", "Halcyon", "Nimbus"]
  private static let categories = ["Kitchen", "Garden", "Outdoor", "Toys", "Stationery", "Bath"]
  private static let materials = [
    "Linen", "Copper", "Oak", "Wool", "Glass", "Cork", "Bamboo", "Granite",
  ]
  private static let things = [
    "Apron", "Kettle", "Lantern", "Blanket", "Notebook", "Planter", "Puzzle", "Towel", "Tray",
    "Stool", "Mug", "Clock",
  ]
  private static let colours = ["Moss", "Slate", "Sand"]

  func fill(_ data: inout StoreData) {
    for name in SeedCatalogue.brands { _ = data.brands.insert(BrandDocument.make(name: name)) }
    for name in SeedCatalogue.categories {
      _ = data.categories.insert(CategoryDocument.make(name: name, parent: 0))
    }
    for number in 0..<products { addProduct(number, to: &data) }
  }

  /// Every name is unique until materials × things is used up; after that it carries a number.
  private func name(_ number: Int) -> String {
    let things = SeedCatalogue.things
    let materials = SeedCatalogue.materials
    let round = number / (things.count * materials.count)
    let material = materials[(number / things.count + number) % materials.count]
    let text = "\(material) \(things[number % things.count])"
    return round == 0 ? text : "\(text) \(round + 1)"
  }

  private func addProduct(_ number: Int, to data: inout StoreData) {
    let name = name(number)
    let price = 9.5 + Double(number * 37 % 240) / 2
    let code = String(1001 + number)
    let product = ProductDocument.insert(
      [
        "name": .string(name), "sku": .string("FF-\(code)"),
        // The store's hash is in every product, so that a test can tell whose it is.
        "mpn": .string("\(hash)-\(code)"), "price": .decimal(price),
        "cost_price": .decimal(price / 2), "weight": .decimal(Double(4 + number * 7 % 60)),
        "description": .string("<p>\(name), made to last.</p>"),
        "brand_id": data.brands.rows[number % data.brands.rows.count]["id"] ?? 0,
        "categories": [
          data.categories.rows[number % data.categories.rows.count]["id"] ?? 0
        ], "inventory_level": .integer(number * 13 % 90), "inventory_tracking": "product",
        "is_featured": .bool(number.isMultiple(of: 9)),
        "search_keywords": .string(name.lowercased()),
      ], into: &data, at: Seed.epoch + .seconds(number * 3600))
    guard let id = product["id"]?.integer else { return }
    addImage(of: id, name: name, to: &data)
    if number.isMultiple(of: 4) { addColours(of: product, id: id, code: code, to: &data) }
  }

  private func addImage(of id: Int64, name: String, to data: inout StoreData) {
    _ = data.images.insert(
      ImageDocument.make(
        product: id, file: "\(id).png", store: hash, description: name, isThumbnail: true,
        at: Seed.epoch))
  }

  private func addColours(
    of product: JSONValue, id: Int64, code: String, to data: inout StoreData
  ) {
    for (index, colour) in SeedCatalogue.colours.enumerated() {
      let option: JSONValue = [
        "option_display_name": "Colour", "label": .string(colour), "id": .integer(146 + index),
        "option_id": .integer(1000 + id),
      ]
      _ = data.variants.insert(
        VariantDocument.base(of: product).setting("sku", .string("FF-\(code)-\(colour)"))
          .setting("option_values", [option]))
    }
  }
}
