import Base

/// What belongs to one order: `/v2/orders/{id}/products`, `…/shipping_addresses`, `…/coupons`.
enum OrderPartsResource {
  static let routes: [RouteTree.Route] = [
    .init("GET", "/v2/orders/{id}/products", listProducts),
    .init("GET", "/v2/orders/{id}/products/{product}", showProduct),
    .init("GET", "/v2/orders/{id}/shipping_addresses") { data, call throws(APIFailure) in
      .list([shippingAddress(try OrdersResource.find(data, call), data)])
    },
    .init("GET", "/v2/orders/{id}/shipping_addresses/{address}") {
      data, call throws(APIFailure) in
      let order = try OrdersResource.find(data, call)
      guard order["id"]?.integer == (try call.id(1)) else { throw .noRoute }
      return .bare(shippingAddress(order, data))
    },
    .init("GET", "/v2/orders/{id}/coupons") { data, call throws(APIFailure) in
      _ = try OrdersResource.find(data, call)
      return .noContent
    },
  ]

  static func lines(_ data: StoreData, of order: JSONValue) -> [JSONValue] {
    data.orderProducts.rows.filter { $0["order_id"] == order["id"] }
  }

  private static func listProducts(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let rows = lines(data, of: try OrdersResource.find(data, call))
    return .list(Page(of: rows, window: try call.window()).items)
  }

  private static func showProduct(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let order = try OrdersResource.find(data, call)
    guard let line = data.orderProducts[try call.id(1)], line["order_id"] == order["id"] else {
      throw .noRoute
    }
    return .bare(line)
  }

  /// The one address that goods go to; it has the order's number.
  static func shippingAddress(_ order: JSONValue, _ data: StoreData) -> JSONValue {
    let zero = JSONValue.amount(0)
    let id = order["id"] ?? 0
    var address = (order["billing_address"] ?? [:]).setting("id", id).setting("order_id", id)
      .setting("items_total", order["items_total"] ?? 0)
      .setting("items_shipped", order["items_shipped"] ?? 0)
      .setting("shipping_method", "Flat Rate").setting("shipping_zone_id", 1)
      .setting("shipping_zone_name", "United States")
    for name in [
      "base_cost", "cost_ex_tax", "cost_inc_tax", "cost_tax", "base_handling_cost",
      "handling_cost_ex_tax", "handling_cost_inc_tax", "handling_cost_tax",
    ] {
      address = address.setting(name, zero)
    }
    return address.setting("cost_tax_class_id", 0).setting("handling_cost_tax_class_id", 0)
  }
}
