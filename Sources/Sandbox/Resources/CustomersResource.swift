import Base

/// `/v3/customers`: arrays in, arrays out.
enum CustomersResource {
  /// Customers that one call may hold.
  static let batchLimit = 10

  static let routes: [RouteTree.Route] = [
    .init("GET", "/v3/customers", list), .init("POST", "/v3/customers", create),
    .init("PUT", "/v3/customers", update), .init("DELETE", "/v3/customers", delete),
    .init("GET", "/v3/customers/addresses", listAddresses),
    .init("GET", "/v2/customers/count") { data, _ in
      .bare(["count": .integer(data.customers.rows.count)])
    },
  ]

  private static let filter = Filter(fields: [
    "id", "email", "company", "customer_group_id", "date_created", "date_modified",
    "registration_ip_address",
  ])

  private static func list(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    var rows = data.customers.rows
    if let name = call.query["name:like"]?.lowercased() {
      rows = rows.filter { fullName($0).lowercased().contains(name) }
    }
    if let names = call.query["name:in"] {
      let wanted = Set(names.split(separator: ",").map(String.init))
      rows = rows.filter { wanted.contains(fullName($0)) }
    }
    rows = try filter.apply(call.query, to: rows)
    let page = Page(of: rows, window: try call.window(allowsCursor: true))
    let items = page.items.map { including(call.query, $0, data) }
    return .bare(["data": .array(items), "meta": page.meta])
  }

  private static func create(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let items = try call.array(limit: batchLimit)
    var emails: Set<String> = []
    for (index, item) in items.enumerated() {
      for name in ["email", "first_name", "last_name"] where (item[name]?.string ?? "").isEmpty {
        throw .invalid("\(index).\(name)", "error.path.missing.")
      }
      let email = item["email"]?.string ?? ""
      guard isFree(email, data, except: nil), emails.insert(email).inserted else {
        throw .invalid("\(index).email", "The email address is in use")
      }
    }
    guard !data.customers.isFull else { throw .full }
    let made = items.map { item in
      data.customers.insert(CustomerDocument.make(item, at: call.now))
    }
    for customer in made { data.happened("customer", "created", customer["id"]) }
    return .data(.array(made))
  }

  private static func update(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let items = try call.array(limit: batchLimit)
    for (index, item) in items.enumerated() {
      guard let id = item["id"]?.integer, data.customers[id] != nil else {
        throw .invalid("\(index).id", "The customer was not found")
      }
      if let email = item["email"]?.string, !isFree(email, data, except: id) {
        throw .invalid("\(index).email", "The email address is in use")
      }
    }
    var changed: [JSONValue] = []
    for item in items {
      guard let id = item["id"]?.integer, let customer = data.customers[id] else { continue }
      let document = customer.merging(item, except: CustomerDocument.locked)
        .setting("date_modified", .string(CalendarText.iso8601(call.now)))
      data.customers.replace(id, with: document)
      data.happened("customer", "updated", .integer(id))
      changed.append(document)
    }
    return .data(.array(changed))
  }

  private static func delete(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    guard let ids = call.query["id:in"] else { throw .invalid("id:in", "error.path.missing.") }
    for id in ids.split(separator: ",").compactMap({ Int64($0) }) {
      guard data.customers.remove(id) != nil else { continue }
      data.happened("customer", "deleted", .integer(id))
      data.addresses.removeAll { $0["customer_id"]?.integer == id }
    }
    return .noContent
  }

  private static func listAddresses(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let rows = try Filter(fields: ["id", "customer_id", "company"])
      .apply(call.query, to: data.addresses.rows)
    return .page(Page(of: rows, window: try call.window(allowsCursor: true)))
  }

  private static func isFree(_ email: String, _ data: StoreData, except id: Int64?) -> Bool {
    !data.customers.contains { $0["email"]?.string == email && $0["id"]?.integer != id }
  }

  private static func fullName(_ customer: JSONValue) -> String {
    (customer["first_name"]?.string ?? "") + " " + (customer["last_name"]?.string ?? "")
  }

  private static func including(
    _ query: Query, _ customer: JSONValue, _ data: StoreData
  ) -> JSONValue {
    guard let include = query["include"] else { return customer }
    var customer = customer
    let id = customer["id"]
    for name in include.split(separator: ",") {
      switch name {
      case "addresses":
        customer = customer.setting(
          "addresses", .array(data.addresses.rows.filter { $0["customer_id"] == id }))
      case "storecredit": customer = customer.setting("store_credit_amounts", [["amount": 0]])
      case "attributes": customer = customer.setting("attributes", [])
      case "formfields": customer = customer.setting("form_fields", [])
      default: break
      }
    }
    return customer
  }
}

/// How a customer is written.
enum CustomerDocument {
  /// Members that a caller may not set.
  static let locked: Set<String> = [
    "id", "date_created", "date_modified", "address_count", "attribute_count",
  ]

  static func make(_ fields: JSONValue, at now: Timestamp) -> JSONValue {
    let date = JSONValue.string(CalendarText.iso8601(now))
    let template: JSONValue = [
      "id": 0, "email": "", "first_name": "", "last_name": "", "company": "", "phone": "",
      "registration_ip_address": "", "notes": "", "tax_exempt_category": "",
      "customer_group_id": 0, "date_modified": date, "date_created": date, "address_count": 0,
      "attribute_count": 0, "authentication": ["force_password_reset": false],
      "accepts_product_review_abandoned_cart_emails": false, "origin_channel_id": 1,
      "channel_ids": [1],
    ]
    return template.merging(fields.removing(["authentication"]), except: locked)
  }

  static func address(customer: JSONValue, number: Int) -> JSONValue {
    let cities = [
      ("Austin", "Texas", "78701"), ("Portland", "Oregon", "97201"),
      ("Denver", "Colorado", "80202"),
    ]
    let city = cities[number % cities.count]
    return [
      "id": 0, "customer_id": customer["id"] ?? 0, "first_name": customer["first_name"] ?? "",
      "last_name": customer["last_name"] ?? "", "company": "",
      "address1": .string("\(100 + number) Main Street"), "address2": "", "city": .string(city.0),
      "state_or_province": .string(city.1), "postal_code": .string(city.2), "country_code": "US",
      "country": "United States", "phone": "+1 512 555 0101", "address_type": "residential",
    ]
  }
}
