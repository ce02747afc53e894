import Base
import BigCommerce
import Postgres
import Storage
import TestSupport
import Testing
import Vault

@Suite struct `Service keys in the database` {
  private let wide = Grant(
    app: .default, stores: .all, scopes: .all, abilities: Abilities([.operator]))

  private func withKeys<T: Sendable>(
    _ body: @Sendable (ServiceKeys, Database, KeyMaker) async throws -> T
  ) async throws -> T {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      try await database.addApp()
      try await database.addApp("second")
      let keys = ServiceKeys(database: database)
      let first = try await keys.bootstrap(name: "first")
      let maker = KeyMaker(id: first.key.id, grant: first.grant, requestID: RequestID("req-9"))
      return try await body(keys, database, maker)
    }
  }

  private func record(_ id: String, _ database: Database) async throws -> ServiceKeyRecord? {
    try await StoreSnapshot(database: database).changes(after: 0).keys.first { $0.id == id }
  }

  @Test func `a bootstrap makes an operator's key for all apps, each time another`() async throws {
    try await withKeys { keys, database, maker in
      let second = try await keys.bootstrap(name: "second")
      #expect(second.key.id != maker.id)
      let stored = try #require(try await record(second.key.id, database))
      #expect(stored.grant.app == nil)
      #expect(stored.grant.allows(.keys))
      #expect(stored.createdBy == "bootstrap")
      #expect(stored.digest == second.key.digest)
      let audits = try await database.count(
        Statement("SELECT count(*) FROM audit WHERE actor = 'bootstrap' AND action = 'key_create'"))
      #expect(audits == 2)
    }
  }

  @Test func `a key is stored with its grant and without its secret`() async throws {
    try await withKeys { keys, database, maker in
      let store = try #require(StoreHash("abc"))
      let vip = try #require(StoreLabel("vip"))
      let grant = Grant(
        app: .default, stores: .only([store], labels: [vip]),
        scopes: .only(Scopes(["store_v2_orders"])), methods: try MethodSet(names: ["GET", "PUT"]),
        paths: .only([try PathPattern("/v2/orders/**"), try PathPattern("/v2/orders")]),
        abilities: Abilities([.proxy]), rate: CallRate(callsPerMinute: 600),
        expiresAt: Timestamp(seconds: 4_000_000_000))
      let made = try await keys.create(name: "shop", grant: grant, by: maker)
      let stored = try #require(try await record(made.key.id, database))
      #expect(stored.grant == grant)
      #expect(stored.name == "shop")
      #expect(stored.createdBy == maker.id)
      let text = made.key.text.expose()
      let secret = String(text.split(separator: "_")[2])
      let found = try await database.count(
        Statement(
          """
          SELECT count(*) FROM service_keys k, audit a
          WHERE strpos(k::text, $1) > 0 OR strpos(a::text, $1) > 0
          """, [secret]))
      #expect(found == 0)
      let audit = try await database.query(
        Statement(
          "SELECT actor, request_id, details->>'key_id' AS key FROM audit WHERE actor = $1",
          [maker.id]))
      let row = try #require(audit.rows.first)
      #expect(try row.decode("request_id") == "req-9")
      #expect(try row.decode("key") == made.key.id)
    }
  }

  @Test func `what a newer version granted and this one does not know allows nothing`() async throws
  {
    try await withKeys { keys, database, maker in
      let made = try await keys.create(name: "shop", grant: wide, by: maker)
      _ = try await database.query(
        Statement(
          """
          UPDATE service_keys SET stores = '{abc,team:7,label:vip}', methods = '{GET,QUERY}',
            paths = '{/v3/hooks,"/v3/[a-z]+"}', abilities = '{proxy,fly}' WHERE key_id = $1
          """, [made.key.id]))
      let grant = try #require(try await record(made.key.id, database)).grant
      #expect(grant.storeNames == ["abc", "label:vip"])
      #expect(grant.methodNames == ["GET", "HEAD"])
      #expect(grant.pathNames == ["/v3/hooks"])
      #expect(grant.abilities.names == ["proxy"])
    }
  }

  @Test func `nobody grants more than they hold`() async throws {
    try await withKeys { keys, database, maker in
      let store = try #require(StoreHash("abc"))
      let narrow = Grant(
        app: .default, stores: .only([store]), scopes: .only(Scopes(["store_v2_orders"])),
        abilities: Abilities([.proxy, .keys]), expiresAt: Timestamp(seconds: 4_000_000_000))
      let made = try await keys.create(name: "narrow", grant: narrow, by: maker)
      let narrowMaker = KeyMaker(id: made.key.id, grant: narrow, requestID: nil)
      let other = try #require(AppName("second"))
      let wider: [Grant] = [
        Grant(
          app: .default, stores: .all, scopes: narrow.scopes, abilities: narrow.abilities,
          expiresAt: narrow.expiresAt),
        Grant(
          app: .default, stores: .only([store], labels: [try #require(StoreLabel("vip"))]),
          scopes: narrow.scopes, abilities: narrow.abilities, expiresAt: narrow.expiresAt),
        Grant(
          app: .default, stores: narrow.stores, scopes: .all, abilities: narrow.abilities,
          expiresAt: narrow.expiresAt),
        Grant(
          app: .default, stores: narrow.stores, scopes: narrow.scopes,
          abilities: Abilities([.proxy, .storesRead]),
          expiresAt: narrow.expiresAt),
        Grant(
          app: .default, stores: narrow.stores, scopes: narrow.scopes, abilities: narrow.abilities,
          expiresAt: nil),
        Grant(
          app: other, stores: narrow.stores, scopes: narrow.scopes, abilities: narrow.abilities,
          expiresAt: narrow.expiresAt),
      ]
      for grant in wider {
        await #expect(throws: ServiceKeyError.grantTooWide) {
          try await keys.create(name: "x", grant: grant, by: narrowMaker)
        }
      }
      _ = try await keys.create(name: "same", grant: narrow, by: narrowMaker)
      let without = Grant(app: .default, stores: .all, scopes: .all, abilities: Abilities([.proxy]))
      let caller = try await keys.create(name: "caller", grant: without, by: maker)
      await #expect(throws: ServiceKeyError.notAllowed) {
        try await keys.create(
          name: "x", grant: without, by: KeyMaker(id: caller.key.id, grant: without, requestID: nil)
        )
      }
      // A wider key is as unknown as none.
      await #expect(throws: ServiceKeyError.unknownKey) {
        try await keys.revoke(caller.key.id, by: narrowMaker)
      }
      await #expect(throws: ServiceKeyError.unknownKey) {
        try await keys.rotate(caller.key.id, overlap: .zero, by: narrowMaker)
      }
      // One that only lives longer may be ended, but not made anew.
      let longer = try await keys.create(name: "longer", grant: narrow.ending(nil), by: maker)
      await #expect(throws: ServiceKeyError.grantTooWide) {
        try await keys.rotate(longer.key.id, overlap: .zero, by: narrowMaker)
      }
      #expect(try await keys.revoke(longer.key.id, by: narrowMaker))
      #expect(try await keys.revoke(narrowMaker.id, by: narrowMaker), "its own")
      _ = database
    }
  }

  @Test func `a grant without ability or app, and an unknown app, are refused`() async throws {
    try await withKeys { keys, _, maker in
      let third = try #require(AppName("third"))
      let nothing = Grant(app: .default, stores: .all, scopes: .all, abilities: Abilities([]))
      let nowhere = Grant(app: nil, stores: .all, scopes: .all, abilities: Abilities([.proxy]))
      let elsewhere = Grant(app: third, stores: .all, scopes: .all, abilities: Abilities([.proxy]))
      for (grant, error) in [
        (nothing, ServiceKeyError.grantMalformed), (nowhere, .grantMalformed),
        (elsewhere, .unknownApp),
      ] {
        await #expect(throws: error) { try await keys.create(name: "x", grant: grant, by: maker) }
      }
    }
  }

  @Test func `a revoked maker makes nothing more`() async throws {
    try await withKeys { keys, database, maker in
      let made = try await keys.create(name: "second", grant: wide, by: maker)
      let second = KeyMaker(id: made.key.id, grant: wide, requestID: nil)
      #expect(try await keys.revoke(made.key.id, by: maker))
      #expect(try await !keys.revoke(made.key.id, by: maker), "revoking again changes nothing")
      await #expect(throws: ServiceKeyError.makerGone) {
        try await keys.create(name: "x", grant: wide, by: second)
      }
      await #expect(throws: ServiceKeyError.notValid) {
        try await keys.rotate(made.key.id, overlap: .zero, by: maker)
      }
      #expect(try await record(made.key.id, database)?.isValid(at: Timestamp(seconds: 0)) == false)
      let audits = try await database.count(
        Statement("SELECT count(*) FROM audit WHERE action = 'key_revoke'"))
      #expect(audits == 1)
    }
  }

  @Test func `a rotated key has a successor with its grant, and an overlap`() async throws {
    try await withKeys { keys, database, maker in
      let grant = Grant(
        app: .default, stores: .all, scopes: .all, abilities: Abilities([.proxy]),
        rate: CallRate(callsPerMinute: 7), expiresAt: Timestamp(seconds: 4_000_000_000))
      let made = try await keys.create(name: "shop", grant: grant, by: maker)
      let next = try await keys.rotate(made.key.id, overlap: .seconds(3600), by: maker)
      let old = try #require(try await record(made.key.id, database))
      let new = try #require(try await record(next.key.id, database))
      #expect(new.grant == grant && old.grant == grant)
      #expect(new.name == "shop")
      #expect(new.rotatedFrom == old.id)
      #expect(new.overlapEndsAt == nil)
      let end = try #require(old.overlapEndsAt)
      let left = end - WallClock.system.now()
      #expect(left > .seconds(3500) && left < .seconds(3700))
      #expect(old.isValid(at: end - .seconds(1)) && !old.isValid(at: end))
      // A second rotation with a longer overlap does not lengthen the first one's.
      _ = try await keys.rotate(made.key.id, overlap: .seconds(7200), by: maker)
      #expect(try await record(made.key.id, database)?.overlapEndsAt == end)
    }
  }

  @Test func `who rotates again within the overlap gets a key that outlives it`() async throws {
    try await withKeys { keys, database, maker in
      let made = try await keys.create(name: "shop", grant: wide, by: maker)
      _ = try await keys.rotate(made.key.id, overlap: .seconds(60), by: maker)
      let again = try await keys.rotate(made.key.id, overlap: .seconds(60), by: maker)
      let record = try #require(try await record(again.key.id, database))
      #expect(record.grant == wide && record.overlapEndsAt == nil)
    }
  }

  @Test func `a key whose overlap is over neither makes, nor rotates, nor is rotated`() async throws
  {
    try await withKeys { keys, database, maker in
      let made = try await keys.create(name: "shop", grant: wide, by: maker)
      let old = KeyMaker(id: made.key.id, grant: wide, requestID: nil)
      let next = try await keys.rotate(made.key.id, overlap: .zero, by: old)
      #expect(
        try await record(made.key.id, database)?.isValid(at: WallClock.system.now()) == false)
      await #expect(throws: ServiceKeyError.makerGone) {
        try await keys.create(name: "x", grant: wide, by: old)
      }
      for (id, by) in [(made.key.id, maker), (next.key.id, old)] {
        await #expect(throws: ServiceKeyError.notValid) {
          try await keys.rotate(id, overlap: .zero, by: by)
        }
      }
    }
  }

  @Test func `a list shows the keys that its reader could have made, and the reader's own`()
    async throws
  {
    try await withKeys { keys, _, maker in
      let abc = try #require(StoreHash("abc"))
      let other = try #require(StoreHash("other"))
      func made(
        _ stores: Grant.Stores, _ abilities: [Ability], _ scopes: Grant.ScopeLimit = .all,
        until end: Timestamp? = nil
      ) async throws -> KeyMaker {
        let grant = Grant(
          app: .default, stores: stores, scopes: scopes, abilities: Abilities(abilities),
          expiresAt: end)
        let key = try await keys.create(name: "k", grant: grant, by: maker)
        return KeyMaker(id: key.key.id, grant: grant, requestID: nil)
      }
      let end = Timestamp(seconds: 4_000_000_000)
      let keeper = try await made(.only([abc]), [.keys, .proxy], until: end)
      let same = try await made(.only([abc]), [.keys, .proxy])
      let less = try await made(.only([abc]), [.proxy], .only(Scopes(["store_v2_orders"])))
      let operatorOfApp = try await made(.all, [.operator])
      for (stores, abilities) in [
        (.only([other]), [.proxy]), (.only([abc, other]), [.proxy]), (.all, [.proxy]),
        (.only([abc]), [.storesRead]), (.only([abc]), [.operator]),
      ] as [(Grant.Stores, [Ability])] {
        let hidden = try await made(stores, abilities)
        await #expect(throws: ServiceKeyError.unknownKey) {
          try await keys.find(hidden.id, for: keeper)
        }
      }
      let seen = try await keys.list(for: keeper, limit: 100).map(\.id)
      #expect(seen == [keeper.id, same.id, less.id].sorted())
      var pages: [String] = []
      while let next = try await keys.list(for: keeper, after: pages.last, limit: 1).first {
        pages.append(next.id)
      }
      #expect(pages == seen)
      #expect(try await keys.list(for: operatorOfApp, limit: 100).count == 9)
      #expect(try await keys.list(for: maker, limit: 100).count == 10)
    }
  }

  @Test func `a list shows the keys of the maker's app, page by page`() async throws {
    try await withKeys { keys, _, maker in
      let other = try #require(AppName("second"))
      for number in 0..<3 { _ = try await keys.create(name: "k\(number)", grant: wide, by: maker) }
      let foreign = Grant(app: other, stores: .all, scopes: .all, abilities: Abilities([.keys]))
      let theirs = try await keys.create(name: "theirs", grant: foreign, by: maker)
      let all = try await keys.list(for: maker, limit: 100)
      #expect(all.count == 5)
      #expect(all.map(\.id) == all.map(\.id).sorted())
      let page = try await keys.list(for: maker, after: all[1].id, limit: 2)
      #expect(page.map(\.id) == all[2...3].map(\.id))
      let theirMaker = KeyMaker(id: theirs.key.id, grant: foreign, requestID: nil)
      #expect(try await keys.list(for: theirMaker, limit: 100).map(\.id) == [theirs.key.id])
      let mine = try #require(all.first { $0.grant.app == .default })
      await #expect(throws: ServiceKeyError.unknownKey) {
        try await keys.find(mine.id, for: theirMaker)
      }
      await #expect(throws: ServiceKeyError.unknownKey) {
        try await keys.revoke(mine.id, by: theirMaker)
      }
    }
  }
}
