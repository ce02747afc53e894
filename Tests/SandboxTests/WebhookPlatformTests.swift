import Base
import HTTPTypes
import Sandbox
import TestSupport
import Testing

@Suite struct `Webhook administration` {
  private let admin = "/stores/demo1234/v3/hooks/admin"

  private func admin(_ bench: HookBench) async throws -> JSONValue {
    try #require(try await bench.client.get(admin).json["data"])
  }

  @Test func `a domain under 90 % of 100 deliveries is blocked for 3 minutes`() async throws {
    let clock = ManualClock()
    try await withHooks({ $0.clock = clock.clock }) { bench in
      try await bench.register("store/order/*")
      try await bench.fire("store/order/created", ["count": 90])
      try await bench.wait(90)
      bench.receiver.answer("503 Busy")
      try await bench.fire("store/order/created", ["count": 10])
      try await bench.wait(100, "attempts")
      #expect(try await admin(bench)["blocked_domains"] == [])
      clock.advance(.seconds(1))
      try await bench.fire("store/order/created")
      try await bench.wait(101, "attempts")
      let blocked = try #require(try await admin(bench)["blocked_domains"]?.array)
      #expect(blocked.count == 1)
      #expect(blocked[0]["destination"]?.string == "127.0.0.1:\(bench.server.port)")
      #expect(blocked[0]["time_left"] == 180)
      #expect(
        blocked[0]["reasons"] == [
          ["failure_description": "503", "count": 11, "timestamp": 1_800_000_001]
        ])
      // Blocked: nothing is sent, the event goes to the retry queue.
      bench.receiver.answer("200 OK")
      try await bench.fire("store/order/updated")
      #expect(try await bench.attempts().last?["failure"] == "blocked")
      #expect(bench.receiver.all.count == 101)
      clock.advance(.seconds(179))
      #expect(try await admin(bench)["blocked_domains"]?.array?.first?["time_left"] == 1)
      clock.advance(.seconds(1))
      #expect(try await admin(bench)["blocked_domains"] == [])
      clock.advance(.seconds(3600))
      try await bench.wait(102)
      let notices = try await bench.client.control("webhooks", [:], .get)["notices"]?.array
      #expect(notices?.compactMap { $0["kind"] } == ["blocked"])
    }
  }

  @Test func `failures that are two minutes old block nobody`() async throws {
    let clock = ManualClock()
    try await withHooks({ $0.clock = clock.clock }) { bench in
      try await bench.register("store/order/*")
      try await bench.setting(["faults": [["kind": "dead", "times": 99]]])
      try await bench.fire("store/order/created", ["count": 99])
      clock.advance(.seconds(120))
      bench.receiver.answer("500 Oops")
      try await bench.wait(198, "attempts")
      #expect(try await admin(bench)["blocked_domains"] == [])
    }
  }

  @Test func `window and pause are compressed like the ladder`() async throws {
    try await withHooks({ $0.webhookSpeed = 1000 }) { bench in
      try await bench.register("store/order/*")
      try await bench.setting(["faults": [["kind": "dead", "times": 100]]])
      try await bench.fire("store/order/created", ["count": 300])
      // 100 failures, a block of 0.18 s, and all come through by the ladder.
      try await bench.wait(300)
      let failures = try await bench.attempts().map { $0["failure"]?.string }
      #expect(failures.count { $0 == "dead" } == 100)
      #expect(failures.contains("blocked"))
    }
  }

  @Test func `emails are kept, and told of what would be mailed`() async throws {
    try await withHooks({ $0.webhookSpeed = 1_000_000 }) { bench in
      #expect(
        try await bench.client.json(.put, admin, ["emails": ["ops@example.com"]]).status == 204)
      #expect(try await admin(bench)["emails"] == ["ops@example.com"])
      let hook = try await bench.register("store/order/*")
      bench.receiver.answer("500 Oops")
      try await bench.fire("store/order/created")
      try await bench.wait(1, "given_up")
      let notices = try await bench.client.control("webhooks", [:], .get)["notices"]?.array
      #expect(notices?.first?["kind"] == "deactivated")
      #expect(notices?.first?["emails"] == ["ops@example.com"])
      #expect(notices?.first?["hook_id"]?.integer == hook)
    }
  }

  @Test func `statuses are told apart, and a hook is switched on again`() async throws {
    try await withHooks { bench in
      let aged = try await bench.register("store/order/*")
      let off = try await bench.register("store/cart/*")
      try await bench.register("store/sku/*")
      let hooks = "/stores/demo1234/v3/hooks"
      _ = try await bench.client.json(.put, "\(hooks)/\(off)", ["is_active": false])
      try await bench.client.control("hooks/demo1234/\(aged)", ["age_days": 89], .put)
      #expect(try await bench.client.get("\(hooks)/\(aged)").json["data"]?["is_active"] == true)
      try await bench.client.control("hooks/demo1234/\(aged)", ["age_days": 1], .put)
      #expect(try await bench.client.get("\(hooks)/\(aged)").json["data"]?["is_active"] == false)
      let list = try #require(try await admin(bench)["hooks_list"]?.array)
      #expect(list.map { $0["status"] } == ["deactivated", "inactive", "active"])
      let inactive = try await bench.client.get(admin + "?is_active=false").json["data"]
      #expect(inactive?["hooks_list"]?.array?.count == 2)
      try await bench.fire("store/order/created")
      #expect(try await bench.counts()["fired"] == 0)
      _ = try await bench.client.json(.put, "\(hooks)/\(aged)", ["is_active": true])
      try await bench.fire("store/order/created")
      try await bench.wait(1)
      #expect(try await admin(bench)["hooks_list"]?.array?.first?["status"] == "active")
    }
  }

  @Test func `90 days without an event by the clock deactivate too`() async throws {
    let clock = ManualClock()
    try await withHooks({ $0.clock = clock.clock }) { bench in
      let hook = try await bench.register("store/order/*")
      clock.advance(.seconds(89 * 86400))
      try await bench.fire("store/order/created")
      try await bench.wait(1)
      clock.advance(.seconds(89 * 86400))
      let path = "/stores/demo1234/v3/hooks/\(hook)"
      #expect(try await bench.client.get(path).json["data"]?["is_active"] == true)
      clock.advance(.seconds(86400))
      #expect(try await bench.client.get(path).json["data"]?["is_active"] == false)
    }
  }
}

