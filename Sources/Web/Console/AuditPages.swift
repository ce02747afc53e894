import Base
import BigCommerce
import HTTPTypes

/// Who did what.
enum AuditPages {
  static let section = ConsoleSection(
    title: "Audit", path: "audit", ability: .operator,
    routes: [
      ConsoleRoute(.get, "audit", ability: .operator) { request throws(Problem) in
        try await list(request)
      }
    ])

  private static let filters = ["actor", "action", "store", "app", "since", "until"]

  private static func list(_ request: ConsoleRequest) async throws(Problem) -> ConsoleAnswer {
    let paging = ConsolePaging(request, path: "/console/audit", filters: filters)
    let found = try await request.api.get("/v1/audit", paging.query())
    let rows = (found["data"]?.array ?? []).map { request.linked(row($0)) }
    return .page(ConsolePage("audit", title: "Audit", paging.values(found, "act", rows)))
  }

  private static func row(_ act: JSONValue) -> PageValues {
    let actor = act["actor"]?.string ?? ""
    let action = act["action"]?.string ?? ""
    var row: PageValues = [
      "at": ConsoleWords.moment(act["at"]) ?? [:] as PageValues, "actor": actor,
      "actorName": act["actor_name"]?.string ?? actor, "action": action,
      "actionLink": ConsoleLink.make("/console/audit", [("action", action)]),
      "actorLink": ConsoleLink.make("/console/audit", [("actor", actor)]),
    ]
    if let store = act["store_hash"]?.string { row["rowStore"] = store }
    if let app = act["app"]?.string { row["rowApp"] = app }
    if let id = act["request_id"]?.string { row["actRequestID"] = id }
    if let user = act["details"]?["user"]?.string { row["actUser"] = user }
    if let details = act["details"], details != .null, details != .object([]) {
      row["details"] = ConsoleJSON.text(details)
    }
    return row
  }
}
