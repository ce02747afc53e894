import Base
import Crypto
import Foundation
import HTTPTypes
import Sandbox
import TestSupport
import Testing

/// The Python named by `LATCHKEY_PYTHON`, if it has the package `standardwebhooks`.
enum StandardWebhooks {
  static let python: String? = ProcessInfo.processInfo.environment["LATCHKEY_PYTHON"]

  private static let script = """
    import base64, json, sys
    from standardwebhooks.webhooks import Webhook, WebhookVerificationError
    for headers, body in json.loads(sys.argv[2]):
        try:
            Webhook(base64.b64encode(sys.argv[1].encode()).decode()).verify(body, headers)
            print("good")
        except WebhookVerificationError as error:
            print(error)
    """

  /// What the official library says of each: `good`, or its complaint.
  static func verdicts(_ arrivals: [Arrival], secret: String = "secret") async throws -> [String] {
    let cases = arrivals.map { arrival -> JSONValue in
      let headers = arrival.headers.map { JSONValue.Member($0.key, .string($0.value)) }
      return [
        .object(headers), .string(String(decoding: arrival.body, as: UTF8.self)),
      ]
    }
    let run = try await ProgramRun.of([
      try #require(python), "-c", script, secret, JSONValue.array(cases).text,
    ])
    try #require(run.status == 0, "\(run.output)")
    return run.output.split(separator: "\n").map(String.init)
  }
}

/// Whether the signature is what Standard Webhooks demand, by our own computation.
func isSigned(_ arrival: Arrival, secret: String = "secret") -> Bool {
  guard let id = arrival.id, let timestamp = arrival.headers["webhook-timestamp"] else {
    return false
  }
  let code = HMAC<SHA256>.authenticationCode(
    for: Array("\(id).\(timestamp).".utf8) + arrival.body,
    using: SymmetricKey(data: Array(secret.utf8)))
  return arrival.headers["webhook-signature"] == "v1," + Base64.encode(Array(code))
}

@Suite struct `Webhook deliveries` {
  @Test func `an event arrives with the hook's headers, signed, in the documented shape`()
    async throws
  {
    let clock = ManualClock()
    try await withHooks({ $0.clock = clock.clock }) { bench in
      try await bench.register("store/order/*", headers: ["X-Secret": "s3cret"])
      try await bench.fire(
        "store/order/created", ["data": ["type": "order", "id": 173_331]])
      try await bench.wait(1)
      let arrival = try #require(bench.receiver.all.first)
      #expect(arrival.target == "/hooks")
      #expect(arrival.headers["x-secret"] == "s3cret")
      #expect(arrival.headers["content-type"] == "application/json")
      #expect(arrival.headers["webhook-timestamp"] == "1800000000")
      #expect(isSigned(arrival))
      let body = try arrival.json
      #expect(body["scope"] == "store/order/created")
      #expect(body["store_id"] == "1000001")
      #expect(body["producer"] == "stores/demo1234")
      #expect(body["data"] == ["type": "order", "id": 173_331])
      #expect(body["created_at"] == 1_800_000_000)
      #expect(body["hash"]?.string?.firstMatch(of: /^[0-9a-f]{40}$/) != nil)
      #expect(body.members?.count == 6)
    }
  }

  @Test(
    .enabled(
      if: StandardWebhooks.python != nil,
      "OUR OWN COMPUTATION ONLY: set LATCHKEY_PYTHON to a Python that has standardwebhooks"))
  func `the official library accepts the signatures`() async throws {
    try await withHooks { bench in
      try await bench.register("store/*")
      try await bench.fire("store/product/updated", ["count": 20])
      try await bench.fire("store/order/created", ["data": ["type": "ördër", "id": 1]])
      try await bench.wait(21)
      let verdicts = try await StandardWebhooks.verdicts(bench.receiver.all)
      #expect(verdicts == Array(repeating: "good", count: 21))
      let others = try await StandardWebhooks.verdicts(bench.receiver.all, secret: "Secret")
      #expect(others == Array(repeating: "No matching signature found", count: 21))
    }
  }

