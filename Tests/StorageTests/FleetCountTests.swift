import Base
import BigCommerce
import Postgres
import Storage
import TestSupport
import Testing

@Suite struct `The fleet in numbers` {
  private static let second = AppName("second") ?? .default

  private func with<T: Sendable>(
    _ body: @Sendable (Database, FleetCount) async throws -> T
  ) async throws -> T {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      for app in ["default", "second"] { try await database.addApp(app) }
      for (store, state) in [
        ("a", "active"), ("b", "active"), ("c", "suspended"), ("d", "revoked"),
      ] { try await database.addInstallation(store, state: state, sealedToken: [1]) }
      try await database.addInstallation("e", sealedToken: nil)
      try await database.addInstallation("a", app: "second", state: "revoked", sealedToken: [1])
      _ = try await database.query(
        Statement(
          "UPDATE installations SET labels = '{vip}' WHERE app_id = 'default' AND store_hash IN ('b', 'd')"
        ))
      return try await body(database, FleetCount(database: database))
    }
  }

  @Test func `counts stores by app and state, those of the apps that are asked for`() async throws {
    try await with { _, count in
      let all = try await count.states(of: [.default, Self.second], among: .all)
      #expect(
        all == [
          .default: [.active: 2, .suspended: 1, .revoked: 1, .uninstalled: 1],
          Self.second: [.revoked: 1],
        ])
      #expect(
        try await count.states(of: [Self.second], among: .all) == [Self.second: [.revoked: 1]])
      #expect(try await count.states(of: [], among: .all).isEmpty)
    }
  }

  @Test func `counts no other store than the grant holds, by name or label`() async throws {
    try await with { _, count in
      let hash = try #require(StoreHash("a"))
      let label = try #require(StoreLabel("vip"))
      let named = try await count.states(of: [.default], among: .only([hash]))
      #expect(named == [.default: [.active: 1]])
      let both = try await count.states(of: [.default], among: .only([hash], labels: [label]))
      #expect(both == [.default: [.active: 2, .revoked: 1]])
      #expect(try await count.states(of: [.default], among: .only([])).isEmpty)
    }
  }

  @Test func `counts all stores from the index of states alone`() async throws {
    try await with { database, count in
      _ = try await database.query(
        Statement(
          """
          INSERT INTO installations (app_id, store_hash, state, generation, sealed_token, token_key_id, scopes, source, authorized_at)
          SELECT 'default', 's' || n, 'active', 1, '\\x01', 'k1', '{}', 'oauth', now() FROM generate_series(1, 5000) AS n
          """))
      let all = try await count.states(of: [.default], among: .all)
      #expect(all[.default]?[.active] == 5002)
      _ = try await database.query(Statement("VACUUM ANALYZE installations"))
      let plan = try await database.query(
        Statement(
          """
          EXPLAIN SELECT app_id, state, count(*) AS number FROM installations
          WHERE app_id = ANY (ARRAY['default']) GROUP BY app_id, state
          """)
      ).rows.map { try $0.decode("QUERY PLAN", as: String.self) }.joined(separator: "\n")
      #expect(plan.contains("installations_by_state"), "\(plan)")
    }
  }
}
