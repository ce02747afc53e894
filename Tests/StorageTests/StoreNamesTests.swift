import Base
import BigCommerce
import Postgres
import Storage
import TestSupport
import Testing

@Suite struct `Names of stores` {
  private static func id(_ store: String) throws -> InstallationID {
    InstallationID(app: .default, store: try #require(StoreHash(store)))
  }

  private func with<T: Sendable>(
    _ stores: [String: OwnName], _ body: @Sendable (Database, StoreNames) async throws -> T
  ) async throws -> T {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      try await database.addApp()
      let names = StoreNames(database: database)
      for (store, name) in stores {
        try await database.addInstallation(
          store, sealedToken: [1], scopes: ["store_v2_information_read_only"])
        try await names.note(name, of: Self.id(store))
      }
      return try await body(database, names)
    }
  }

  private func found(_ text: String, _ database: Database) async throws -> [String] {
    var filter = StoreFilter()
    filter.prefix = text
    let listing = StoreListing(database: database)
    let plain = try await listing.list(filter, after: nil, limit: 100)
    let sorted = try await listing.list(
      filter, with: nil, in: StoreOrder(.store), after: nil, limit: 100)
    #expect(plain == sorted.map(\.record))
    return plain.map(\.installation.store.text)
  }

  @Test func `stores are found by the beginning of hash, name and domain`() async throws {
    let stores = [
      "abc": OwnName(name: "Copper Kettle", domain: "www.kettle.example"),
      "kettle1": OwnName(name: "100% Öl_Farben\\", domain: nil),
      "xyz": OwnName(name: nil, domain: "Copper.example"),
    ]
    try await with(stores) { database, _ in
      let expected: [(String, [String])] = [
        ("copper", ["abc", "xyz"]), ("COPPER K", ["abc"]), ("kettle", ["abc", "kettle1"]),
        ("KETTLE.", ["abc"]), ("www", []), ("WWW.kettle", ["abc"]), ("opper", []), ("x", ["xyz"]),
        ("100%", ["kettle1"]), ("100% öl_", ["kettle1"]), ("100_", []), ("%", []), ("_", []),
        ("100% Öl_farben\\", ["kettle1"]), ("\\", []), ("", ["abc", "kettle1", "xyz"]),
      ]
      for (text, stores) in expected {
        #expect(try await found(text, database) == stores, "\(text)")
      }
      let record = try await StoreListing(database: database).find(Self.id("abc"))
      #expect(record?.ownName == stores["abc"])
    }
  }

  @Test func `names are looked up in an index`() async throws {
    try await with([:]) { database, _ in
      _ = try await database.query(
        Statement(
          """
          INSERT INTO installations (app_id, store_hash, state, generation, sealed_token, token_key_id, scopes, source, authorized_at)
          SELECT 'default', 's' || n, 'active', 1, '\\x01', 'k1', '{}', 'oauth', now() FROM generate_series(1, 5000) AS n
          """))
      _ = try await database.query(
        Statement(
          "UPDATE store_names SET name_key = 'shop ' || md5(store_hash), domain_key = store_hash || '.example'"
        ))
      _ = try await database.query(Statement("ANALYZE store_names"))
      let plan = try await database.query(
        Statement(
          """
          EXPLAIN SELECT app_id, store_hash FROM store_names WHERE name_key LIKE 'shop 00%'
          UNION ALL SELECT app_id, store_hash FROM store_names WHERE domain_key LIKE 's77%'
          """)
      ).rows.map { try $0.decode("QUERY PLAN", as: String.self) }.joined(separator: "\n")
      #expect(plan.contains("store_names_by_name") && plan.contains("store_names_by_domain"))
      #expect(!plan.contains("Seq Scan"), "\(plan)")
    }
  }

  @Test func `an active store is due at once, and then once a week`() async throws {
    try await with([:]) { database, names in
      try await database.addInstallation(
        "abc", sealedToken: [1], scopes: ["store_v2_information"])
      try await database.addInstallation("off", state: "suspended", sealedToken: [1])
      try await database.addInstallation("xyz", sealedToken: [1], scopes: ["store_v2_orders"])
      let claims = try await names.claim(limit: 9, lease: .seconds(60))
      #expect(
        Dictionary(
          uniqueKeysWithValues: claims.map { ($0.installation.store.text, $0.mayRead) })
          == ["abc": true, "xyz": false])
      #expect(try await names.claim(limit: 9, lease: .seconds(60)).isEmpty, "they are leased")
      try await names.note(OwnName(name: "A", domain: nil), of: Self.id("abc"))
      try await names.postpone(claims[claims[0].mayRead ? 1 : 0], by: .seconds(-1))
      let again = try await names.claim(limit: 9, lease: .seconds(60))
      #expect(again.map(\.installation.store.text) == ["xyz"])
      // Another token may have other scopes.
      _ = try await database.query(
        Statement("UPDATE installations SET generation = 2 WHERE store_hash = 'abc'"))
      let renewed = try await names.claim(limit: 9, lease: .seconds(60))
      #expect(renewed.map(\.installation.store.text) == ["abc"])
      _ = try await database.query(
        Statement("UPDATE store_names SET next_read_at = now(), lease_until = NULL"))
      _ = try await database.query(
        Statement("UPDATE installations SET state = 'revoked' WHERE store_hash = 'abc'"))
      #expect(
        try await names.claim(limit: 9, lease: .seconds(60)).allSatisfy {
          $0.installation.store.text != "abc"
        })
    }
  }

  @Test func `a name outlives an uninstall, not a purge`() async throws {
    let name = OwnName(name: "Copper Kettle", domain: "kettle.example")
    try await with(["abc": name, "xyz": name]) { database, names in
      let states = InstallationStates(database: database)
      let act = Act(actor: "test", requestID: nil)
      _ = try await states.destroy(Self.id("abc"), deletingData: false, act: act)
      #expect(try await found("copper", database) == ["abc", "xyz"])
      for store in ["abc", "xyz"] {
        _ = try await states.destroy(Self.id(store), deletingData: true, act: act)
        // What was asked before and is told after.
        if store == "abc" { try await names.note(name, of: Self.id(store)) }
      }
      #expect(try await found("copper", database) == [])
      #expect(
        try await database.count(
          Statement("SELECT count(*) FROM store_names WHERE name IS NOT NULL")) == 0)
    }
  }
}
