import Base
import BigCommerce
import HTTPTypes
import Postgres
package import Storage

/// `/v1/webhooks/repair` and `/v1/webhooks/repairs`: reading from stores what webhooks did not tell.
package struct RepairsAPI: Sendable {
  private let repairs: Repairs

  package init(repairs: Repairs) {
    self.repairs = repairs
  }

  package var routes: [APIRoute] {
    [
      APIRoute(.listRepairs) { request throws(Problem) in try await list(request) },
      APIRoute(.repairWebhooks) { request throws(Problem) in try await repair(request) },
    ]
  }

  private func repair(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let body = try request.object()
    let app = try body.optionalText("app")
    var order = RepairRequest(stores: try request.webhookFilter(app: app))
    if let texts = try body.optionalTexts("stores") {
      try request.narrow(&order.stores, to: texts, app: app)
    }
    if let text = try body.optionalText("since") {
      guard let since = Timestamp(text), since <= WallClock.system.now() else {
        throw .badRequest("The field since is a UTC time of the past such as 2026-01-31T09:30:00Z.")
      }
      order.since = since
    }
    if let words = try body.optionalTexts("resources") {
      let resources = words.compactMap { ComparedResource(rawValue: $0) }
      guard !words.isEmpty, resources.count == words.count else {
        throw .badRequest("The field resources is a list of orders, products, customers.")
      }
      order.resources = resources
    }
    let act = Act(actor: request.caller.keyID, requestID: request.requestID)
    let wanted = order
    let planned = try await stored { () throws(PostgresError) in
      try await repairs.request(wanted, act: act)
    }
    return APIAnswer(
      ["stores": .integer(planned.stores), "repairs": .integer(planned.repairs)], status: 202)
  }

  private func list(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let limit = try request.query.limit()
    var filter = try request.webhookFilter(app: request.query["app"])
    filter.stores = try request.query.store().map { [$0] }
    let state = try request.query.word("state", RepairState.self)
    let after = try request.query.after(RepairPlace.init(cursor:))
    let whole = filter
    let counts = try await stored { () throws(PostgresError) in try await repairs.counts(whole) }
    let found = try await stored { () throws(PostgresError) in
      try await repairs.list(whole, state: state, after: after, limit: limit + 1)
    }
    let page = found.prefix(limit)
    return APIAnswer([
      "data": .array(page.map(\.document)),
      "next": found.count <= limit ? .null : page.last.map { .string($0.cursor) } ?? .null,
      "counts": .object(
        RepairState.allCases.map { .init($0.rawValue, .integer(counts[$0] ?? 0)) }),
    ])
  }
}

extension RepairPlace {
  /// A store's cursor, a point, and the resource.
  fileprivate init(cursor: String) throws(Problem) {
    let parts = cursor.split(separator: ".")
    guard parts.count == 2, let resource = ComparedResource(rawValue: String(parts[1])) else {
      throw .badRequest("The query parameter after takes the next of the previous answer.")
    }
    self.init(installation: try StoreCursor(String(parts[0])).installation, resource: resource)
  }
}

extension RepairRecord {
  fileprivate var cursor: String { "\(StoreCursor(installation).text).\(resource.rawValue)" }

  fileprivate var document: JSONValue {
    [
      "store_hash": .string(installation.store.text), "app": .string(installation.app.text),
      "resource": .string(resource.rawValue), "state": .string(state.rawValue),
      "reason": .string(reason.rawValue), "failure": failure.map { .string($0) } ?? .null,
      "since_at": .time(since), "compared_from_at": .time(compareFrom),
      "compared": .integer(compared), "events": .integer(emitted),
      "planned_at": .time(plannedAt), "next_step_at": .time(nextStepAt),
      "finished_at": .time(finishedAt),
    ]
  }
}
