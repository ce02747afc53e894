import Base
import BigCommerce
import Events
import HTTPTypes
import Postgres
import Storage
import Synchronization
import TestSupport
import Testing
import Vault

@testable import Web

@Suite struct `Plans of webhooks over the API` {
  /// How many looks are under way, and the most that were.
  private final class Looks: Sendable {
    private let state = Mutex((now: 0, most: 0))
    var most: Int { state.withLock { $0.most } }

    func change(_ by: Int) {
      state.withLock { state in
        state.now += by
        state.most = max(state.most, state.now)
      }
    }
  }

  @Test func `a fleet is planned page by page, a few stores at a time`() async throws {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      try await database.addApp()
      for number in 0..<130 {
        try await database.addInstallation("s\(1000 + number)", sealedToken: [1])
      }
      let keyring = try Keyring(parsing: Keyring.makeEntry(try #require(KeyID("k1"))))
      let looks = Looks()
      let routes = APIRoutes(
        WebhooksAPI(
          states: WebhookStates(database: database),
          addresses: WebhookAddresses(database: database, keyring: keyring)
        ) { _ in
          looks.change(1)
          await Task.yield()
          looks.change(-1)
          return .failure(.quota)
        }.routes)
      func page(_ query: String) async throws -> JSONValue {
        let (route, arguments) = try routes.find(.post, "/v1/webhooks/plan")
        let grant = Grant(
          app: .default, stores: .all, scopes: .all, abilities: Abilities([.storesRead]))
        let answer = try await routes.call(
          route, arguments: arguments, caller: APICaller(keyID: "key1", grant: grant),
          rawQuery: query, body: [], requestID: try #require(RequestID("request-1")))
        return try #require(answer.body)
      }
      let first = try await page("limit=1000")
      let next = try #require(first["next"]?.string)
      let second = try await page("limit=1000&after=\(next)")
      #expect(second["next"] == .null)
      let rows = [first, second].flatMap { $0["data"]?.array ?? [] }
      #expect(first["data"]?.array?.count == 100)
      #expect(rows.compactMap { $0["store_hash"]?.string } == (0..<130).map { "s\(1000 + $0)" })
      #expect(rows.allSatisfy { $0["failure"] == "quota" && $0["in_step"] == false })
      #expect((1...8).contains(looks.most))
    }
  }
}
