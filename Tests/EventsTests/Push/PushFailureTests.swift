import Base
import BigCommerce
import Postgres
import Storage
import TestSupport
import Testing
import Vault

@testable import Events

@Suite struct `Subscribers that fail` {
  @Test func `a dead host gets few attempts, and delays nobody`() async throws {
    try await PushRig.run { rig in
      let dead = try await rig.subscribe(port: Int(try freePort())).id
      let healthy = try await rig.subscribe().id
      try await rig.happen((0..<400).map { "t/\($0)" })
      let sender = rig.sender()
      try await rig.drain(sender)
      #expect(rig.subscriber.pushes.count == 400)
      #expect(try await rig.record(healthy).pending == 0)
      let failed = try await rig.record(dead)
      #expect(failed.pending == 400)
      #expect((4...8).contains(failed.failures), "\(failed.failures)")
      #expect(failed.pausedUntil != nil)
      #expect(try await rig.log(dead).allSatisfy { $0.attempts <= 1 })
      #expect(
        try await rig.log(dead).compactMap { $0.log.array?.first?["failure"]?.string }
          .allSatisfy { $0 == "connect_failed" })
      // An hour of trying is a dozen attempts or so, not hundreds.
      let before = failed.failures
      for _ in 0..<60 {
        try await rig.pass(.seconds(60))
        try await rig.drain(sender)
      }
      let tried = try await rig.record(dead).failures - before
      #expect((8...25).contains(tried), "\(tried)")
    }
  }

  @Test func `silent subscribers hold only the places for failing ones`() async throws {
    let gate = Gate()
    try await PushRig.run(Subscriber(gate: gate)) { rig in
      var room = PushSender.Room()
      room.healthy = 6
      room.failing = 2
      var silent: [String] = []
      for _ in 0..<5 { silent.append(try await rig.subscribe(concurrency: 1).id) }
      try await rig.happen(["t/1", "t/2"])
      for id in silent {
        _ = try await rig.database.query(
          .init("UPDATE subscriptions SET failures = 9 WHERE subscription_id = $1", [id]))
      }
      let sender = rig.sender(room: room)
      try await sender.fanOut()
      let held = try await rig.deliveries.claim(
        healthy: room.healthy, failing: room.failing, id: "a")
      #expect(held.count == 2)
      // They hold their places; a healthy one still gets all of its own.
      let fast = try await rig.subscribe(concurrency: 6).id
      try await rig.happen((0..<6).map { "u/\($0)" })
      try await sender.fanOut()
      let claims = try await rig.deliveries.claim(healthy: room.healthy, failing: 0, id: "b")
      #expect(claims.map(\.subscription) == Array(repeating: fast, count: 6))
      await gate.open()
    }
  }

  @Test func `deliveries are taken in turn, each subscription within its concurrency`()
    async throws
  {
    try await PushRig.run { rig in
      let big = try await rig.subscribe(["big"], concurrency: 64).id
      let small = try await rig.subscribe(["small"], concurrency: 3).id
      try await rig.happen(Array(repeating: "big", count: 50))
      try await rig.happen(Array(repeating: "small", count: 5))
      try await rig.sender().fanOut()
      func count(_ claims: [PushClaim], _ id: String) -> Int {
        claims.filter { $0.subscription == id }.count
      }
      let first = try await rig.deliveries.claim(healthy: 8, failing: 8, id: "1")
      #expect(count(first, big) == 5 && count(first, small) == 3)
      let second = try await rig.deliveries.claim(healthy: 8, failing: 8, id: "2")
      #expect(count(second, big) == 8 && count(second, small) == 0)
    }
  }

  @Test func `a claim reads little more than it takes, however much is due`() async throws {
    try await PushRig.run { rig in
      let id = try await rig.subscribe(concurrency: 64).id
      _ = try await rig.database.query(
        Statement(
          """
          INSERT INTO push_deliveries (app_id, store_hash, subscription_id, position, event_id, type, origin,
            occurred_at, recorded_at, data)
          SELECT 'default', 'abc', $1, n, 'evt_' || n, 't/1', 'platform', now(), now(), '{}'
          FROM generate_series(1, 5000) AS n
          """, [id]))
      _ = try await rig.database.query(Statement("ANALYZE push_deliveries"))
      func read() async throws -> Int64 {
        let rows = try await rig.database.query(
          Statement(
            "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'push_deliveries_due'"
          )
        ).rows
        return try #require(rows.first).decode("idx_tup_read")
      }
      let before = try await read()
      // Its statistics count when its connections end.
      let other = Database(
        settings: rig.database.settings, reactor: TestCluster.reactor, logger: .silent)
      let claims = try await PushDeliveries(database: other).claim(
        healthy: 48, failing: 0, id: "1")
      await other.close()
      #expect(claims.count == 48)
      #expect(try await eventually { try await read() > before })
      #expect(try await read() - before < 500)
    }
  }

  @Test func `only days of nothing but failures disable, and the feed says so`() async throws {
    try await PushRig.run { rig in
      let (id, _) = try await rig.subscribe(["t/*"])
      rig.subscriber.reply(usual: .answer("500 Oops"))
      let sender = rig.sender(Array(repeating: .seconds(3600), count: 50))
      try await rig.happen(["t/1"])
      try await rig.drain(sender)
      try await rig.pass(.seconds(4 * 86_400))
      try await rig.drain(sender)
      try await sender.tidy()
      #expect(try await rig.record(id).state == .active, "four days are not enough")
      rig.subscriber.reply([.answer("200 OK")], usual: .answer("500 Oops"))
      try await rig.happen(["t/2"])
      try await rig.pass(.seconds(7200))
      try await rig.drain(sender)
      #expect(try await rig.record(id).failures <= 1, "a success begins anew")
      try await rig.happen(["t/3"])
      try await rig.drain(sender)
      try await rig.pass(.seconds(5 * 86_400 + 60))
      try await sender.tidy()
      #expect(try await rig.record(id).state == .active, "no attempt for days says nothing")
      try await rig.drain(sender)
      try await sender.tidy()
      #expect(try await rig.record(id).state == .disabled)
      #expect(sender.disabled == 1)
      try await sender.tidy()
      #expect(sender.disabled == 1)
      #expect(try await rig.typesInFeed().last == "app/subscription_disabled")
      // Nothing is lost meanwhile.
      let count = rig.subscriber.pushes.count
      rig.subscriber.reply()
      try await rig.happen(["t/4"])
      #expect(try await rig.drain(sender) == 0)
      try await rig.subscriptions.set(id, enabled: true, by: PushRig.act)
      try await rig.pass(.seconds(7200))
      try await rig.drain(sender)
      #expect(rig.subscriber.pushes.count > count)
      #expect(try await rig.record(id).pending == 0)
    }
  }
}

