import Base
import BigCommerce
import HTTPTypes

/// Who events are pushed to, how that goes, and what could not be pushed.
enum SubscriptionsPages {
  static let path = "/console/events/subscriptions"

  static var routes: [ConsoleRoute] {
    [
      ConsoleRoute(.get, "events/subscriptions", ability: .eventsRead) { request throws(Problem) in
        try await list(request)
      },
      ConsoleRoute(.get, "events/subscriptions/{id}", ability: .eventsRead) {
        request throws(Problem) in try await show(request)
      },
      ConsoleRoute(.get, "events/subscriptions/{id}/{act}", ability: .operator) {
        request throws(Problem) in try await DeadLetterActs.ask(request)
      },
      ConsoleRoute(.post, "events/subscriptions/{id}/{act}", ability: .operator) {
        request throws(Problem) in try await DeadLetterActs.act(request)
      },
    ]
  }

  private static func list(_ request: ConsoleRequest) async throws(Problem) -> ConsoleAnswer {
    let paging = ConsolePaging(request, path: path, filters: [])
    let found = try await request.api.get("/v1/subscriptions", paging.query())
    var values = paging.values(found, "subscription", (found["data"]?.array ?? []).map(row))
    values["tabs"] = EventsPages.tabs("Subscriptions")
    return .page(ConsolePage("subscriptions", title: "Subscriptions", values))
  }

  private static func row(_ subscription: JSONValue) -> PageValues {
    let state = subscription["state"]?.string ?? ""
    let name = subscription["name"]?.string ?? ""
    let dead = subscription["dead"]?.integer ?? 0
    var row: PageValues = [
      "subscriptionLink": "\(path)/\(subscription["id"]?.string ?? "")",
      "subscriptionName": name.isEmpty ? subscription["id"]?.string ?? "" : name,
      "url": subscription["url"]?.string ?? "",
      "types": ConsoleWords.texts(subscription["types"]),
      "stateWord": state,
      "stateTone": state == "active" ? "good" : state == "gone" ? "bad" : "warn",
      "pending": ConsoleWords.count(subscription["pending"]?.integer ?? 0),
      "dead": ConsoleWords.count(dead), "hasDead": dead > 0,
    ]
    if let since = ConsoleWords.moment(subscription["failing_since_at"]) { row["failing"] = since }
    return row
  }

  // MARK: One subscription

  private static func show(_ request: ConsoleRequest) async throws(Problem) -> ConsoleAnswer {
    let id = request.arguments[0]
    let subscription = try await request.api.get("/v1/subscriptions/\(id)")
    let own = "\(path)/\(id)"
    let dead = subscription["dead"]?.integer ?? 0
    let paging = ConsolePaging(request, path: own, filters: ["state"])
    let found = try await request.api.get("/v1/subscriptions/\(id)/deliveries", paging.query())
    let mayAct = request.may(.operator)
    var values = row(subscription)
    let rows = (found["data"]?.array ?? []).map {
      request.linked(push($0, own, mayAct: mayAct))
    }
    values.merge(paging.values(found, "push", rows)) { $1 }
    values["count"] = rows.count == 1 ? "1 push" : "\(rows.count) pushes"
    values["pushStates"] = paging.options("state", ["pending", "delivered", "dead"])
    values["subscriptionID"] = subscription["id"]?.string
    values["subscriptionApp"] = subscription["app"]?.string
    values["stores"] = ConsoleWords.texts(subscription["stores"])
    values["concurrency"] = ConsoleWords.count(subscription["concurrency"]?.integer ?? 0)
    for (name, field) in [
      ("stateSince", "state_changed_at"), ("created", "created_at"),
      ("lastFailed", "last_failed_at"), ("lastSucceeded", "last_succeeded_at"),
      ("pausedUntil", "paused_until_at"),
    ] {
      if let moment = ConsoleWords.moment(subscription[field]) { values[name] = moment }
    }
    if mayAct {
      values["mayAct"] = true
      if dead > 0 { values["deadActs"] = ["ownPath": own] as PageValues }
      let isActive = subscription["state"]?.string == "active"
      values["switch"] =
        [
          "switchLink": own + (isActive ? "/disable" : "/enable"),
          "switchWord": isActive ? "Stop pushing" : "Push again",
        ] as PageValues
    }
    values["tabs"] = EventsPages.tabs("Subscriptions")
    return .page(
      ConsolePage(
        "subscription", title: values["subscriptionName"] as? String ?? "Subscription", values))
  }

  /// An event on its way, with the last that was heard of it.
  private static func push(_ push: JSONValue, _ own: String, mayAct: Bool) -> PageValues {
    let event = push["event"] ?? .null
    let state = push["state"]?.string ?? ""
    let last = push["log"]?.array?.last
    var row = EventsPages.row(event)
    row["pushState"] = state
    row["pushTone"] = state == "delivered" ? "good" : state == "dead" ? "bad" : "warn"
    row["attempts"] = ConsoleWords.count(push["attempts"]?.integer ?? 0)
    row["made"] = ConsoleWords.moment(push["created_at"]) ?? [:] as PageValues
    if let last {
      row["heard"] =
        last["status"]?.integer.map { "HTTP \($0)" } ?? last["failure"]?.string ?? "no answer"
    }
    if state == "pending", let due = ConsoleWords.moment(push["due_at"]) { row["due"] = due }
    if mayAct, state != "pending", let id = event["id"]?.string {
      let query = [("event", id)]
      row["replayLink"] = ConsoleLink.make(own + "/replay", query)
      if state == "dead" { row["discardLink"] = ConsoleLink.make(own + "/discard", query) }
    }
    return row
  }
}