@Suite struct `Webhooks in the panel` {
  @Test func `a store's page shows what came of the last attempt`() async throws {
    try await withHooks { bench in
      try await bench.register("store/order/*")
      func page() async throws -> String { try await bench.client.get("/manage/demo1234").text }
      #expect(
        try await page().contains("<td>active</td><td><span class=\"quiet\">none</span></td>"))
      try await bench.fire("store/order/created")
      try await bench.wait(1)
      #expect(try await page().contains("<span class=\"badge good\">200</span></td></tr></tbody>"))
      try await bench.setting(["faults": [["kind": "dead"]], "speed": 1_000_000])
      try await bench.fire("store/order/created")
      try await bench.wait(1, "given_up")
      let text = try await page()
      #expect(text.contains("<td>deactivated</td><td><span class=\"badge warn\">dead</span></td>"))
    }
  }
}

@Suite struct `Delivery exceptions` {
  private let scope = "store/hook/deliveryException"

  /// What the exception webhook was told, apart from its messages.
  private func told(_ bench: HookBench) throws -> [JSONValue] {
    try bench.receiver.all.filter { $0.target == "/exceptions" }
      .map { try $0.json["data"]?["error_code"] ?? .null }
  }

  /// What a registration is answered.
  private func status(
    _ bench: HookBench, _ scope: String, _ destination: String
  ) async throws -> Int {
    try await bench.client.json(
      .post, "/stores/demo1234/v3/hooks",
      ["scope": .string(scope), "destination": .string(destination)]
    ).status
  }

  private func withExceptions(
    _ configure: @escaping @Sendable (inout SandboxConfiguration) -> Void = { _ in },
    _ body: @escaping @Sendable (HookBench, Int64) async throws -> Void
  ) async throws {
    try await withHooks(configure) { bench in
      let hook = try await bench.register("store/order/*", at: "http://localhost:1/dead")
      let other = "http://127.0.0.1:\(bench.server.port)/exceptions"
      try await bench.register(scope, at: other)
      try await body(bench, hook)
    }
  }

  @Test func `an app is told of failures, once in ten minutes, and of the end`() async throws {
    let clock = ManualClock()
    try await withExceptions({ $0.clock = clock.clock }) { bench, hook in
      try await bench.fire("store/order/created", ["count": 3])
      try await bench.wait(1)
      #expect(try told(bench) == [90001])
      let data = try bench.receiver.all[0].json["data"]
      #expect(data?["type"] == "webhook" && data?["id"]?.integer == hook)
      for pause in [60, 180, 300, 600, 900, 1800, 3600, 7200, 21_600, 50_400, 86_400] {
        let before = try await bench.counts()["attempts"]?.integer ?? 0
        clock.advance(.seconds(pause))
        let isTried = try await eventually {
          try await bench.counts()["attempts"]?.integer ?? 0 >= before + 3
        }
        #expect(isTried)
      }
      // The failures after 60, 180 and 300 s came within ten minutes of the first.
      try await bench.wait(3, "given_up")
      let isTold = try await eventually { try told(bench).count == 9 }
      #expect(isTold)
      #expect(try told(bench) == Array(repeating: 90001, count: 8) + [90002])
    }
  }

  @Test func `an app is told of a block`() async throws {
    try await withExceptions { bench, _ in
      try await bench.setting(["faults": [["kind": "dead", "scope": "store/order"]]])
      try await bench.fire("store/order/created", ["count": 110])
      try await bench.wait(2)
      #expect(try told(bench).sorted { $0.text < $1.text } == [90001, 90003])
    }
  }

  @Test func `there is one, at a destination of its own`() async throws {
    try await withExceptions { bench, _ in
      let taken = "http://127.0.0.1:\(bench.server.port)/exceptions"
      let second = try await status(bench, scope, "https://a.example/")
      #expect(second == 422)
      #expect(try await status(bench, "store/cart/*", taken) == 422)
      #expect(try await status(bench, "store/cart/*", "http://localhost:1/dead") == 200)
    }
  }
}