  @Test func `retries climb the ladder with the same ID, signed anew, then the hook is off`()
    async throws
  {
    let clock = ManualClock()
    let ladder: [Int64] = [
      60, 180, 300, 600, 900, 1800, 3600, 7200, 21_600, 50_400, 86_400,
    ]
    try await withHooks({ $0.clock = clock.clock }) { bench in
      let hook = try await bench.register("store/order/created")
      bench.receiver.answer("500 Oops")
      try await bench.fire("store/order/created")
      try await bench.wait(1, "attempts")
      for (index, pause) in ladder.enumerated() {
        clock.advance(.seconds(pause) - .milliseconds(1))
        #expect(try await bench.counts()["attempts"]?.integer == Int64(index + 1))
        clock.advance(.milliseconds(1))
        try await bench.wait(index + 2, "attempts")
      }
      let arrivals = bench.receiver.all
      let stamps = arrivals.compactMap { $0.headers["webhook-timestamp"].flatMap { Int64($0) } }
      #expect(zip(stamps, stamps.dropFirst()).map { $1 - $0 } == ladder)
      #expect(Set(arrivals.map(\.id)).count == 1)
      #expect(Set(arrivals.map(\.body)).count == 1)
      #expect(arrivals.allSatisfy { isSigned($0) })
      #expect(try await bench.counts()["given_up"] == 1)
      let hooks = try await bench.client.get("/stores/demo1234/v3/hooks/\(hook)").json
      #expect(hooks["data"]?["is_active"] == false)
      let list = try await bench.client.get("/stores/demo1234/v3/hooks/admin").json["data"]
      #expect(list?["hooks_list"]?.array?.first?["status"] == "deactivated")
    }
  }

  @Test func `time is compressed, also for what waits already`() async throws {
    try await withHooks { bench in
      try await bench.register("store/order/created")
      bench.receiver.answer("503 Later")
      try await bench.fire("store/order/created")
      try await bench.wait(1, "attempts")
      try await bench.setting(["speed": 1_000_000])
      try await bench.wait(1, "given_up")
      #expect(bench.receiver.all.count == 12)
      #expect(try await bench.attempts().map { $0["attempt"]?.integer } == Array(1...12))
    }
  }

  @Test func `flush makes retries due, and an answered one is acknowledged`() async throws {
    try await withHooks({ $0.webhookConnections = 1 }) { bench in
      try await bench.register("store/order/created")
      bench.receiver.answer("404 Not Found")
      try await bench.fire("store/order/created", ["count": 3])
      try await bench.wait(3, "attempts")
      bench.receiver.answer("204 No Content")
      #expect(try await bench.client.control("webhooks/flush") == ["flushed": 3])
      try await bench.wait(3)
      let attempts = try await bench.attempts()
      #expect(attempts.map { $0["status"] } == [404, 404, 404, 204, 204, 204])
      #expect(attempts.map { $0["acknowledged"]?.bool }.suffix(3) == [true, true, true])
      let known = try await bench.client.control("events/acknowledged?after=1&limit=1", [:], .get)
      #expect(known.array?.count == 1)
      #expect(known.array?.first?["number"] == 2)
      #expect(known.array?.first?["event_id"]?.string == bench.receiver.all[1].id)
    }
  }

  /// An answer that is no acknowledgement.
  struct Refusal: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let status: String
    let headers: [String]
    let failure: String

