import Base
import Fields
import Gateway
import HTTPTypes
import NIOCore
import Postgres
import Storage
import TestSupport
import Testing
import Vault

@Suite(.bothWays) struct `Writes with an Idempotency-Key` {
  typealias Rig = IdempotencyRig

  private static let created = CountingServer.Act.answer(
    "201 Created", body: "{\"id\":118}",
    headers: ["Content-Type: application/json", "X-Thing: a", "X-Thing: b", "ETag: \"x\""])

  @Test(arguments: [HTTPRequest.Method.post, .put, .patch, .delete])
  func `a repetition gets the first answer, byte for byte, and is not sent`(
    _ method: HTTPRequest.Method
  ) async throws {
    try await Rig.run(CountingServer(Self.created)) { rig in
      let body = method == .delete ? "" : "{}"
      let first = try await rig.send(nil, method, body: body)
      #expect(rig.upstream.requests.count == 1)
      for number in 0..<3 {
        let answer = try await rig.send("k", method, body: body)
        #expect(answer.status == 201)
        #expect(answer.isReplay == (number > 0))
        #expect(answer.subject.idempotency == (number > 0 ? .replayed : .first))
        var headers = answer.headers
        headers[.latchkeyIdempotentReplay] = nil
        #expect(headers == first.headers)
        #expect(String(buffer: try await answer.bytes) == "{\"id\":118}")
        #expect(rig.upstream.requests.count == 2)
      }
    }
  }

  @Test func `the key goes nowhere but into the ledger`() async throws {
    try await Rig.run(CountingServer(Self.created)) { rig in
      _ = try await rig.send("secret-name")
      let arrived = try #require(rig.upstream.requests.first)
      #expect(arrived.hasPrefix("POST \(Rig.orders) HTTP/1.1\r\n") && arrived.hasSuffix(" {}"))
      #expect(!arrived.contains("secret-name") && !arrived.lowercased().contains("idempotency"))
    }
  }

  @Test func `reads do not heed it`() async throws {
    try await Rig.run(CountingServer(Self.created)) { rig in
      for method in [HTTPRequest.Method.get, .head] {
        for _ in 0..<2 {
          let answer = try await rig.send("k", method, body: "")
          #expect(!answer.isReplay && answer.status == 201)
        }
      }
      #expect(rig.upstream.requests.count == 4)
      let rows = try await rig.count(Statement("SELECT count(*) FROM keyed_writes"))
      #expect(rows == 0)
    }
  }

  @Test func `another request under the key is a conflict and is not sent`() async throws {
    try await Rig.run(CountingServer(Self.created)) { rig in
      _ = try await rig.send("k", body: "{\"a\":1}")
      let others = [
        try await rig.send("k", body: "{\"a\":2}"),
        try await rig.send("k", .put, body: "{\"a\":1}"),
        try await rig.send("k", .post, Rig.orders + "?x=1", body: "{\"a\":1}"),
        try await rig.send("k", body: "{\"a\":1}", headers: [("Content-Type", "text/xml")]),
        try await rig.send("k", body: ""),
      ]
      for answer in others {
        #expect(try await answer.summary == "409 idempotency_conflict not_sent")
        #expect(answer.subject.idempotency == .conflict)
        #expect(answer.headers[.latchkeyOrigin] == "gateway")
      }
      #expect(rig.upstream.requests.count == 1)
    }
  }

