import Base
import BigCommerce
import HTTPTypes
import Postgres
import Storage
import TestSupport
import Testing

@testable import Web

@Suite struct `The audit trail over the API` {
  private func actions(
    _ routes: APIRoutes, _ query: String, _ caller: APICaller
  ) async throws -> [String] {
    let (route, arguments) = try routes.find(.get, "/v1/audit")
    let answer = try await routes.call(
      route, arguments: arguments, caller: caller, rawQuery: query, body: [],
      requestID: RequestIDSource(seed: 1).next())
    return (answer.body?["data"]?.array ?? []).compactMap { $0["action"]?.string }
  }

  @Test func `a store that a label grants in one app is not shown in another`() async throws {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      let routes = APIRoutes(AuditAPI(trail: AuditTrail(database: database)).routes)
      let abc = try #require(StoreHash("abc"))
      let vip = try #require(StoreLabel("vip"))
      let second = try #require(AppName("second"))
      for app in [AppName.default, second] {
        try await ConsoleAudit(database: database).write(
          Act(actor: "someone", requestID: nil), "in_\(app.text)",
          about: InstallationID(app: app, store: abc), [:])
      }
      func caller(_ stores: Grant.Stores) -> APICaller {
        APICaller(
          keyID: "k",
          grant: Grant(app: nil, stores: stores, scopes: .all, abilities: Abilities([.operator])),
          labels: { $0.app == .default ? [vip] : [] })
      }
      let some = caller(.only([], labels: [vip]))
      #expect(try await actions(routes, "store=abc", some) == ["in_default"])
      #expect(
        try await actions(routes, "store=abc", caller(.all)) == ["in_second", "in_default"])
      await #expect(throws: Problem.self) {
        try await actions(routes, "store=abc&app=second", some)
      }
    }
  }
}
