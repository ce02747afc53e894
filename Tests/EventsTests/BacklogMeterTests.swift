import Base
import Postgres
import Storage
import TestSupport
import Testing

@testable import Events

@Suite struct `The backlog` {
  @Test func `an event's age is told from the numbers that were seen`() {
    var age = PendingAge()
    #expect(age.note(oldest: nil, newest: nil, now: .seconds(1)) == .zero)
    #expect(age.note(oldest: 5, newest: 9, now: .seconds(10)) == .zero)
    #expect(age.note(oldest: 5, newest: 9, now: .seconds(20)) == .seconds(10))
    // What was there is gone; number 12 came since.
    #expect(age.note(oldest: 12, newest: 12, now: .seconds(30)) == .zero)
    #expect(age.note(oldest: 12, newest: 40, now: .seconds(40)) == .seconds(10))
    // 30 was there at 40, not before.
    #expect(age.note(oldest: 30, newest: 41, now: .seconds(55)) == .seconds(15))
    #expect(age.note(oldest: nil, newest: nil, now: .seconds(60)) == .zero)
    #expect(age.note(oldest: 41, newest: 41, now: .seconds(70)) == .zero)
  }

  @Test func `feed and pushes are counted`() async throws {
    try await PushRig.run { rig in
      let count = BacklogCount(database: rig.database)
      #expect(try await count.read() == Backlog())
      _ = try await rig.subscribe()
      let (off, _) = try await rig.subscribe(["t/*"])
      try await rig.subscriptions.set(off, enabled: false, by: PushRig.act)
      rig.subscriber.reply([.answer("200 OK")], usual: .answer("500 Oops"))
      try await rig.happen(["t/1", "t/2"])
      var backlog = try await count.read()
      #expect(backlog.position == 2 && backlog.behind == 2)
      #expect(backlog.subscriptions == [.active: 1, .disabled: 1])
      let sender = rig.sender([])
      try await sender.fanOut()
      try await rig.pass(.seconds(40))
      backlog = try await count.read()
      #expect(backlog.behind == 0 && backlog.pending == 2 && backlog.due == 2)
      #expect((.seconds(40)...(.seconds(90))).contains(backlog.overdue))
      #expect(try await rig.deliveries.claim(healthy: 1, failing: 0, id: "x").count == 1)
      #expect(try await count.read().due == 1, "one is under way")
      try await rig.pass(.seconds(600))
      try await rig.drain(sender)
      try await rig.happen(["t/3"])
      backlog = try await count.read()
      #expect(backlog.dead + backlog.pending == 1)
      _ = try await rig.database.query(
        Statement(
          "INSERT INTO pending_events (app_id, store_hash, type, data) VALUES ('default', '', 'x/y', '1')"
        ))
      backlog = try await count.read()
      #expect(backlog.pendingEvents == 1 && backlog.oldestPending == backlog.newestPending)
      #expect(backlog.oldestPending != nil)
    }
  }

  @Test func `the count walks indexes, whatever was delivered before`() async throws {
    try await PushRig.run { rig in
      let (id, _) = try await rig.subscribe()
      _ = try await rig.database.query(
        Statement(
          """
          INSERT INTO push_deliveries (app_id, store_hash, subscription_id, position, event_id, type, origin,
            occurred_at, recorded_at, data, state, finished_at)
          SELECT 'default', 'abc', $1, n, 'evt_' || n, 't/1', 'platform', now(), now(), '{}',
            CASE WHEN n <= 12000 THEN 'pending' ELSE 'delivered' END, CASE WHEN n > 12000 THEN now() END
          FROM generate_series(1, 40000) AS n
          """, [id]))
      _ = try await rig.database.query(Statement("ANALYZE push_deliveries"))
      let backlog = try await BacklogCount(database: rig.database).read()
      #expect(backlog.pending == Backlog.mostCounted && backlog.due == Backlog.mostCounted)
      let plan = try await rig.database.query(
        Statement(
          """
          EXPLAIN SELECT count(*) FROM (SELECT due_at FROM push_deliveries AS push
            WHERE push.subscription_id = 'x' AND push.state = 'pending' ORDER BY due_at LIMIT 10000) AS counted
          """)
      ).rows.map { try $0.decode("QUERY PLAN", as: String.self) }
      #expect(plan.contains { $0.contains("push_deliveries_due") }, "\(plan)")
      #expect(!plan.contains { $0.contains("Seq Scan") }, "\(plan)")
    }
  }
}
