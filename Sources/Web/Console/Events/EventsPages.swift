import Base
import BigCommerce
import HTTPTypes

/// What happened: events, the deliveries they came from, and where they are pushed.
enum EventsPages {
  static let section = ConsoleSection(
    title: "Events", path: "events", ability: .eventsRead,
    routes: DeliveriesPages.routes + SubscriptionsPages.routes + [
      ConsoleRoute(.get, "events", ability: .eventsRead) { request throws(Problem) in
        try await list(request)
      },
      ConsoleRoute(.get, "events/{id}", ability: .eventsRead) { request throws(Problem) in
        try await show(request)
      },
      ConsoleRoute(.get, "events/{id}/replay", ability: .operator) { request throws(Problem) in
        try await ask(request)
      },
      ConsoleRoute(.post, "events/{id}/replay", ability: .operator) { request throws(Problem) in
        try await replay(request)
      },
    ])

  /// The parts of the section, of which one is open.
  static func tabs(_ chosen: String) -> [PageValues] {
    [("Events", ""), ("Deliveries", "/deliveries"), ("Subscriptions", "/subscriptions")]
      .map { name, path in
        ["tab": name, "tabLink": "/console/events" + path, "isChosen": name == chosen]
      }
  }

  private static func list(_ request: ConsoleRequest) async throws(Problem) -> ConsoleAnswer {
    let paging = ConsolePaging(
      request, path: "/console/events", filters: ["type", "store", "app", "since", "until"])
    let found = try await request.api.get("/v1/events/newest", paging.query())
    let rows = (found["data"]?.array ?? []).map { request.linked(row($0)) }
    var values = paging.values(found, "event", rows)
    values["tabs"] = tabs("Events")
    return .page(ConsolePage("events", title: "Events", values))
  }

  /// An event in a list.
  static func row(_ event: JSONValue) -> PageValues {
    let id = event["id"]?.string ?? ""
    var row: PageValues = [
      "eventLink": "/console/events/\(id)", "type": event["type"]?.string ?? "",
      "rowApp": event["app"]?.string ?? "", "origin": event["origin"]?.string ?? "",
      "occurred": ConsoleWords.moment(event["occurred_at"]) ?? [:] as PageValues,
    ]
    if let store = event["store_hash"]?.string { row["rowStore"] = store }
    if event["synthetic"]?.string != nil { row["isSynthetic"] = true }
    return row
  }

  // MARK: One event

  private static func show(_ request: ConsoleRequest) async throws(Problem) -> ConsoleAnswer {
    let event = try await request.api.get("/v1/events/\(request.arguments[0])")
    var values = request.linked(row(event))
    let id = event["id"]?.string ?? ""
    values["eventID"] = id
    values["recorded"] = ConsoleWords.moment(event["recorded_at"]) ?? [:] as PageValues
    values["synthetic"] = event["synthetic"]?.string
    values["body"] = ConsoleJSON.text(event["data"] ?? .null)
    values["tabs"] = tabs("Events")
    if request.may(.operator) { values["replayLink"] = "/console/events/\(id)/replay" }
    return .page(ConsolePage("event", title: event["type"]?.string ?? "Event", values))
  }

  private static func ask(_ request: ConsoleRequest) async throws(Problem) -> ConsoleAnswer {
    let event = try await request.api.get("/v1/events/\(request.arguments[0])")
    let id = event["id"]?.string ?? ""
    let would = try await request.api.call(
      .post, "/v1/events/replay", body: body(id, isDryRun: true))
    let targets = would?["subscriptions"]?.array ?? []
    let urls = targets.compactMap { $0["url"]?.string }
    guard !urls.isEmpty else {
      return .redirect(
        "/console/events/\(id)",
        ConsoleNotice(.bad, "No active subscription wants this event. Nothing was pushed."))
    }
    return ConsoleQuestion(
      title: "Push this event once more?",
      text:
        "\(event["type"]?.string ?? "It") goes to \(ConsoleWords.count(urls.count, "subscription")): "
        + urls.prefix(5).joined(separator: ", ") + (urls.count > 5 ? " and more." : "."),
      action: "/console/events/\(id)/replay", button: "Push it", back: "/console/events/\(id)"
    ).answer
  }

  private static func replay(_ request: ConsoleRequest) async throws(Problem) -> ConsoleAnswer {
    let event = try await request.api.get("/v1/events/\(request.arguments[0])")
    let id = event["id"]?.string ?? ""
    try await request.record("event_replay", [.init("event_id", .string(id))])
    let done = try await request.api.call(
      .post, "/v1/events/replay", body: body(id, isDryRun: false))
    let count = done?["replayed"]?.integer ?? 0
    return .redirect(
      "/console/events/\(id)",
      ConsoleNotice(
        .good, "Put in the queue of \(ConsoleWords.count(Int(count), "subscription")) once more."))
  }

  private static func body(_ id: String, isDryRun: Bool) -> [UInt8] {
    (["event_ids": [.string(id)], "dry_run": .bool(isDryRun)] as JSONValue).encoded()
  }
}
