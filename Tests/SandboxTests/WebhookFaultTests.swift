import Base
import HTTPTypes
import Sandbox
import TestSupport
import Testing

@Suite struct `Webhook faults` {
  private func withFault(
    _ fault: JSONValue, _ body: @escaping @Sendable (HookBench) async throws -> Void
  ) async throws {
    try await withHooks({ $0.webhookConnections = 1 }) { bench in
      try await bench.register("store/order/*", headers: ["X-Secret": "s"])
      try await bench.setting(["faults": [fault]])
      try await body(bench)
    }
  }

  /// The IDs of the events' orders, in the order of arrival.
  private func orders(_ bench: HookBench) throws -> [Int64] {
    try bench.receiver.all.map { try $0.json["data"]?["id"]?.integer ?? 0 }
  }

  @Test func `duplicates are the same delivery again`() async throws {
    try await withFault(["kind": "duplicate", "copies": 2]) { bench in
      try await bench.fire("store/order/created", ["count": 2])
      try await bench.wait(6, "attempts")
      #expect(try await bench.counts()["acknowledged"] == 2)
      let arrivals = bench.receiver.all
      #expect(Set(arrivals.map(\.id)).count == 2)
      #expect(Set(arrivals.map(\.body)).count == 2)
      #expect(try orders(bench) == [1, 1, 1, 2, 2, 2])
    }
  }

  @Test func `one that is reordered comes after later ones of its store`() async throws {
    try await withFault(["kind": "reorder", "behind": 2, "times": 1, "delay_ms": 600_000]) {
      bench in
      try await bench.fire("store/order/created", ["count": 4])
      try await bench.wait(4)
      #expect(try orders(bench) == [2, 3, 1, 4])
    }
  }

  @Test func `one that nothing follows is let go after a while`() async throws {
    try await withFault(["kind": "reorder", "delay_ms": 1]) { bench in
      try await bench.fire("store/order/created")
      try await bench.wait(1)
    }
  }

  @Test func `a lost one never arrives, and is counted`() async throws {
    try await withFault(["kind": "lose", "skip": 1, "times": 2]) { bench in
      try await bench.fire("store/order/created", ["count": 5])
      try await bench.wait(3)
      #expect(try orders(bench) == [1, 4, 5])
      #expect(try await bench.counts()["lost"] == 2)
      #expect(try await bench.counts()["pending"] == 0)
      let lost = try await bench.client.control("events/lost", [:], .get)
      #expect(lost.array?.compactMap { $0["number"] } == [2, 3])
    }
  }

  @Test func `a share is met, the same ones for the same seed`() async throws {
    func lost(seed: JSONValue) async throws -> JSONValue {
      try await withSandboxLosing(seed: seed)
    }
    let first = try await lost(seed: 3)
    #expect((5...40).contains(first.array?.count ?? 0))
    #expect(try await lost(seed: 3) == first)
    #expect(try await lost(seed: 4) != first)
  }

  private func withSandboxLosing(seed: JSONValue) async throws -> JSONValue {
    try await withSandbox { client in
      let app = try await client.authorised()
      let hook: JSONValue = ["scope": "store/order/*", "destination": "http://127.0.0.1:9/"]
      _ = try await app.json(.post, "/stores/demo1234/v3/hooks", hook)
      let fault: JSONValue = ["kind": "lose", "share": .number("0.2"), "seed": seed]
      try await client.control("webhooks", ["faults": [fault]], .put)
      try await client.control("events", ["scope": "store/order/created", "count": 100])
      let lost = try await client.control("events/lost", [:], .get).array ?? []
      return .array(lost.compactMap { $0["number"] })
    }
  }

  @Test func `store and scope choose who is met`() async throws {
    try await withFault(["kind": "lose", "scope": "store/order/refund", "store": "demo1234"]) {
      bench in
      try await bench.fire("store/order/refund/created")
      try await bench.fire("store/order/created")
      try await bench.wait(1)
      #expect(try bench.receiver.all.map { try $0.json["scope"] } == ["store/order/created"])
      try await bench.setting(["faults": [["kind": "lose", "store": "other"]]])
      try await bench.fire("store/order/refund/created")
      try await bench.wait(2)
    }
  }

