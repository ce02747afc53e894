import Base
import BigCommerce
import Postgres
import Prometheus
import Storage
import TestSupport
import Testing

@testable import Events

@Suite struct `Pushes` {
  @Test func `an event arrives once, as the feed shows it, signed for its subscriber`()
    async throws
  {
    try await PushRig.run { rig in
      let clock = WallClock { Timestamp(seconds: 1_800_000_000) }
      let (id, key) = try await rig.subscribe()
      try await rig.happen(["store/order/created"])
      let sender = rig.sender(wall: clock)
      #expect(try await rig.drain(sender) == 1)
      #expect(try await sender.step() == 0)
      let push = try #require(rig.subscriber.pushes.first)
      let event = try #require(
        try await EventFeed(database: rig.database).read(
          after: 0, upTo: .max, EventFilter(), limit: 9
        )
        .events.first)
      #expect(push.head.hasPrefix("POST /hook?x=1 HTTP/1.1\r\n"))
      #expect(push.header("content-type") == "application/json")
      #expect(push.header("user-agent") == "Latchkey")
      #expect(push.body == EventDocument.json(for: event).encoded())
      #expect(push.id == event.id)
      #expect(push.header("webhook-timestamp") == "1800000000")
      #expect(push.signatures(by: key) == 1)
      #expect(rig.subscriber.pushes.count == 1)
      let record = try #require(try await rig.log(id).first)
      #expect(record.state == "delivered")
      #expect(record.log.array?.first?["status"] == 200)
      #expect(try await rig.record(id).lastSucceededAt != nil)
      #expect(sender.ends[.delivered] == 1)
    }
  }

  @Test func `a subscription gets what it asked for, and nothing from before it was made`()
    async throws
  {
    try await PushRig.run { rig in
      try await rig.database.addApp("second")
      try await rig.database.addInstallation("vip", sealedToken: [1])
      _ = try await rig.database.query(
        .init("UPDATE installations SET labels = '{gold}' WHERE store_hash = 'vip'"))
      try await rig.happen(["store/order/created"])
      let all = try await rig.subscribe().id
      let family = try await rig.subscribe(["store/order/*", "app/x"]).id
      let store = try await rig.subscribe(
        stores: .only([try #require(StoreHash("abc"))], labels: [])
      ).id
      let labelled = try await rig.subscribe(
        stores: .only([], labels: [try #require(StoreLabel("gold"))])
      ).id
      let app = try await rig.subscribe(app: AppName("second")).id
      try await rig.happen(["store/order/created", "store/order/message/created", "store/orders"])
      try await rig.happen(["store/order/updated"], store: "vip")
      try await rig.happen(["app/x"], store: "", app: "second")
      try await rig.happen(["app/x"], store: "abc", app: "second")
      try await rig.sender().fanOut()
      func types(_ id: String) async throws -> [String] {
        try await rig.log(id).reversed().map(\.event.type)
      }
      let three = ["store/order/created", "store/order/message/created", "store/orders"]
      #expect(try await types(all) == three + ["store/order/updated", "app/x", "app/x"])
      #expect(
        try await types(family) == three.prefix(2) + ["store/order/updated", "app/x", "app/x"])
      #expect(try await types(store) == three + ["app/x"])
      #expect(try await types(labelled) == ["store/order/updated"])
      #expect(try await types(app) == ["app/x", "app/x"])
    }
  }

  @Test func `fan-out goes over the days that the feed has in its gap`() async throws {
    try await PushRig.run { rig in
      let (id, _) = try await rig.subscribe()
      try await rig.happen(["t/1", "t/2"])
      // The next events are recorded on the day after.
      _ = try await rig.database.query(
        Statement("INSERT INTO event_days SELECT max(day) + 1, 3 FROM event_days"))
      try await rig.happen(["t/3"])
      let gap = try #require(try await rig.deliveries.gaps().first)
      #expect(gap.through == 3 && gap.lastDay == gap.firstDay + 1)
      try await rig.happen(["t/4"])
      #expect(try await rig.deliveries.fanOut(gap) == 3, "what came later is another gap")
      #expect(try await rig.deliveries.fanOut(gap) == nil)
      try await rig.sender().fanOut()
      #expect(try await rig.log(id).map(\.event.type) == ["t/4", "t/3", "t/2", "t/1"])
      #expect(try await rig.deliveries.gaps().isEmpty)
    }
  }

  @Test func `two replicas fan out and send, and every event arrives once`() async throws {
    try await PushRig.run { rig in
      let (id, key) = try await rig.subscribe(concurrency: 64)
      let other = try await rig.subscribe(["none/*"]).id
      try await rig.happen((0..<1300).map { "t/\($0 % 7)" })
      let senders = [rig.sender(), rig.sender()]
      try await withThrowingTaskGroup(of: Void.self) { group in
        for sender in senders {
          group.addTask { for _ in 0..<4 { try await sender.fanOut() } }
        }
        try await group.waitForAll()
      }
      #expect(try await rig.record(id).pending == 1300)
      #expect(try await rig.record(id).position == 1300)
      #expect(try await rig.record(other).position == 1300)
      #expect(try await rig.record(other).pending == 0)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for sender in senders { group.addTask { try await rig.drain(sender) } }
        try await group.waitForAll()
      }
      let pushes = rig.subscriber.pushes
      #expect(pushes.count == 1300)
      #expect(Set(pushes.compactMap(\.id)).count == 1300)
      #expect(pushes.allSatisfy { $0.signatures(by: key) == 1 })
      #expect(rig.subscriber.mostUnderWay <= 64)
    }
  }

  @Test func `a failed push climbs the schedule with the same ID, and is dead at its end`()
    async throws
  {
    try await PushRig.run { rig in
      let (id, _) = try await rig.subscribe()
      rig.subscriber.reply(
        [
          .answer("500 Oops", body: "sorry\u{1b}[0m"),
          .answer("302 Found", headers: ["Location: /elsewhere"]),
        ],
        usual: .reset)
      try await rig.happen(["t/1"])
      let sender = rig.sender([.seconds(5), .seconds(300)])
      for (attempt, pause) in [Duration.seconds(5), .seconds(300)].enumerated() {
        #expect(try await rig.drain(sender) == 1)
        let record = try #require(try await rig.log(id).first)
        #expect(record.attempts == attempt + 1)
        try await rig.pass(.seconds(pause.inSeconds * 0.85))
        #expect(try await sender.step() == 0, "not before its time")
        try await rig.pass(.seconds(pause.inSeconds * 0.3))
      }
      #expect(try await rig.drain(sender) == 1)
      let dead = try #require(try await rig.log(id, state: "dead").first)
      let log = dead.log.array ?? []
      #expect(log.map { $0["status"] ?? nil } == [500, 302, nil])
      #expect(log.map { $0["failure"]?.string } == ["status", "redirect", "broken"])
      #expect(log.first?["answer"] == "sorry[0m")
      try await rig.pass(.seconds(1_000_000))
      #expect(try await sender.step() == 0)
      #expect(rig.subscriber.pushes.count == 3, "redirects are not followed")
      #expect(Set(rig.subscriber.pushes.compactMap(\.id)).count == 1)
      #expect(Set(rig.subscriber.pushes.map(\.body)).count == 1)
      #expect(sender.ends[.dead] == 1)
      rig.subscriber.reply()
      #expect(try await rig.replay(id) { $0.isDeadOnly = true } == 1)
      #expect(try await rig.drain(sender) == 1)
      #expect(try await rig.log(id).first?.state == "delivered")
      #expect(try await rig.log(id).first?.log.array?.count == 4)
      #expect(Set(rig.subscriber.pushes.compactMap(\.id)).count == 1)
    }
  }

  @Test func `410 ends the subscription, and its deliveries are dead letters`() async throws {
    try await PushRig.run { rig in
      let (id, _) = try await rig.subscribe(["t/*"], concurrency: 1)
      rig.subscriber.reply(usual: .answer("410 Gone"))
      try await rig.happen(["t/1", "t/2", "t/3"])
      let sender = rig.sender()
      #expect(try await rig.drain(sender) == 1)
      #expect(try await rig.record(id).state == .gone)
      #expect(try await rig.record(id).dead == 3)
      #expect(try await rig.typesInFeed().last == "app/subscription_gone")
      try await rig.happen(["t/4"])
      #expect(try await rig.drain(sender) == 0)
      // Whoever knows better goes on where it stopped.
      rig.subscriber.reply()
      try await rig.subscriptions.set(id, enabled: true, by: PushRig.act)
      #expect(try await rig.drain(sender) == 1)
      #expect(try await rig.replay(id) { $0.isDeadOnly = true } == 3)
      #expect(try await rig.drain(sender) == 3)
    }
  }

  @Test(arguments: ["429 Too Many Requests", "503 Service Unavailable"])
  func `Retry-After is honoured for the subscription as a whole`(_ status: String) async throws {
    try await PushRig.run { rig in
      let (id, _) = try await rig.subscribe(concurrency: 1)
      rig.subscriber.reply([.answer(status, headers: ["Retry-After: 120"])])
      try await rig.happen(["t/1", "t/2"])
      let sender = rig.sender()
      #expect(try await rig.drain(sender) == 1)
      try await rig.pass(.seconds(115))
      #expect(try await sender.step() == 0)
      try await rig.pass(.seconds(6))
      #expect(try await rig.drain(sender) == 2)
      #expect(try await rig.record(id).failures == 0)
    }
  }

  @Test func `an attempt that took longer than its lease changes nothing`() async throws {
    try await PushRig.run { rig in
      let (id, _) = try await rig.subscribe()
      try await rig.happen(["t/1"])
      try await rig.sender().fanOut()
      let first = try #require(
        try await rig.deliveries.claim(healthy: 9, failing: 9, id: "first").first)
      #expect(try await rig.deliveries.claim(healthy: 9, failing: 9, id: "x").isEmpty)
      try await rig.pass(.seconds(61))
      let second = try #require(
        try await rig.deliveries.claim(healthy: 9, failing: 9, id: "second").first)
      #expect(second.attempt == 2)
      let attempt = PushAttempt(
        sentAt: Timestamp(seconds: 0), url: "", status: nil, failure: "timeout", took: .zero,
        answer: "")
      #expect(
        try await !rig.deliveries.finish(first, attempt, .failed(retry: nil, pause: .zero)))
      #expect(try await rig.log(id).first?.state == "pending")
      #expect(try await rig.deliveries.finish(second, attempt, .delivered))
      #expect(try await rig.log(id).first?.state == "delivered")
    }
  }
}
