import Base
import Postgres
import Storage
import TestSupport
import Testing

@testable import Events

@Suite struct `Choosing what to push once more` {
  @Test func `a range of the feed is narrowed by type, store, app and time`() async throws {
    try await PushRig.run { rig in
      try await rig.database.addApp("other")
      try await rig.happen(["t/1", "t/2", "u/1"])
      try await rig.happen(["t/1"], store: "second")
      try await rig.happen(["t/1"], app: "other")
      let (id, _) = try await rig.subscribe(["t/*"])
      let now = Timestamp(seconds: WallClock.system.now().seconds)
      func count(_ change: (inout PushSelection) -> Void) async throws -> Int {
        var selection = PushSelection()
        change(&selection)
        return try await rig.deliveries.choose(id, selection).count
      }
      #expect(try await count { $0.through = 99 } == 4, "u/1 is not wanted")
      #expect(
        try await count {
          $0.after = 1; $0.through = 4
        } == 2)
      #expect(
        try await count {
          $0.through = 99; $0.filter.types = ["t/2", "u/*"]
        } == 1)
      #expect(
        try await count {
          $0.through = 99; $0.filter.types = ["t/*"]
        } == 4)
      #expect(
        try await count {
          $0.through = 99; $0.filter.store = StoreHash("second")
        } == 1)
      #expect(
        try await count {
          $0.through = 99; $0.filter.app = AppName("other")
        } == 1)
      #expect(
        try await count {
          $0.through = 99; $0.filter.since = now + .seconds(60)
        } == 0)
      #expect(
        try await count {
          $0.through = 99; $0.filter.until = now - .seconds(60)
        } == 0)
      let ids = try await rig.ids(of: ["t/1", "u/1"])
      var named = PushSelection()
      named.events = ids
      #expect(try await rig.deliveries.choose(id, named).count == 4)
      #expect(try await rig.deliveries.choose(id, named, keepsToTypes: true).count == 3)
      #expect(try await rig.log(id).isEmpty, "choosing changes nothing")
    }
  }

  @Test func `an attempt that is under way is left alone`() async throws {
    try await PushRig.run { rig in
      let (id, _) = try await rig.subscribe()
      try await rig.happen(["t/1"])
      try await rig.sender().fanOut()
      #expect(try await rig.deliveries.claim(healthy: 1, failing: 1, id: "other").count == 1)
      let ids = try await rig.ids(of: ["t/1"])
      #expect(try await rig.replay(id) { $0.events = ids } == 0)
      #expect(try await rig.replay(id) { $0.through = 99 } == 0)
    }
  }

  @Test func `dead letters are discarded, one, by filter and all, and the audit names them`()
    async throws
  {
    try await PushRig.run { rig in
      let (id, _) = try await rig.subscribe()
      rig.subscriber.reply([.answer("200 OK")], usual: .answer("500 Oops"))
      try await rig.happen(["t/1"])
      let sender = rig.sender([])
      try await rig.drain(sender)
      try await rig.happen(["t/2", "t/3", "u/1", "u/2"])
      for _ in 0..<9 {
        try await rig.pass(.seconds(600))
        try await rig.drain(sender)
      }
      #expect(try await rig.record(id).dead == 4)
      func discard(_ change: (inout PushSelection) -> Void) async throws -> Int {
        var selection = PushSelection()
        selection.isDeadOnly = true
        change(&selection)
        let chosen = try await rig.deliveries.choose(id, selection)
        return try await rig.deliveries.discard(rig.record(id), events: chosen, by: PushRig.act)
      }
      let (delivered, dead) = (try await rig.ids(of: ["t/1"]), try await rig.ids(of: ["t/2"]))
      #expect(try await discard { $0.events = delivered } == 0, "it is not dead")
      #expect(try await discard { $0.events = dead } == 1)
      #expect(try await discard { $0.filter.types = ["u/*"] } == 2)
      #expect(
        try await discard {
          $0.after = 3; $0.through = 99
        } == 0, "behind all")
      #expect(try await discard { _ in } == 1)
      #expect(try await rig.log(id).map(\.state) == ["delivered"])
      // A feed that is kept can bring it back.
      #expect(try await rig.replay(id) { $0.events = dead } == 1)
      let notes = try await rig.database.query(
        Statement(
          """
          SELECT jsonb_array_length(details -> 'event_ids') AS number FROM audit
          WHERE action = 'subscription_discard' ORDER BY audit_id
          """)
      ).rows.map { try $0.decode("number", as: Int32.self) }
      #expect(notes == [1, 2, 1])
    }
  }

  @Test func `many are done batch by batch, each with its line in the audit`() async throws {
    try await PushRig.run { rig in
      let (id, _) = try await rig.subscribe()
      _ = try await rig.database.query(
        Statement(
          """
          INSERT INTO push_deliveries (app_id, store_hash, subscription_id, position, event_id, type, origin,
            occurred_at, recorded_at, data, state, finished_at)
          SELECT 'default', 'abc', $1, n, 'evt_' || n, 't/' || n % 2, 'platform', now(), now(), '{}', 'dead', now()
          FROM generate_series(1, 2200) AS n
          """, [id]))
      #expect(
        try await rig.replay(id) {
          $0.isDeadOnly = true
          $0.filter.types = ["t/1"]
        } == 1100)
      var rest = PushSelection()
      rest.isDeadOnly = true
      rest.through = 250
      let chosen = try await rig.deliveries.choose(id, rest)
      let record = try await rig.record(id)
      #expect(record.pending == 1100 && record.dead == 1100 && chosen.count == 125)
      #expect(try await rig.deliveries.discard(record, events: chosen, by: PushRig.act) == 125)
      #expect(try await rig.record(id).dead == 975)
      let lines = try await rig.database.query(
        Statement(
          """
          SELECT action || ' ' || (details ->> 'deliveries') AS line FROM audit
          WHERE action <> 'subscription_create' ORDER BY audit_id
          """)
      ).rows.map { try $0.decode("line", as: String.self) }
      #expect(
        lines == [
          "subscription_replay 1000", "subscription_replay 100", "subscription_discard 100",
          "subscription_discard 25",
        ])
    }
  }

  @Test func `a time is found in the feed, also where nothing is`() async throws {
    try await PushRig.run { rig in
      let feed = EventFeed(database: rig.database)
      let now = WallClock.system.now()
      #expect(try await feed.position(before: now) == 0)
      try await rig.happen(Array(repeating: "t/1", count: 50))
      _ = try await rig.database.query(
        Statement("UPDATE events SET recorded_at = now() - (51 - position) * interval '1 hour'"))
      #expect(try await feed.position(before: now + .seconds(3600)) == 50)
      #expect(try await feed.position(before: now - .seconds(1800)) == 50)
      #expect(try await feed.position(before: now - .seconds(5400)) == 49)
      #expect(try await feed.position(before: now - .seconds(90 * 3600)) == 0)
      // What an operator deleted leaves holes.
      _ = try await rig.database.query(
        Statement("DELETE FROM events WHERE position BETWEEN 20 AND 49"))
      #expect(try await feed.position(before: now - .seconds(1800)) == 50)
      #expect((19...49).contains(try await feed.position(before: now - .seconds(5400))))
    }
  }
}