@Suite struct `Secrets, replays and retention of pushes` {
  @Test func `both secrets sign until the overlap ends`() async throws {
    try await PushRig.run { rig in
      let (id, old) = try await rig.subscribe()
      let text = try await rig.subscriptions.rotate(
        try await rig.record(id), overlap: .seconds(3600), by: PushRig.act)
      let new = try #require(WebhookKey(subscriptionSecret: text))
      let sender = rig.sender()
      try await rig.happen(["t/1"])
      try await rig.drain(sender)
      let both = try #require(rig.subscriber.pushes.last)
      #expect(both.signatures(by: old) == 1 && both.signatures(by: new) == 1)
      #expect(both.header("webhook-signature")?.split(separator: " ").count == 2)
      try await rig.pass(.seconds(3601))
      try await rig.happen(["t/2"])
      try await rig.drain(sender)
      let later = try #require(rig.subscriber.pushes.last)
      #expect(later.signatures(by: old) == 0 && later.signatures(by: new) == 1)
      let record = try await rig.record(id)
      for _ in 1..<Subscriptions.mostSecrets {
        _ = try await rig.subscriptions.rotate(record, overlap: .seconds(60), by: PushRig.act)
      }
      await #expect(throws: SubscriptionError.tooManySecrets) {
        try await rig.subscriptions.rotate(record, overlap: .seconds(60), by: PushRig.act)
      }
    }
  }

  @Test func `a secret opens in its own row only`() async throws {
    try await PushRig.run { rig in
      let (one, _) = try await rig.subscribe()
      _ = try await rig.subscribe()
      _ = try await rig.database.query(
        .init(
          """
          UPDATE subscription_secrets AS mine SET sealed_secret = theirs.sealed_secret
          FROM subscription_secrets AS theirs
          WHERE mine.subscription_id = $1 AND theirs.subscription_id <> $1
          """, [one]))
      await #expect(throws: SubscriptionError.vault(.damaged)) {
        try await rig.subscriptions.keys(of: try await rig.record(one))
      }
    }
  }

  @Test func `events are replayed by ID and by range, also those that were never pushed`()
    async throws
  {
    try await PushRig.run { rig in
      try await rig.happen(["t/0", "u/0"])
      let (id, _) = try await rig.subscribe(
        ["t/*"], stores: .only([try #require(StoreHash("abc"))], labels: []))
      try await rig.happen(["t/1", "t/2", "u/1"])
      try await rig.happen(["t/3"], store: "other")
      let sender = rig.sender()
      #expect(try await rig.drain(sender) == 2)
      let events = try await EventFeed(database: rig.database).read(
        after: 0, upTo: .max, EventFilter(), limit: 99
      ).events
      func event(_ type: String) -> String { events.first { $0.type == type }?.id ?? "" }
      #expect(
        try await rig.replay(id) {
          $0.events = [event("t/1"), event("u/0"), event("t/3"), "evt_unknown"]
        } == 2, "within its stores, whatever the type")
      #expect(try await rig.drain(sender) == 2)
      #expect(try await rig.replay(id) { $0.through = 99 } == 3, "what it wants")
      #expect(try await rig.drain(sender) == 3)
      let ids = rig.subscriber.pushes.compactMap(\.id)
      #expect(ids.filter { $0 == event("t/1") }.count == 3)
      #expect(ids.filter { $0 == event("t/0") }.count == 1)
      #expect(!ids.contains(event("t/3")))
    }
  }

  @Test func `what was delivered is forgotten, dead letters are not`() async throws {
    try await PushRig.run { rig in
      let (id, _) = try await rig.subscribe()
      rig.subscriber.reply([.answer("200 OK")], usual: .answer("500 Oops"))
      try await rig.happen(["t/1"])
      let sender = rig.sender([.seconds(1)])
      try await rig.drain(sender)
      try await rig.happen(["t/2"])
      try await rig.drain(sender)
      try await rig.pass(.seconds(60))
      try await rig.drain(sender)
      #expect(try await rig.log(id).map(\.state) == ["dead", "delivered"])
      _ = try await rig.database.query(
        .init("UPDATE push_deliveries SET finished_at = now() - interval '15 days'"))
      try await sender.tidy()
      #expect(try await rig.log(id).map(\.state) == ["dead"])
    }
  }
}

@Suite struct `The schedule of pushes` {
  let schedule = PushSchedule(delays: [.seconds(5), .seconds(300), .seconds(86_400)])

  func answer(_ verdict: PushAnswer.Verdict, _ retryAfter: Duration? = nil) -> PushAnswer {
    PushAnswer(
      verdict: verdict, retryAfter: retryAfter,
      attempt: PushAttempt(
        sentAt: Timestamp(seconds: 0), url: "", status: nil, failure: nil, took: .zero, answer: ""))
  }

  @Test func `delays spread by a tenth, and after the last comes none`() {
    for (attempt, delay) in [Duration.seconds(5), .seconds(300), .seconds(86_400)].enumerated() {
      for (chance, factor) in [(0.0, 0.9), (0.5, 1.0), (1.0, 1.1)] {
        guard
          case .failed(let retry?, .zero) = schedule.outcome(
            of: answer(.refused), attempt: attempt + 1, failures: 0, chance: chance)
        else {
          Issue.record("attempt \(attempt)")
          continue
        }
        #expect(abs(retry.inSeconds - delay.inSeconds * factor) < 0.01)
      }
    }
    #expect(
      schedule.outcome(of: answer(.refused), attempt: 4, failures: 0, chance: 0)
        == .failed(retry: nil, pause: .zero))
    #expect(
      schedule.outcome(of: answer(.accepted), attempt: 9, failures: 9, chance: 0) == .delivered)
    #expect(schedule.outcome(of: answer(.gone), attempt: 1, failures: 0, chance: 0) == .gone)
  }

  @Test func `a wish is honoured up to an hour, and failures in a row bring rest`() {
    func pause(_ failures: Int, _ wish: Duration? = nil) -> Duration {
      guard
        case .failed(_, let pause) = schedule.outcome(
          of: answer(.refused, wish), attempt: 1, failures: failures, chance: 0.5)
      else { return .zero }
      return pause
    }
    #expect(pause(3) == .zero)
    #expect(pause(4) == .seconds(5))
    #expect(pause(6) == .seconds(20))
    #expect(pause(50) == .seconds(300))
    #expect(pause(0, .seconds(90)) == .seconds(90))
    #expect(pause(0, .seconds(86_400)) == .seconds(3600))
  }
}
