import Base
import BigCommerce
import HTTPTypes

/// The log of what BigCommerce delivered, and what became of it.
enum DeliveriesPages {
  static let path = "/console/events/deliveries"

  static var routes: [ConsoleRoute] {
    [
      ConsoleRoute(.get, "events/deliveries", ability: .eventsRead) { request throws(Problem) in
        try await list(request)
      },
      ConsoleRoute(.get, "events/deliveries/{id}", ability: .eventsRead) {
        request throws(Problem) in try await show(request)
      },
      ConsoleRoute(.get, "events/deliveries/{id}/replay", ability: .operator) {
        request throws(Problem) in try await ask(request)
      },
      ConsoleRoute(.post, "events/deliveries/{id}/replay", ability: .operator) {
        request throws(Problem) in try await replay(request)
      },
    ]
  }

  private static func list(_ request: ConsoleRequest) async throws(Problem) -> ConsoleAnswer {
    let paging = ConsolePaging(
      request, path: path,
      filters: ["scope", "store", "app", "status", "signature", "since", "until"])
    let found = try await request.api.get("/v1/deliveries", paging.query())
    let rows = (found["data"]?.array ?? []).map { request.linked(row($0)) }
    var values = paging.values(found, "delivery", rows)
    values["count"] = words(found["data"]?.array?.count ?? 0)
    values["statuses"] = paging.options("status", ["event", "quarantined"])
    values["signatures"] = paging.options("signature", ["valid", "absent", "invalid", "off"])
    values["tabs"] = EventsPages.tabs("Deliveries")
    return .page(ConsolePage("deliveries", title: "Deliveries", values))
  }

  private static func words(_ count: Int) -> String {
    count == 1 ? "1 delivery" : "\(ConsoleWords.count(Int64(count))) deliveries"
  }

  private static func row(_ delivery: JSONValue) -> PageValues {
    let signature = delivery["signature"]?.string ?? ""
    var row: PageValues = [
      "deliveryLink": "\(path)/\(delivery["id"]?.string ?? "")",
      "scope": delivery["scope"]?.string ?? "unknown",
      "rowStore": delivery["store_hash"]?.string ?? "", "rowApp": delivery["app"]?.string ?? "",
      "signatureWord": signature, "signatureTone": tone(signature),
      "received": ConsoleWords.moment(delivery["received_at"]) ?? [:] as PageValues,
    ]
    if let reason = delivery["quarantine"]?.string { row["quarantine"] = reason }
    if let event = delivery["event_id"]?.string { row["eventLink"] = "/console/events/\(event)" }
    if let repeats = delivery["repeats"]?.integer, repeats > 0 {
      row["repeats"] = ConsoleWords.count(repeats)
    }
    return row
  }

  /// A badge's tone for the outcome of the check.
  private static func tone(_ signature: String) -> String {
    switch signature.prefix(while: { $0 != ":" }) {
    case "valid": "good"
    case "off", "absent": ""
    default: "bad"
    }
  }

  // MARK: One delivery

  private static func show(_ request: ConsoleRequest) async throws(Problem) -> ConsoleAnswer {
    let delivery = try await find(request)
    var values = request.linked(row(delivery))
    let id = delivery["id"]?.string ?? ""
    values["deliveryID"] = id
    values["webhookID"] = delivery["webhook_id"]?.string
    values["eventID"] = delivery["event_id"]?.string
    values["deliveryRequestID"] = delivery["request_id"]?.string
    values["bytes"] = ConsoleWords.count(delivery["bytes"]?.integer ?? 0)
    if let body = delivery["body"]?.string {
      values["body"] = ConsoleJSON.text(ofBody: body)
    } else {
      values["body"] = delivery["body_base64"]?.string ?? ""
      values["isBase64"] = true
    }
    values["tabs"] = EventsPages.tabs("Deliveries")
    if request.may(.operator) { values["replayLink"] = "\(path)/\(id)/replay" }
    return .page(ConsolePage("delivery", title: "Delivery \(id)", values))
  }

  /// The delivery that the path names, as the API tells of it.
  private static func find(_ request: ConsoleRequest) async throws(Problem) -> JSONValue {
    try await request.api.get("/v1/deliveries/\(request.arguments[0])")
  }

  private static func ask(_ request: ConsoleRequest) async throws(Problem) -> ConsoleAnswer {
    let delivery = try await find(request)
    let id = delivery["id"]?.string ?? ""
    return ConsoleQuestion(
      title: "Make an event of delivery \(id)?",
      text:
        "A new event of store \(delivery["store_hash"]?.string ?? "") goes into the feed and to the subscriptions that want it, "
        + (delivery["event_id"]?.string == nil
          ? "though the delivery was quarantined." : "beside the one that was made of it before."),
      action: "\(path)/\(id)/replay", button: "Make the event", back: "\(path)/\(id)"
    ).answer
  }

  private static func replay(_ request: ConsoleRequest) async throws(Problem) -> ConsoleAnswer {
    let delivery = try await find(request)
    let id = delivery["id"]?.string ?? ""
    try await request.record("delivery_replay", [.init("delivery_id", .string(id))])
    let made = try await request.api.call(.post, "/v1/deliveries/\(id)/replay")
    return .redirect(
      "\(path)/\(id)",
      ConsoleNotice(
        .good, "Event \(made?["event_id"]?.string ?? "") is on its way into the feed."))
  }
}
