import Base
import BigCommerce
import Postgres
import Storage
import TestSupport
import Testing

@Suite struct `Snapshot reads` {
  @Test func `only what changed since a number is read, and all of it`() async throws {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      try await database.addApp()
      let source = StoreSnapshot(database: database, page: 3)
      for number in 0..<10 { try await database.addInstallation("s\(number)", sealedToken: [1]) }
      let all = try await source.changes(after: 0)
      #expect(all.installations.count == 10)
      #expect(all.position == 10)
      #expect(!all.replacesAll)
      #expect(try await source.changes(after: 10).installations.isEmpty)
      _ = try await database.query(
        Statement(
          "UPDATE installations SET scopes = '{store_v2_orders}' WHERE store_hash IN ('s1', 's7')"))
      _ = try await ServiceKeys(database: database).bootstrap(name: "op")
      let changed = try await source.changes(after: 10)
      #expect(Set(changed.installations.map(\.installation.store.text)) == ["s1", "s7"])
      #expect(changed.installations.allSatisfy { $0.scopes == Scopes(["store_v2_orders"]) })
      #expect(changed.keys.count == 1)
      #expect(changed.position == 13)
    }
  }

  @Test func `a counter that went back says that everything is replaced`() async throws {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      try await database.addApp()
      try await database.addInstallation("abc", sealedToken: [1])
      let changes = try await StoreSnapshot(database: database).changes(after: 99)
      #expect(changes.replacesAll)
      #expect(changes.position == 1)
      #expect(changes.installations.count == 1)
    }
  }

  @Test func `canaries take no change number`() async throws {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      try await database.addApp()
      try await database.addInstallation("abc", sealedToken: [1])
      let id = InstallationID(app: .default, store: try #require(StoreHash("abc")))
      let revocations = Revocations(database: database)
      try await revocations.suspect(id, Generation(1))
      try await database.passTime(seconds: 6)
      #expect(try await revocations.claim(limit: 5, lease: .seconds(60)).count == 1)
      #expect(try await StoreSnapshot(database: database).changes(after: 0).position == 1)
    }
  }

  @Test func `changes that commit out of turn are not missed`() async throws {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      try await database.addApp()
      let source = StoreSnapshot(database: database)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<40 {
          group.addTask { try await database.addInstallation("s\(number)", sealedToken: [1]) }
        }
        var position: Int64 = 0
        var seen: Set<String> = []
        let deadline = ContinuousClock.now + .seconds(20)
        while seen.count < 40, ContinuousClock.now < deadline {
          let changes = try await source.changes(after: position)
          seen.formUnion(changes.installations.map(\.installation.store.text))
          #expect(seen.count >= Int(changes.position), "a number was visible before its row")
          position = changes.position
        }
        try await group.waitForAll()
        #expect(seen.count == 40)
      }
    }
  }
}