  @Test(arguments: [
    ("unsigned", true, false), ("no_signature_headers", false, false), ("wrong_secret", true, true),
    ("altered", true, true),
  ])
  func `a signature is missing or wrong`(
    _ kind: String, _ hasID: Bool, _ hasSignature: Bool
  ) async throws {
    try await withFault(["kind": .string(kind), "times": 1]) { bench in
      try await bench.fire("store/order/created", ["count": 2])
      try await bench.wait(2)
      let arrivals = bench.receiver.all
      #expect((arrivals[0].id != nil) == hasID)
      #expect((arrivals[0].headers["webhook-timestamp"] != nil) == hasID)
      #expect((arrivals[0].headers["webhook-signature"] != nil) == hasSignature)
      #expect(!isSigned(arrivals[0]))
      #expect(isSigned(arrivals[1]))
      let isAltered = try arrivals[0].json["altered"] != nil
      #expect(isAltered == (kind == "altered"))
      guard StandardWebhooks.python != nil else { return }
      #expect(try await StandardWebhooks.verdicts(arrivals).map { $0 == "good" } == [false, true])
    }
  }

  @Test func `a stale timestamp is signed as it is`() async throws {
    try await withFault(["kind": "stale", "seconds": 3600]) { bench in
      try await bench.fire("store/order/created")
      try await bench.wait(1)
      let arrival = try #require(bench.receiver.all.first)
      let stamp = try #require(arrival.headers["webhook-timestamp"].flatMap { Int64($0) })
      let created = try #require(try arrival.json["created_at"]?.integer)
      #expect((3598...3600).contains(created - stamp))
      #expect(isSigned(arrival))
      guard StandardWebhooks.python != nil else { return }
      #expect(try await StandardWebhooks.verdicts([arrival]) == ["Message timestamp too old"])
    }
  }

  @Test func `the hook's own headers are missing`() async throws {
    try await withFault(["kind": "no_custom_headers", "times": 1]) { bench in
      try await bench.fire("store/order/created", ["count": 2])
      try await bench.wait(2)
      #expect(bench.receiver.all.map { $0.headers["x-secret"] } == [nil, "s"])
      #expect(isSigned(bench.receiver.all[0]))
    }
  }

  @Test func `an attempt is late, by the clock`() async throws {
    let clock = ManualClock()
    try await withHooks({ $0.clock = clock.clock }) { bench in
      try await bench.register("store/order/*")
      try await bench.setting(["faults": [["kind": "delay", "delay_ms": 5000]]])
      try await bench.fire("store/order/created")
      clock.advance(.milliseconds(4999))
      #expect(try await bench.counts()["attempts"] == 0)
      clock.advance(.milliseconds(1))
      try await bench.wait(1)
      #expect(bench.receiver.all[0].headers["webhook-timestamp"] == "1800000005")
    }
  }

  @Test func `a dead destination fails without a connection, and comes back`() async throws {
    try await withFault(["kind": "dead", "times": 3]) { bench in
      try await bench.fire("store/order/created", ["count": 3])
      #expect(try await bench.attempts().map { $0["failure"] } == ["dead", "dead", "dead"])
      #expect(bench.server.connectionCount == 0)
      try await bench.client.control("webhooks/flush")
      try await bench.wait(3)
    }
  }

  @Test func `orders that make no sense are refused, and change nothing`() async throws {
    try await withHooks { bench in
      let before = try await bench.client.control("webhooks", [:], .get)
      for order: JSONValue in [
        ["sped": 2], ["speed": 0], ["connections": 0], ["faults": [["kind": "odd"]]],
        ["faults": [["kind": "lose", "shar": 1]]], ["faults": [["kind": "lose", "share": 2]]],
      ] {
        #expect(try await bench.client.json(.put, "/control/webhooks", order).status == 400)
      }
      #expect(try await bench.client.control("webhooks", [:], .get) == before)
      #expect(try await bench.client.json(.post, "/control/events", ["scope": "x"]).status == 400)
      #expect(try await bench.client.get("/control/events/odd").status == 404)
    }
  }
}