  @Test func `while it is under way, repetitions are told so; also after its caller has left`()
    async throws
  {
    let gate = Gate()
    let server = CountingServer(.wait(gate, "done"))
    try await Rig.run(server) { rig in
      let caller = Task { try await rig.send("k") }
      #expect(try await eventually { server.requests.count == 1 })
      let second = try await rig.send("k")
      #expect(try await second.summary == "409 idempotency_in_flight")
      #expect(second.headers[.retryAfter] == "1")
      #expect(try await second.problem["first_request_id"]?.string == "req-7")
      caller.cancel()
      await gate.open()
      #expect(
        try await eventually {
          let answer = try await rig.send("k")
          let body = String(buffer: try await answer.bytes)
          return answer.status == 200 && body == "done"
        })
      #expect(server.requests.count == 1)
    }
  }

  @Test func `of fifty at once one is sent, and all get its answer in the end`() async throws {
    try await Rig.run(CountingServer(Self.created)) { rig in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<50 {
          group.addTask {
            var answer = try await rig.send("k")
            while answer.status == 409 { answer = try await rig.send("k") }
            #expect(String(buffer: try await answer.bytes) == "{\"id\":118}")
          }
        }
        try await group.waitForAll()
      }
      #expect(rig.upstream.requests.count == 1)
    }
  }

  @Test func `stores, callers and keys are apart; a rotated key is the same caller`() async throws {
    var world = GatewayRig.World()
    let other = TestKey(.everything)
    let old = TestKey(.everything)
    let successor = TestKey(.everything, rotatedFrom: old)
    world.keys = [other.record, old.record, successor.record]
    try await Rig.run(CountingServer(Self.created), world: world) { [world] rig in
      #expect(world.keys.count == 3)
      let answers = [
        try await rig.send("k"), try await rig.send("k", .post, "/stores/xyz/v2/orders"),
        try await rig.send("l"), try await rig.send("k", caller: other.text),
        try await rig.send("k", caller: old.text),
      ]
      #expect(answers.allSatisfy { !$0.isReplay })
      #expect(try await rig.send("k", caller: successor.text).isReplay)
      #expect(rig.upstream.requests.count == 5)
    }
  }

  @Test func `a body of unknown length or beyond a mebibyte is refused`() async throws {
    try await Rig.run(CountingServer(Self.created)) { rig in
      let long = String(repeating: "x", count: 1 << 20)
      #expect(try await rig.send("k", body: long).status == 201)
      let refusals = [
        try await rig.send("l", body: long + "x"),
        try await rig.gateway.send(
          .post, Rig.orders, headers: [("Idempotency-Key", "m")], length: nil,
          body: pieces([ByteBuffer(string: "{}")])),
      ]
      for answer in refusals {
        #expect(try await answer.summary == "400 body_not_replayable not_sent")
      }
      let cut = try await rig.gateway.send(
        .post, Rig.orders, headers: [("Idempotency-Key", "n")], length: 5,
        body: pieces([ByteBuffer(string: "{}")]))
      #expect(try await cut.summary == "400 body_incomplete")
      #expect(rig.upstream.requests.count == 1)
      #expect(try await rig.count(Statement("SELECT count(*) FROM keyed_writes")) == 1)
    }
  }

  @Test func `a dry run records nothing and says whether the key would count`() async throws {
    try await Rig.run(CountingServer(Self.created)) { rig in
      for (key, method, counts) in [
        (String?.some("k"), HTTPRequest.Method.post, true), ("k", .get, false), (nil, .post, false),
      ] {
        let answer = try await rig.send(
          key, method, body: method == .get ? "" : "{}", headers: [("Latchkey-Dry-Run", "true")])
        #expect(try await answer.problem["idempotency"] == .bool(counts))
      }
      let refused = try await rig.gateway.send(
        .post, Rig.orders, headers: [("Latchkey-Dry-Run", "true"), ("Idempotency-Key", "k")],
        length: nil, body: pieces([]))
      let refusal = try await refused.problem["refusal"]
      #expect(refusal?["code"]?.string == "body_not_replayable")
      #expect(rig.upstream.requests.isEmpty)
      #expect(try await rig.count(Statement("SELECT count(*) FROM keyed_writes")) == 0)
    }
  }

  @Test func `without the database nothing is sent`() async throws {
    try await Rig.run(CountingServer(Self.created)) { rig in
      await rig.database.close()
      let answer = try await rig.send("k")
      #expect(try await answer.summary == "503 database_unavailable not_sent")
      #expect(answer.headers[.retryAfter] == "2")
      #expect(try await rig.send(nil).status == 201)
      #expect(rig.upstream.requests.count == 1)
    }
  }
}