    init(_ name: String, _ status: String, _ headers: [String], _ failure: String) {
      testDescription = name
      self.status = status
      self.headers = headers
      self.failure = failure
    }
  }

  @Test(arguments: [
    Refusal("redirect", "302 Found", ["Location: /elsewhere"], "status"),
    Refusal("server error", "500 Oops", [], "status"),
    Refusal("long name", "200 OK", ["X-\(String(repeating: "n", count: 63)): 1"], "headers"),
    Refusal("long value", "200 OK", ["X: \(String(repeating: "v", count: 8193))"], "headers"),
    Refusal("many headers", "200 OK", (1...64).map { "X-\($0): 1" }, "headers"),
  ])
  func `redirects, other statuses and too large heads are failures`(
    _ refusal: Refusal
  ) async throws {
    try await withHooks { bench in
      try await bench.register("store/order/created")
      bench.receiver.answer(refusal.status, headers: refusal.headers)
      try await bench.fire("store/order/created")
      try await bench.wait(1, "attempts")
      #expect(try await bench.attempts().first?["failure"]?.string == refusal.failure)
      #expect(try await bench.counts()["pending"] == 1)
      #expect(bench.receiver.all.count == 1)
    }
  }

  @Test func `an attempt has a limited time, and nobody there is a failure`() async throws {
    try await withHooks({ $0.webhookTimeout = .milliseconds(50) }) { bench in
      try await bench.register("store/order/created")
      try await bench.register("store/cart/created", at: "http://127.0.0.1:1/")
      bench.receiver.mute()
      try await bench.fire("store/order/created")
      try await bench.wait(1, "attempts")
      try await bench.setting(["timeout_ms": 10_000])
      try await bench.fire("store/cart/created")
      try await bench.wait(2, "attempts")
      let failures = try await bench.attempts().map { $0["failure"]?.string }
      #expect(failures == ["timeout", "connect"])
    }
  }

  @Test func `connections are kept and are not more than allowed`() async throws {
    try await withHooks({ $0.webhookConnections = 4 }) { bench in
      try await bench.register("store/order/created")
      try await bench.fire("store/order/created", ["count": 500])
      try await bench.wait(500)
      #expect(bench.server.connectionCount <= 4)
      #expect(Set(bench.receiver.all.map(\.id)).count == 500)
    }
  }

  @Test func `a paced volley goes to many stores in turn`() async throws {
    try await withHooks({ $0.stores = 3 }) { bench in
      for store in ["demo1234", "store0002", "store0003"] {
        var other = bench.client
        other = try await other.authorised(store: store)
        try await HookBench(client: other, receiver: bench.receiver, server: bench.server)
          .register("store/order/*", store: store)
      }
      try await bench.fire(
        "store/order/updated", ["count": 90, "rate": 3000, "store_hash": "*"])
      try await bench.wait(90)
      let producers = try bench.receiver.all.map { try $0.json["producer"]?.string ?? "" }
      let shares = Dictionary(grouping: producers) { $0 }.values.map(\.count)
      #expect(shares == [30, 30, 30])
      #expect(try await bench.counts()["to_fire"] == 0)
      let one = try await bench.client.control(
        "events/acknowledged?store=store0002&limit=100", [:], .get)
      #expect(one.array?.count == 30)
    }
  }

  @Test func `a destination that does not answer keeps no other waiting`() async throws {
    try await withHooks({ $0.webhookConnections = 2 }) { bench in
      try await bench.register("store/order/*")
      try await bench.register("store/cart/*", at: "http://localhost:\(bench.server.port)/")
      bench.receiver.mute()
      try await bench.fire("store/order/created", ["count": 10])
      #expect(try await eventually { bench.receiver.all.count == 2 })
      bench.receiver.unmute()
      try await bench.fire("store/cart/created", ["count": 10])
      try await bench.wait(10)
      #expect(try await bench.counts()["pending"] == 10)
    }
  }

  @Test func `the oldest deliveries are forgotten, counts are not`() async throws {
    try await withHooks({
      $0.webhookHistory = 10
      $0.webhookConnections = 1
    }) { bench in
      try await bench.register("store/order/*")
      try await bench.fire("store/order/created", ["count": 50])
      try await bench.wait(50)
      #expect(try await bench.counts()["pending"] == 0)
      let known = try await bench.client.control("events/acknowledged", [:], .get).array
      #expect(known?.compactMap { $0["number"]?.integer } == Array(41...50))
      #expect(known?.map { $0["event_id"]?.string } == bench.receiver.all.suffix(10).map(\.id))
      #expect(try await bench.attempts().compactMap { $0["number"]?.integer } == Array(41...50))
    }
  }

  @Test func `beyond so many pending deliveries none is begun, and volleys wait for room`()
    async throws
  {
    let clock = ManualClock()
    try await withHooks({
      $0.webhookPending = 20
      $0.clock = clock.clock
    }) { bench in
      try await bench.register("store/order/*")
      try await bench.setting(["faults": [["kind": "dead"]]])
      try await bench.fire("store/order/created", ["count": 50, "rate": 100_000])
      try await bench.wait(30, "refused")
      var counts = try await bench.counts()
      #expect(counts["pending"] == 20 && counts["fired"] == 20 && counts["to_fire"] == 0)
      try await bench.fire("store/order/created", ["count": 30])
      counts = try await bench.counts()
      #expect(counts["to_fire"] == 30 && counts["refused"] == 30 && counts["pending"] == 20)
      try await bench.setting(["faults": []])
      try await bench.client.control("webhooks/flush")
      try await bench.wait(50)
      #expect(try await bench.counts()["refused"] == 30)
    }
  }

  @Test func `a volley can be ended`() async throws {
    try await withHooks { bench in
      try await bench.register("store/order/*")
      try await bench.fire("store/order/created", ["count": 1_000_000, "rate": 1])
      try await bench.wait(1)
      #expect(try await bench.counts()["to_fire"] == 999_999)
      try await bench.client.control("events", [:], .delete)
      #expect(try await bench.counts()["to_fire"] == 0)
    }
  }

  @Test func `a reset ends what waits, and the settings are those of the start`() async throws {
    try await withHooks { bench in
      let settings = try await bench.client.control("webhooks", [:], .get)
      try await bench.register("store/order/*")
      try await bench.setting(["faults": [["kind": "dead"]], "timeout_ms": 5])
      try await bench.fire("store/order/created", ["count": 5])
      try await bench.client.control("reset")
      #expect(try await bench.client.control("webhooks", [:], .get) == settings)
      #expect(try await bench.client.control("webhooks/flush") == ["flushed": 0])
      let counts = try await bench.counts()
      #expect(counts.members?.allSatisfy { $0.value == 0 } == true)
      let again = HookBench(
        client: try await bench.client.authorised(), receiver: bench.receiver,
        server: bench.server)
      try await again.register("store/order/*")
      try await again.fire("store/order/created")
      try await again.wait(1)
    }
  }
}
