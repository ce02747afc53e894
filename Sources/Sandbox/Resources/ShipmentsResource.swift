import Base
import NIOHTTP1

/// `/v2/orders/{id}/shipments`.
enum ShipmentsResource {
  static let routes: [RouteTree.Route] = [
    .init("GET", "/v2/orders/{id}/shipments", list),
    .init("POST", "/v2/orders/{id}/shipments", create),
    .init("GET", "/v2/orders/{id}/shipments/count") { data, call throws(APIFailure) in
      let order = try OrdersResource.find(data, call)
      return .bare(["count": .integer(of(order, data).count)])
    },
    .init("GET", "/v2/orders/{id}/shipments/{shipment}") { data, call throws(APIFailure) in
      .bare(try find(data, call))
    },
    .init("PUT", "/v2/orders/{id}/shipments/{shipment}", update),
    .init("DELETE", "/v2/orders/{id}/shipments/{shipment}", delete),
  ]

  private static let changeable: Set<String> = [
    "tracking_number", "shipping_method", "shipping_provider", "tracking_carrier", "comments",
    "tracking_link",
  ]

  private static func of(_ order: JSONValue, _ data: StoreData) -> [JSONValue] {
    data.shipments.rows.filter { $0["order_id"] == order["id"] }
  }

  private static func list(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let rows = of(try OrdersResource.find(data, call), data)
    return .list(Page(of: rows, window: try call.window()).items)
  }

  private static func create(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let order = try OrdersResource.find(data, call)
    let body = try call.object()
    guard body["order_address_id"]?.lenientInteger == order["id"]?.integer else {
      throw .invalidV2Field("order_address_id", "unknown address")
    }
    guard let items = body["items"]?.array, !items.isEmpty else { throw .invalidV2Field("items") }
    var shipped: [JSONValue] = []
    for item in items { shipped.append(try take(item, from: order, &data)) }
    guard !data.shipments.isFull else { throw .full }
    let shipment = data.shipments.insert(
      document(order, items: shipped, at: call.now).merging(body.keeping(changeable)))
    happened("created", shipment, &data)
    settle(&data, order: order, at: call.now)
    var answer = APIAnswer.bare(shipment, status: .created)
    let path = "/stores/\(call.store)/v2/orders/\(order["id"]?.text ?? "")/shipments/"
    answer.headers.add(
      name: "location", value: call.origin + path + (shipment["id"]?.text ?? ""))
    return answer
  }

  /// Counts goods as shipped; more than are left cannot be.
  private static func take(
    _ item: JSONValue, from order: JSONValue, _ data: inout StoreData
  ) throws(APIFailure) -> JSONValue {
    guard let id = item["order_product_id"]?.lenientInteger, let line = data.orderProducts[id],
      line["order_id"] == order["id"]
    else { throw .invalidV2Field("order_product_id", "unknown product of the order") }
    let left =
      (line["quantity"]?.integer ?? 0) - (line["quantity_shipped"]?.lenientInteger ?? 0)
    guard let quantity = item["quantity"]?.lenientInteger, quantity > 0, quantity <= left else {
      throw .invalidV2Field("quantity", "\(left) are left to ship")
    }
    let shipped = (line["quantity_shipped"]?.lenientInteger ?? 0) + quantity
    data.orderProducts.replace(id, with: line.setting("quantity_shipped", .integer(shipped)))
    return [
      "order_product_id": .integer(id), "product_id": line["product_id"] ?? 0,
      "quantity": .integer(quantity),
    ]
  }

  /// Brings the order's counts and status in line with what is shipped.
  private static func settle(_ data: inout StoreData, order: JSONValue, at now: Timestamp) {
    let shipped = OrderPartsResource.lines(data, of: order)
      .compactMap { $0["quantity_shipped"]?.lenientInteger }.reduce(0, +)
    let total = order["items_total"]?.integer ?? 0
    var changed = order.setting("items_shipped", .integer(shipped))
      .setting("date_modified", .string(CalendarText.rfc2822(now)))
    if shipped > 0 { changed = OrdersResource.setting(changed, shipped >= total ? 2 : 3) }
    if shipped >= total {
      changed = changed.setting("date_shipped", .string(CalendarText.rfc2822(now)))
    }
    OrdersResource.replace(order, with: changed, &data)
  }

  private static func happened(_ what: String, _ shipment: JSONValue, _ data: inout StoreData) {
    data.happened(
      "shipment", what, shipment["id"], [.init("orderId", shipment["order_id"] ?? .null)])
  }

  private static func update(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let shipment = try find(data, call)
    let changed = shipment.merging(try call.object().keeping(changeable))
    data.shipments.replace(try call.id(1), with: changed)
    happened("updated", changed, &data)
    return .bare(changed)
  }

  private static func delete(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let shipment = try find(data, call)
    data.shipments.remove(try call.id(1))
    happened("deleted", shipment, &data)
    for item in shipment["items"]?.array ?? [] {
      guard let id = item["order_product_id"]?.integer, let line = data.orderProducts[id] else {
        continue
      }
      let shipped =
        (line["quantity_shipped"]?.lenientInteger ?? 0) - (item["quantity"]?.integer ?? 0)
      data.orderProducts.replace(
        id, with: line.setting("quantity_shipped", .integer(max(0, shipped))))
    }
    settle(&data, order: try OrdersResource.find(data, call), at: call.now)
    return .noContent
  }

  private static func find(_ data: StoreData, _ call: APICall) throws(APIFailure) -> JSONValue {
    let order = try OrdersResource.find(data, call)
    guard let shipment = data.shipments[try call.id(1)], shipment["order_id"] == order["id"] else {
      throw .noRoute
    }
    return shipment
  }

  private static func document(
    _ order: JSONValue, items: [JSONValue], at now: Timestamp
  ) -> JSONValue {
    let billing = (order["billing_address"] ?? [:]).removing(["form_fields"])
    return [
      "id": 0, "order_id": order["id"] ?? 0, "customer_id": order["customer_id"] ?? 0,
      "order_address_id": order["id"] ?? 0, "date_created": .string(CalendarText.rfc2822(now)),
      "tracking_number": "", "merchant_shipping_cost": .amount(0), "shipping_method": "Flat Rate",
      "comments": "", "shipping_provider": "", "tracking_carrier": "", "tracking_link": "",
      "shipping_provider_display_name": "", "generated_tracking_link": "",
      "billing_address": billing, "shipping_address": billing, "items": .array(items),
    ]
  }
}
