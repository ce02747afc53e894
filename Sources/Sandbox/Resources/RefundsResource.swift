import Base
import NIOHTTP1

/// `/v3/orders/{id}/payment_actions/refunds`: whole and partial refunds of an order.
enum RefundsResource {
  static let routes: [RouteTree.Route] = [
    .init("GET", "/v3/orders/{id}/payment_actions/refunds") { data, call throws(APIFailure) in
      let order = try find(data, call)["id"]
      return .data(.array(data.refunds.rows.filter { $0["order_id"] == order }))
    },
    .init("POST", "/v3/orders/{id}/payment_actions/refunds", create),
  ]

  private static func create(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let order = try find(data, call)
    let body = try call.object()
    guard let items = body["items"]?.array, !items.isEmpty else {
      throw .invalid("items", "error.path.missing.")
    }
    guard let payments = body["payments"]?.array, !payments.isEmpty else {
      throw .invalid("payments", "error.path.missing.")
    }
    let amount = payments.compactMap { $0["amount"]?.lenientDecimal }.reduce(0, +)
    let total = order["total_inc_tax"]?.lenientDecimal ?? 0
    let refunded = (order["refunded_amount"]?.lenientDecimal ?? 0) + amount
    guard amount > 0, refunded <= total + 0.0001 else {
      throw .invalid("payments", "The amount is not within what is left of the order")
    }
    guard !data.refunds.isFull else { throw .full }
    let refund = data.refunds.insert(document(order, items, payments, amount, body, call))
    data.happened(
      "order", "refund/created", order["id"], channel: order["channel_id"],
      [.init("refund", ["refund_id": refund["id"] ?? .null])])
    let changed = OrdersResource.setting(order, refunded >= total - 0.0001 ? 4 : 14)
      .setting("refunded_amount", .amount(refunded))
      .setting("date_modified", .string(CalendarText.rfc2822(call.now)))
    OrdersResource.replace(order, with: changed, &data)
    return .data(refund, status: .created)
  }

  private static func find(_ data: StoreData, _ call: APICall) throws(APIFailure) -> JSONValue {
    guard let order = data.orders[try call.id()] else { throw .notFound("Order not found") }
    return order
  }

  private static func document(
    _ order: JSONValue, _ items: [JSONValue], _ payments: [JSONValue], _ amount: Double,
    _ body: JSONValue, _ call: APICall
  ) -> JSONValue {
    [
      "id": 0, "order_id": order["id"] ?? 0, "user_id": 0,
      "created": .string(CalendarText.iso8601(call.now)), "reason": body["reason"] ?? "",
      "total_amount": .decimal(amount), "total_tax": 0, "uses_merchant_override_values": false,
      "items": .array(
        items.map { item in
          [
            "item_type": item["item_type"] ?? "ORDER", "item_id": item["item_id"] ?? 0,
            "reason": item["reason"] ?? "", "quantity": item["quantity"] ?? 0,
            "requested_amount": item["amount"] ?? 0,
          ]
        }),
      "payments": .array(
        payments.enumerated().map { number, payment in
          [
            "id": .integer(number + 1), "provider_id": payment["provider_id"] ?? "",
            "amount": payment["amount"] ?? 0, "offline": payment["offline"] ?? false,
            "is_declined": false, "declined_message": "",
          ]
        }),
    ]
  }
}
