import Base
import NIOHTTP1

/// `/v2/orders` and `/v2/order_statuses`.
enum OrdersResource {
  static let routes: [RouteTree.Route] = [
    .init("GET", "/v2/orders", list), .init("POST", "/v2/orders", create),
    .init("GET", "/v2/orders/count", count), .init("GET", "/v2/orders/{id}", show),
    .init("PUT", "/v2/orders/{id}", update), .init("DELETE", "/v2/orders/{id}", archive),
    .init("GET", "/v2/order_statuses") { _, _ in .list(OrderStatus.all.map(\.document)) },
    .init("GET", "/v2/order_statuses/{id}") { _, call throws(APIFailure) in
      let id = try call.id()
      guard let status = OrderStatus.all.first(where: { $0.id == id }) else { throw .noRoute }
      return .bare(status.document)
    },
  ]

  private static let filter = Filter(fields: [
    "customer_id", "status_id", "cart_id", "payment_method", "channel_id", "external_order_id",
  ])

  private static func list(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let showsDeleted = call.query["is_deleted"] == "true"
    var rows = data.orders.rows.filter { ($0["is_deleted"]?.bool ?? false) == showsDeleted }
    if let email = call.query["email"] {
      rows = rows.filter { $0["billing_address"]?["email"]?.string == email }
    }
    rows = between(rows, call.query, "id", "min_id", "max_id") { $0["id"]?.lenientDecimal }
    rows = between(rows, call.query, "total", "min_total", "max_total") {
      $0["total_inc_tax"]?.lenientDecimal
    }
    for field in ["date_created", "date_modified"] {
      rows = between(rows, call.query, field, "min_\(field)", "max_\(field)") { order in
        order[field]?.string.flatMap(CalendarText.parseHTTPDate).map { Double($0.seconds) }
      }
    }
    rows = sorted(try filter.apply(call.query, to: rows), call.query["sort"])
    let items = Page(of: rows, window: try call.window()).items
    let newest = items.compactMap(modified).max()
    if let since = call.ifModifiedSince, let newest, newest <= since { return .notModified }
    let answer = APIAnswer.list(items.map { OrderDocument.linked($0, call) })
    return newest.map { answer.modified($0) } ?? answer
  }

  private static func show(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let order = try find(data, call)
    guard let modified = modified(order) else { return .bare(OrderDocument.linked(order, call)) }
    if let since = call.ifModifiedSince, modified <= since { return .notModified }
    return .bare(OrderDocument.linked(order, call)).modified(modified)
  }

  private static func count(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let orders = data.orders.rows.filter { $0["is_deleted"]?.bool != true }
    let statuses: [JSONValue] = OrderStatus.all.map { status in
      status.document
        .setting(
          "count", .integer(orders.count { $0["status_id"]?.integer == status.id })
        )
        .setting("sort_order", .integer(status.id))
    }
    return .bare(["statuses": .array(statuses), "count": .integer(orders.count)])
  }

  private static func create(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let body = try call.object()
    guard let billing = body["billing_address"], billing.members != nil else {
      throw .invalidV2Field("billing_address")
    }
    guard let wanted = body["products"]?.array, !wanted.isEmpty else {
      throw .invalidV2Field("products")
    }
    try checkStatus(body)
    var lines: [OrderLine] = []
    for item in wanted { lines.append(try OrderLine(reading: item, data)) }
    guard !data.orders.isFull, !data.orderProducts.isFull else { throw .full }
    let order = OrderDocument.insert(
      lines: lines, billing: billing, fields: body, into: &data, at: call.now)
    data.happened("order", "created", order["id"], channel: order["channel_id"])
    var answer = APIAnswer.bare(OrderDocument.linked(order, call), status: .created)
    answer.headers.add(
      name: "location",
      value: "\(call.origin)/stores/\(call.store)/v2/orders/\(order["id"]?.text ?? "")")
    return answer
  }

  private static func update(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let order = try find(data, call)
    let body = try call.object()
    try checkStatus(body)
    var changed = order.merging(body, except: OrderDocument.locked)
    if let status = body["status_id"]?.lenientInteger { changed = setting(changed, status) }
    changed = changed.setting("date_modified", .string(CalendarText.rfc2822(call.now)))
    replace(order, with: changed, &data)
    return .bare(OrderDocument.linked(changed, call))
  }

