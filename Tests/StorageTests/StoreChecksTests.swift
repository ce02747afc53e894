import Base
import BigCommerce
import Postgres
import Storage
import TestSupport
import Testing

@Suite struct `Stores' health in the database` {
  private struct Fleet {
    let database: Database
    let checks: StoreChecks

    func id(_ store: String) throws -> InstallationID {
      InstallationID(app: .default, store: try #require(StoreHash(store)))
    }

    func due() async throws -> [String] {
      try await checks.claim(limit: 100, lease: .seconds(60)).map(\.installation.store.text)
        .sorted()
    }

    @discardableResult
    func note(_ look: HealthLook, _ store: String = "abc", _ generation: Int64 = 1) async throws
      -> HealthChange?
    {
      try await checks.note(look, of: id(store), Generation(generation))
    }

    func health(_ store: String = "abc") async throws -> StoreHealthRecord? {
      try await StoreListing(database: database).find(id(store))?.health
    }

    /// Seconds until the next look.
    func wait(_ store: String = "abc") async throws -> Int? {
      let result = try await database.query(
        Statement(
          """
          SELECT round(extract(epoch FROM next_check_at - now()))::bigint AS wait FROM store_health
          WHERE store_hash = $1
          """, [store]))
      return try #require(result.rows.first).decode("wait")
    }

    func events() async throws -> [JSONValue] {
      let result = try await database.query(
        Statement(
          "SELECT data FROM pending_events WHERE type = 'app/health_changed' ORDER BY pending_id"))
      return try result.rows.map { row throws(PostgresError) in try row.decode("data") }
    }
  }

  private func withFleet<T: Sendable>(
    _ stores: [String] = ["abc"], every: Duration = .seconds(3600),
    _ body: @Sendable (Fleet) async throws -> T
  ) async throws -> T {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      try await database.addApp()
      for store in stores { try await database.addInstallation(store, sealedToken: [1, 2, 3]) }
      return try await body(
        Fleet(database: database, checks: StoreChecks(database: database, every: every)))
    }
  }

  private static let down = HealthLook(status: 503, hasRetryAfter: false)
  private static let good = HealthLook(status: 200, hasRetryAfter: false)
  private static let refused = HealthLook(status: 401, hasRetryAfter: false)

  @Test
  func `a new store is looked at within the minute, by one replica, and again after its lease`()
    async throws
  {
    try await withFleet(["abc", "xyz"]) { fleet in
      #expect(try await fleet.health()?.health == nil)
      try await fleet.database.passTime(seconds: 60)
      async let here = fleet.due()
      async let there = fleet.due()
      #expect(try await (here + there).sorted() == ["abc", "xyz"], "each store once")
      #expect(try await fleet.due() == [])
      // The replica that had it is dead.
      try await fleet.database.passTime(seconds: 61)
      #expect(try await fleet.due() == ["abc", "xyz"])
    }
  }

  @Test func `only active stores are due, and a new token begins anew`() async throws {
    try await withFleet { fleet in
      try await fleet.note(Self.good)
      for state in ["suspended", "revoked"] {
        _ = try await fleet.database.query(
          Statement("UPDATE installations SET state = $1, suspended_at = now()", [state]))
        #expect(try await fleet.wait() == nil, "\(state)")
        #expect(try await fleet.health()?.health == .healthy, "the last look stands")
      }
      _ = try await fleet.database.query(
        Statement("UPDATE installations SET state = 'active', generation = 2"))
      #expect(try await fleet.health()?.health == nil)
      #expect(try await fleet.note(Self.down) == nil, "of the token before")
      #expect(try await fleet.health()?.detail == nil)
      try await fleet.database.passTime(seconds: 60)
      #expect(try await fleet.due() == ["abc"])
      _ = try await fleet.database.query(
        Statement(
          "UPDATE installations SET state = 'uninstalled', sealed_token = NULL, token_key_id = NULL"
        ))
      #expect(try await fleet.health() == nil)
    }
  }

