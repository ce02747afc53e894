import Base

/// Customers, their groups and addresses, channels and orders.
struct SeedPeople {
  let hash: String

  private static let firstNames = ["Ada", "Ben", "Chloe", "Dev", "Edda", "Femi", "Gus", "Hana"]
  private static let lastNames = ["Archer", "Brandt", "Castillo", "Dahl", "Evans"]
  static let customers = 24
  static let orders = 30

  func fill(_ data: inout StoreData) {
    _ = data.channels.insert(
      ChannelsResource.document(
        name: data.profile.name, type: "storefront", platform: "bigcommerce"))
    _ = data.channels.insert(
      ChannelsResource.document(name: "Point of sale", type: "pos", platform: "square"))
    for name in ["Wholesale", "Retail", "Friends"] {
      _ = data.customerGroups.insert(
        CustomerGroupsResource.document(name: name, at: Seed.epoch))
    }
    for number in 0..<SeedPeople.customers { addCustomer(number, to: &data) }
    guard !data.products.rows.isEmpty else { return }
    for number in 0..<SeedPeople.orders { addOrder(number, to: &data) }
  }

  private func addCustomer(_ number: Int, to data: inout StoreData) {
    let first = SeedPeople.firstNames[number % SeedPeople.firstNames.count]
    let last = SeedPeople.lastNames[number % SeedPeople.lastNames.count]
    let customer = data.customers.insert(
      CustomerDocument.make(
        [
          "first_name": .string(first), "last_name": .string(last),
          "email": .string("\(first).\(last).\(number)@\(hash).example".lowercased()),
          "phone": "+1 512 555 0102", "company": number.isMultiple(of: 3) ? "Brandt Ltd" : "",
          "customer_group_id": .integer(number % 4),
        ], at: Seed.epoch + .seconds(number * 900)
      ).setting("address_count", 1))
    _ = data.addresses.insert(CustomerDocument.address(customer: customer, number: number))
  }

  private func addOrder(_ number: Int, to data: inout StoreData) {
    let customer = data.customers.rows[number % data.customers.rows.count]
    let products = data.products.rows
    let lines = (0...(number % 3)).map { offset in
      OrderLine(
        product: products[(number * 5 + offset) % products.count], variant: nil,
        quantity: Int64(1 + (number + offset) % 2))
    }
    let billing: JSONValue = [
      "first_name": customer["first_name"] ?? "", "last_name": customer["last_name"] ?? "",
      "street_1": .string("\(100 + number) Main Street"), "city": "Austin", "state": "Texas",
      "zip": "78701", "email": customer["email"] ?? "", "phone": customer["phone"] ?? "",
    ]
    let statuses: [Int64] = [11, 11, 10, 7, 9]
    _ = OrderDocument.insert(
      lines: lines, billing: billing,
      fields: [
        "customer_id": customer["id"] ?? 0,
        "status_id": .integer(statuses[number % statuses.count]),
      ], into: &data, at: Seed.epoch + .seconds(number * 5400))
  }
}
