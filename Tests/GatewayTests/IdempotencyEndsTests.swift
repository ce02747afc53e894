import Base
import Fields
import Gateway
import HTTPTypes
import NIOCore
import Postgres
import Storage
import TestSupport
import Testing
import Upstream
import Vault

@Suite struct `Ends of writes with an Idempotency-Key` {
  typealias Rig = IdempotencyRig

  @Test(arguments: [200, 204, 301, 400, 403, 404, 409, 422])
  func `answers are final, also refusals`(_ status: Int) async throws {
    let body = status == 204 ? "" : "text \(status)"
    try await Rig.run(CountingServer(.answer("\(status) Word", body: body))) { rig in
      for number in 0..<2 {
        let answer = try await rig.send()
        #expect(answer.status == status)
        #expect(answer.isReplay == (number == 1))
        #expect(String(buffer: try await answer.bytes) == body)
      }
      #expect(rig.upstream.requests.count == 1)
    }
  }

  @Test(arguments: ["401 No", "429 Slow", "509 Slow"])
  func `what BigCommerce refuses before it does anything leaves the key free`(
    _ status: String
  ) async throws {
    let server = CountingServer(
      .answer(
        status, headers: ["X-Rate-Limit-Time-Reset-Ms: 10", "X-Rate-Limit-Requests-Left: 0"]),
      .answer("200 OK"))
    try await Rig.run(server) { rig in
      let refused = try await rig.send(headers: [("Latchkey-Retry", "0")])
      #expect("\(refused.status)" == status.prefix(3))
      #expect(refused.headers[.latchkeyOrigin] == "upstream")
      let answer = try await rig.send()
      #expect(answer.status == 200)
      #expect(!answer.isReplay)
      #expect(server.requests.count == 2)
    }
  }

  @Test(arguments: [500, 502, 503, 504])
  func `a 5xx is given once; then nobody knows, and nothing is sent again`(_ status: Int)
    async throws
  {
    try await Rig.run(CountingServer(.answer("\(status) Bad", body: "oops"))) { rig in
      let first = try await rig.send()
      #expect(first.status == status)
      #expect(first.headers[.latchkeyOrigin] == "upstream")
      #expect(String(buffer: try await first.bytes) == "oops")
      for _ in 0..<2 {
        let again = try await rig.send()
        #expect(try await again.summary == "409 idempotency_unknown unknown")
        #expect(try await again.problem["cause"]?.string == "upstream_error")
        #expect(try await again.problem["upstream_status"] == .integer(status))
        #expect(again.subject.idempotency == .unknown)
      }
      #expect(rig.upstream.requests.count == 1)
    }
  }

  @Test func `a broken answer and silence are unknown, and stay so`() async throws {
    let cases: [(CountingServer.Act, String, String)] = [
      (.reset, "502 upstream_broken unknown", "upstream_broken"),
      (.raw("nonsense\r\n\r\n"), "502 upstream_broken unknown", "upstream_broken"),
      (
        .raw("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\nshort"),
        "502 upstream_broken unknown", "upstream_broken"
      ),
      (.hang, "504 upstream_timeout unknown", "upstream_timeout"),
    ]
    for (act, told, cause) in cases {
      try await Rig.run(CountingServer(act, .answer("200 OK"))) { rig in
        let first = try await rig.send(headers: [("Latchkey-Timeout", "1")])
        #expect(try await first.summary == told)
        let again = try await rig.send()
        #expect(try await again.summary == "409 idempotency_unknown unknown")
        #expect(try await again.problem["cause"]?.string == cause)
        #expect(rig.upstream.requests.count == 1)
      }
    }
  }

  @Test func `without a connection nothing was sent, and the key is free`() async throws {
    let server = CountingServer(.answer("200 OK"))
    try await Rig.run(server) { rig in
      let nowhere = try #require(Origin("http://127.0.0.1:\(try freePort())"))
      let elsewhere = IdempotencyRig(
        gateway: rig.gateway.with(origin: nowhere), database: rig.database, upstream: server)
      let refused = try await elsewhere.send()
      #expect(try await refused.summary == "502 upstream_unreachable not_sent")
      let answer = try await rig.send()
      #expect(answer.status == 200)
      #expect(!answer.isReplay)
    }
  }

  @Test(arguments: [true, false])
  func `an answer beyond a mebibyte is passed on whole, once`(hasLength: Bool) async throws {
    let size = (1 << 20) + 70_000
    let body = String(repeating: "y", count: size)
    let head = "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n"
    let act =
      hasLength
      ? CountingServer.Act.answer("201 Created", body: body)
      : .raw("\(head)\(String(size, radix: 16))\r\n\(body)\r\n0\r\n\r\n")
    try await Rig.run(CountingServer(act)) { rig in
      let first = try await rig.send()
      #expect(first.status == 201)
      #expect(String(buffer: try await first.bytes) == body)
      let again = try await rig.send()
      #expect(try await again.summary == "409 idempotency_not_kept done")
      #expect(try await again.problem["upstream_status"] == .integer(201))
      #expect(rig.upstream.requests.count == 1)
    }
  }

  @Test func `an answer that cannot be recorded is given all the same, and is not sent again`()
    async throws
  {
    let gate = Gate()
    let server = CountingServer(.wait(gate, "done"))
    try await Rig.run(server) { rig in
      async let first = rig.send()
      #expect(try await eventually { server.requests.count == 1 })
      // What the database refuses: the row may not become what it has to.
      _ = try await rig.database.query(
        Statement(
          "ALTER TABLE keyed_writes ADD CONSTRAINT broken CHECK (state <> 'done') NOT VALID"))
      await gate.open()
      let answer = try await first
      #expect(answer.status == 200)
      #expect(String(buffer: try await answer.bytes) == "done")
      #expect(try await rig.send().summary == "409 idempotency_in_flight")
      _ = try await rig.database.query(Statement("UPDATE keyed_writes SET lease_until = now()"))
      #expect(try await rig.send().summary == "409 idempotency_unknown unknown")
      #expect(server.requests.count == 1)
    }
  }

  @Test func `usage counts replays as calls, and bytes of both ways`() async throws {
    try await Rig.run(CountingServer(.answer("200 OK", body: "12345"))) { rig in
      for _ in 0..<3 {
        let answer = try await rig.send(body: "{}")
        _ = try await answer.bytes
      }
      var counts: [UsageCounts.Field: Int64] = [:]
      let fields: [UsageCounts.Field] = [
        .calls, .abandoned, .failed, .refused, .rejected, .sentBytes, .receivedBytes,
      ]
      _ = try await eventually {
        for cell in rig.gateway.usage.take() {
          for field in fields { counts[field, default: 0] += cell.counts[field] }
        }
        return counts[.calls] == 3
      }
      #expect(
        counts == [
          .calls: 3, .abandoned: 0, .failed: 0, .refused: 0, .rejected: 0, .sentBytes: 2,
          .receivedBytes: 15,
        ])
    }
  }
}
