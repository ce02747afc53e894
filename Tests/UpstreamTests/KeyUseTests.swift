import Base
import Postgres
import ServiceLifecycle
import Storage
import TestSupport
import Testing
import Upstream
import Vault

@Suite struct `Last use of service keys` {
  private let noon = Timestamp(seconds: 1_795_262_400)

  @Test func `a minute is noted once, and never an earlier one`() {
    let activity = KeyActivity()
    #expect(activity.unwrittenMinute == nil)
    activity.noteUse(at: noon + .seconds(59))
    let minute = noon.seconds / 60
    #expect(activity.unwrittenMinute == minute)
    activity.noteWritten(minute: minute)
    activity.noteUse(at: noon)
    #expect(activity.unwrittenMinute == nil)
    activity.noteUse(at: noon + .seconds(60))
    activity.noteUse(at: noon)
    #expect(activity.unwrittenMinute == minute + 1)
    // What came while the minute before was being written is not lost.
    activity.noteWritten(minute: minute)
    #expect(activity.unwrittenMinute == minute + 1)
  }

  private func lastUse(_ id: String, _ database: Database) async throws -> Int64? {
    let rows = try await database.query(
      Statement(
        "SELECT extract(epoch FROM last_used_at)::bigint AS at FROM service_keys WHERE key_id = $1",
        [id])
    ).rows
    return try #require(rows.first).decode("at", as: Int64?.self)
  }

  @Test func `only good keys are used, and all uses are written at once, without a change number`()
    async throws
  {
    try await Rig.run(script: { try await $0.stall() }) { rig in
      let keys = ServiceKeys(database: rig.database)
      let made = [
        try await keys.bootstrap(name: "a"), try await keys.bootstrap(name: "b"),
        try await keys.bootstrap(name: "c"),
      ]
      let maker = KeyMaker(id: made[0].key.id, grant: made[0].grant, requestID: nil)
      #expect(try await keys.revoke(made[2].key.id, by: maker))
      let here = rig.directory()
      let there = rig.directory()
      for directory in [here, there] { try await directory.refreshNow() }
      let position = try #require(here.current()?.position)
      func use(_ key: IssuedKey, _ directory: StoreDirectory, _ moment: Timestamp) throws -> Bool {
        let parts = try #require(ServiceKey.parse(key.key.text.expose()))
        return directory.current()?.caller(parts, at: moment) != nil
      }
      #expect(try use(made[0], here, noon + .seconds(119)))
      #expect(try use(made[0], there, noon + .seconds(30)))
      #expect(try use(made[1], there, noon))
      #expect(try !use(made[2], here, noon))
      // A change of the key does not lose what is not written yet.
      _ = try await rig.database.query(Statement("UPDATE service_keys SET name = name || '!'"))
      try await here.refreshNow()
      for directory in [here, there] {
        try await KeyUseWriter(directory: directory, keys: keys, logger: .silent).write()
      }
      #expect(try await lastUse(made[0].key.id, rig.database) == noon.seconds + 60)
      #expect(try await lastUse(made[1].key.id, rig.database) == noon.seconds)
      #expect(try await lastUse(made[2].key.id, rig.database) == nil)
      let after = try await StoreSnapshot(database: rig.database).changes(after: position)
      #expect(after.position == position + 3, "the renamed ones only")
      // Nothing is written twice.
      _ = try await rig.database.query(Statement("UPDATE service_keys SET last_used_at = NULL"))
      try await KeyUseWriter(directory: here, keys: keys, logger: .silent).write()
      #expect(try await lastUse(made[0].key.id, rig.database) == nil)
      #expect(try await keys.find(made[1].key.id, for: maker).lastUsedAt == nil)
    }
  }

  @Test func `what is not written yet is written when the service ends`() async throws {
    try await Rig.run(script: { try await $0.stall() }) { rig in
      let keys = ServiceKeys(database: rig.database)
      let made = try await keys.bootstrap(name: "a")
      let directory = rig.directory()
      try await directory.refreshNow()
      let parts = try #require(ServiceKey.parse(made.key.text.expose()))
      #expect(directory.current()?.caller(parts, at: noon) != nil)
      let writer = KeyUseWriter(directory: directory, keys: keys, logger: .silent)
      try await withThrowingTaskGroup(of: Void.self) { group in
        let service = ServiceGroup(
          services: [writer], logger: .silent)
        group.addTask { try await service.run() }
        await service.triggerGracefulShutdown()
        try await group.waitForAll()
      }
      #expect(try await lastUse(made.key.id, rig.database) == noon.seconds)
    }
  }

  @Test func `replicas that write the same keys at once do not hinder each other`() async throws {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      let keys = ServiceKeys(database: database)
      var ids: [String] = []
      for number in 0..<40 { ids.append(try await keys.bootstrap(name: "k\(number)").key.id) }
      let all = ids
      try await withThrowingTaskGroup(of: Void.self) { group in
        for round in 1...30 {
          group.addTask {
            var random = SeededGenerator(seed: UInt64(round))
            let order = all.shuffled(using: &random)
            try await keys.noteUse(order.map { ServiceKeyUse(id: $0, minute: Int64(round)) })
          }
        }
        try await group.waitForAll()
      }
      for id in ids { #expect(try await lastUse(id, database) == 30 * 60) }
    }
  }
}
