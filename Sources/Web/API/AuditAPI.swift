import Base
import BigCommerce
import HTTPTypes
import Postgres
package import Storage

/// `/v1/audit`: who did what.
package struct AuditAPI: Sendable {
  let trail: AuditTrail

  package init(trail: AuditTrail) {
    self.trail = trail
  }

  package var routes: [APIRoute] {
    [
      // It names all callers and stores, so an operator's ability it is.
      APIRoute(.listAudit) { request throws(Problem) in try await list(request) }
    ]
  }

  private func list(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    var filter = AuditFilter()
    (filter.app, filter.store) = try request.query.tenant(of: request.caller)
    filter.actor = request.query["actor"]
    filter.action = request.query["action"]
    filter.since = try request.query.time("since")
    filter.until = try request.query.time("until")
    guard request.caller.grant.stores == .all || filter.store != nil else {
      throw .grantMissing("This key is for some stores; ask for one of them with store=.")
    }
    // A key for some stores of all apps: the label that grants a store is that of one app.
    if request.caller.grant.stores != .all { filter.app = filter.app ?? .default }
    let limit = try request.query.limit()
    let before = try request.query.after { (text) throws(Problem) in
      try NumberCursor(text, "a").number
    }
    let (acts, rest) = try await stored { [filter] () throws(PostgresError) in
      try await trail.read(before: before, filter, limit: limit)
    }
    return .page(
      acts.map(\.document), next: rest.map { NumberCursor(number: $0, "a").text })
  }
}

extension AuditRecord {
  fileprivate var document: JSONValue {
    func text(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }
    return [
      "id": .string(String(id)), "at": .time(at), "actor": .string(actor),
      "actor_name": text(actorName), "action": .string(action), "app": text(app),
      "store_hash": text(store), "request_id": text(requestID),
      "details": (try? JSONScanner.parse(Array(details.utf8))) ?? .null,
    ]
  }
}