  private static func archive(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let order = try find(data, call)
    data.orders.replace(try call.id(), with: order.setting("is_deleted", true))
    data.happened("order", "archived", order["id"], channel: order["channel_id"])
    return .noContent
  }

  /// Puts a changed order in the place of the earlier one, which is an event or two.
  static func replace(_ order: JSONValue, with changed: JSONValue, _ data: inout StoreData) {
    guard let id = order["id"]?.integer else { return }
    data.orders.replace(id, with: changed)
    data.happened("order", "updated", order["id"], channel: order["channel_id"])
    guard changed["status_id"] != order["status_id"] else { return }
    data.happened(
      "order", "statusUpdated", order["id"], channel: order["channel_id"],
      [
        .init(
          "status",
          [
            "previous_status_id": order["status_id"] ?? .null,
            "new_status_id": changed["status_id"] ?? .null,
          ])
      ])
  }

  static func find(_ data: StoreData, _ call: APICall) throws(APIFailure) -> JSONValue {
    guard let order = data.orders[try call.id()] else { throw .noRoute }
    return order
  }

  /// The order in another status, by number and name.
  static func setting(_ order: JSONValue, _ status: Int64) -> JSONValue {
    order.setting("status_id", .integer(status))
      .setting("status", .string(OrderStatus.name(status)))
  }

  private static func checkStatus(_ body: JSONValue) throws(APIFailure) {
    guard let status = body["status_id"] else { return }
    guard let id = status.lenientInteger, OrderStatus.all.contains(where: { $0.id == id }) else {
      throw .invalidV2Field("status_id", "unknown status")
    }
  }

  private static func modified(_ order: JSONValue) -> Timestamp? {
    order["date_modified"]?.string.flatMap(CalendarText.parseHTTPDate)
  }

  /// Keeps what lies between two query parameters, numbers or dates.
  private static func between(
    _ rows: [JSONValue], _ query: Query, _ field: String, _ low: String, _ high: String,
    value: (JSONValue) -> Double?
  ) -> [JSONValue] {
    func bound(_ name: String) -> Double? {
      query[name].flatMap { text in
        Double(text) ?? CalendarText.parse(text).map { Double($0.seconds) }
      }
    }
    let least = bound(low)
    let most = bound(high)
    guard least != nil || most != nil else { return rows }
    return rows.filter { row in
      guard let value = value(row) else { return false }
      return value >= least ?? -.infinity && value <= most ?? .infinity
    }
  }

  /// `id`, `date_created:desc` and the like.
  private static func sorted(_ rows: [JSONValue], _ order: String?) -> [JSONValue] {
    guard let order else { return rows }
    let parts = order.split(separator: ":")
    guard let field = parts.first.map(String.init) else { return rows }
    let descending = parts.dropFirst().first == "desc"
    func key(_ row: JSONValue) -> Double {
      row[field]?.lenientDecimal
        ?? row[field]?.string.flatMap(CalendarText.parseHTTPDate).map { Double($0.seconds) } ?? 0
    }
    return rows.sorted { descending ? key($0) > key($1) : key($0) < key($1) }
  }
}

/// The states of an order.
struct OrderStatus: Sendable {
  let id: Int64
  let name: String
  let meaning: String

  static let all: [OrderStatus] = [
    (0, "Incomplete", "The shopper did not finish the payment."),
    (1, "Pending", "The shopper has not paid yet."),
    (2, "Shipped", "All items are on their way."),
    (3, "Partially Shipped", "Some items are on their way."),
    (4, "Refunded", "The whole amount was returned."),
    (5, "Cancelled", "The order was cancelled."),
    (6, "Declined", "The seller declined the order."),
    (7, "Awaiting Payment", "The shopper pays later."),
    (8, "Awaiting Pickup", "The order waits for the shopper."),
    (9, "Awaiting Shipment", "The order is packed."),
    (10, "Completed", "The order has arrived."),
    (11, "Awaiting Fulfillment", "The payment is confirmed."),
    (12, "Manual Verification Required", "Someone must look at the order."),
    (13, "Disputed", "The shopper disputes the payment."),
    (14, "Partially Refunded", "Part of the amount was returned."),
  ].map { OrderStatus(id: $0.0, name: $0.1, meaning: $0.2) }

  static func name(_ id: Int64) -> String { all.first { $0.id == id }?.name ?? "" }

  var document: JSONValue {
    [
      "id": .integer(id), "name": .string(name), "system_label": .string(name),
      "custom_label": .string(name), "system_description": .string(meaning),
    ]
  }
}