  @Test func `one bad look is no news, a second one is an event, and so is the return`()
    async throws
  {
    try await withFleet { fleet in
      #expect(try await fleet.note(Self.good) == nil)
      #expect((1620...5580).contains(try #require(try await fleet.wait())))
      #expect(try await fleet.note(Self.down) == nil)
      #expect(try await fleet.health()?.health == .healthy)
      #expect(try await fleet.health()?.detail == "store_unavailable")
      #expect((14...26).contains(try #require(try await fleet.wait())))
      #expect(try await fleet.note(Self.down) == nil, "at the same moment")
      try await fleet.database.passTime(seconds: 20)
      #expect(try await fleet.note(Self.down) == HealthChange(from: .healthy, to: .suspended))
      #expect((44...76).contains(try #require(try await fleet.wait())))
      #expect(try await fleet.note(Self.down) == nil, "it lasts")
      #expect((89...151).contains(try #require(try await fleet.wait())))
      #expect(try await fleet.note(Self.good) == nil)
      try await fleet.database.passTime(seconds: 20)
      #expect(try await fleet.note(Self.good) == HealthChange(from: .suspended, to: .healthy))
      let events = try await fleet.events()
      #expect(events.map { $0["from"]?.string } == ["healthy", "suspended"])
      #expect(events.map { $0["to"]?.string } == ["suspended", "healthy"])
      #expect(events.map { $0["detail"]?.string } == ["store_unavailable", "accepted"])
      let shown = try #require(try await fleet.health())
      #expect(events[1]["since_at"]?.string == shown.sinceAt?.description)
      #expect(shown.health == .healthy && shown.checkedAt != nil)
      #expect(try await fleet.checks.counts() == [.healthy: 1])
    }
  }

  @Test func `a refused token is revoked health once the store is revoked, not before`()
    async throws
  {
    try await withFleet { fleet in
      try await fleet.note(Self.good)
      for _ in 0..<3 {
        #expect(try await fleet.note(Self.refused) == nil)
        try await fleet.database.passTime(seconds: 30)
      }
      #expect(try await fleet.health()?.health == .healthy)
      _ = try await fleet.database.query(Statement("UPDATE installations SET state = 'revoked'"))
      #expect(try await fleet.note(Self.refused) == HealthChange(from: .healthy, to: .revoked))
      #expect(try await fleet.note(Self.down) == nil)
      #expect(try await fleet.health()?.health == .revoked)
      _ = try await fleet.database.query(Statement("UPDATE installations SET state = 'active'"))
      #expect(try await fleet.note(Self.good) == HealthChange(from: .revoked, to: .healthy))
    }
  }

  @Test func `a look that could not be made is made later, and a shorter interval counts at once`()
    async throws
  {
    try await withFleet { fleet in
      try await fleet.database.passTime(seconds: 60)
      let claim = try #require(try await fleet.checks.claim(limit: 1, lease: .seconds(60)).first)
      try await fleet.checks.postpone(claim, by: .seconds(60))
      #expect(try await fleet.wait() == 60)
      try await fleet.note(Self.good)
      try await StoreChecks(database: fleet.database, every: .seconds(300)).tighten()
      #expect((0...300).contains(try #require(try await fleet.wait())))
    }
  }

  @Test func `stores are listed by their health`() async throws {
    try await withFleet(["abc", "dull", "new"]) { fleet in
      try await fleet.note(Self.good)
      try await fleet.note(Self.down, "dull")
      try await fleet.database.passTime(seconds: 20)
      try await fleet.note(Self.down, "dull")
      for (health, stores) in [
        ([StoreHealth?.some(.healthy)], ["abc"]), ([.some(.suspended), nil], ["dull", "new"]),
        ([.some(.plan)], []),
      ] {
        var filter = StoreFilter()
        filter.health = Set(health)
        let found = try await StoreListing(database: fleet.database).list(
          filter, after: nil, limit: 10)
        #expect(found.map(\.installation.store.text) == stores)
      }
      #expect(try await fleet.checks.counts() == [.healthy: 1, .suspended: 1, nil: 1])
    }
  }
}
