import Base
import BigCommerce
import Postgres
import Storage
import TestSupport
import Testing

@Suite struct `Stores in an order` {
  /// So many stores of every state, half of them without a required scope, some with broken
  /// webhooks.
  private func withFleet<T: Sendable>(
    _ count: Int, _ body: @Sendable (Database) async throws -> T
  ) async throws -> T {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      try await database.addApp()
      _ = try await database.query(
        Statement(
          """
          INSERT INTO installations (app_id, store_hash, state, generation, sealed_token, token_key_id, scopes,
            source, authorized_at, installed_at, suspended_at)
          SELECT 'default', 's' || number, state, 1, CASE WHEN state <> 'uninstalled' THEN '\\x01'::bytea END,
            CASE WHEN state <> 'uninstalled' THEN 'k1' END,
            CASE WHEN number % 2 = 0 THEN ARRAY['store_v2_products', 'store_v2_orders']
              ELSE ARRAY['store_v2_products'] END,
            'oauth', now(), now() - number * interval '1 second', now()
          FROM generate_series(1, $1::integer) AS number,
            LATERAL (SELECT (ARRAY['active', 'suspended', 'revoked', 'uninstalled'])[number % 4 + 1]) AS s (state)
          """, [count]))
      _ = try await database.query(
        Statement("UPDATE apps SET required_scopes = ARRAY['store_v2_orders_read_only']"))
      return try await body(database)
    }
  }

  @Test(arguments: StoreOrder.Key.allCases, [false, true])
  func `come whole and once, page by page`(
    _ key: StoreOrder.Key, _ isDescending: Bool
  ) async throws {
    try await withFleet(100) { database in
      let listing = StoreListing(database: database)
      let order = StoreOrder(key, isDescending: isDescending)
      var seen: [(record: StoreRecord, place: StorePlace)] = []
      while true {
        let page = try await listing.list(
          StoreFilter(), with: nil, in: order, after: seen.last?.place, limit: 7)
        seen += page
        if page.count < 7 { break }
      }
      #expect(seen.count == 100 && Set(seen.map(\.record.installation)).count == 100)
      let keys = seen.map { "\($0.place.key) \($0.record.installation.store)" }
      #expect(keys == (isDescending ? keys.sorted(by: >) : keys.sorted()))
    }
  }

  @Test func `with a problem are those that have it`() async throws {
    try await withFleet(100) { database in
      let listing = StoreListing(database: database)
      for problem in StoreProblem.allCases {
        let found = try await listing.list(
          StoreFilter(), with: problem, in: StoreOrder(.store), after: nil, limit: 1000
        ).map(\.record)
        switch problem {
        case .revoked: #expect(found.count == 25 && found.allSatisfy { $0.state == .revoked })
        case .drift:
          // Odd ones lack it; those that are uninstalled miss nothing.
          #expect(found.count == 25 && found.allSatisfy { !$0.missingScopes.isEmpty })
        case .webhooks, .health: #expect(found.isEmpty)
        case .any:
          #expect(found.count == 50)
          #expect(found.allSatisfy { $0.state == .revoked || !$0.missingScopes.isEmpty })
        }
      }
    }
  }
}
