import Base
import Curl
import HTTPTypes
import NIOCore
import NIOPosix
import Sandbox
import Testing

/// Sends bytes on a connection of its own and collects all that comes until it closes.
func rawExchange(_ sandbox: SandboxServer, _ text: String) async throws -> String {
  let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
    .connect(host: "127.0.0.1", port: sandbox.port) { channel in
      channel.eventLoop.makeCompletedFuture {
        try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
      }
    }
  return try await channel.executeThenClose { inbound, outbound in
    try await outbound.write(ByteBuffer(string: text))
    var received = ByteBuffer()
    for try await var part in inbound { received.writeBuffer(&part) }
    return String(buffer: received)
  }
}

@Suite struct `Faults` {
  private let target = "/stores/demo1234/v3/catalog/products"

  private func request(_ client: SandboxClient) -> String {
    "GET \(target)?limit=1 HTTP/1.1\r\nHost: sandbox\r\nX-Auth-Token: \(client.token ?? "")\r\n\r\n"
  }

  @Test func `a status comes so many times, then the truth again`() async throws {
    try await withSandbox { client in
      let app = try await client.authorised()
      let fault = try await client.control(
        "faults",
        [
          "kind": "status", "status": 503, "body": ["odd": true], "headers": ["retry-after": "7"],
          "path": "/v3/catalog", "times": 2,
        ])
      for _ in 0..<2 {
        let answer = try await app.get(target)
        #expect(answer.status == 503)
        #expect(answer.header("Retry-After") == "7")
        #expect(try answer.json == ["odd": true])
        #expect(try await app.get("/stores/demo1234/v3/hooks").status == 200)
      }
      #expect(try await app.get(target).status == 200)
      let listed = try await client.control("faults", [:], .get)
      #expect(listed.array?.first?["hits"] == 2)
      try await client.control("faults/\(fault["id"]?.integer ?? 0)", [:], .delete)
      #expect(try await client.control("faults", [:], .get) == [])
    }
  }

  @Test func `store, method and skip choose who is met`() async throws {
    try await withSandbox({ $0.stores = 2 }) { client in
      let one = try await client.authorised()
      let two = try await client.authorised(store: "store0002")
      try await client.control(
        "faults",
        ["kind": "status", "status": 500, "store": "store0002", "method": "GET", "skip": 1])
      #expect(try await one.get(target).status == 200)
      let other = "/stores/store0002/v3/catalog/products"
      #expect(try await two.get(other).status == 200)
      #expect(try await two.send(.delete, other + "/101").status == 204)
      #expect(try await two.get(other).status == 500)
      #expect(try await two.get(other).status == 500)
    }
  }

  @Test func `a share of requests is met, the same ones for the same seed`() async throws {
    func met(seed: JSONValue) async throws -> [Bool] {
      try await withSandbox { client in
        let app = try await client.authorised()
        try await client.control(
          "faults", ["kind": "status", "status": 503, "share": .number("0.25"), "seed": seed])
        var met: [Bool] = []
        for _ in 0..<80 { met.append(try await app.get(target).status == 503) }
        return met
      }
    }
    let first = try await met(seed: 1)
    #expect((8...36).contains(first.count { $0 }))
    #expect(try await met(seed: 1) == first)
    #expect(try await met(seed: 2) != first)
  }

  @Test(arguments: [
    ("before", 0...0), ("head", 20...250), ("body", 300...1500),
  ])
  func `a connection closes before, within the head or within the body`(
    _ place: String, _ lengths: ClosedRange<Int>
  ) async throws {
    try await withSandbox { client in
      let app = try await client.authorised()
      try await client.control(
        "faults", ["kind": "close", "at": .string(place), "host": "api", "times": 1])
      let text = try await rawExchange(client.sandbox, request(app))
      #expect(lengths.contains(text.utf8.count), "\(text.utf8.count) bytes")
      #expect(text.contains("\r\n\r\n") == (place == "body"))
      // Without a limit: curl may send a GET again when a connection dies without an answer.
      try await client.control("faults", ["kind": "close", "at": .string(place), "host": "api"])
      await #expect(throws: CurlError.self) { _ = try await app.get(target) }
    }
  }

  @Test func `a write may take effect although its answer is lost, or not`() async throws {
    try await withSandbox { client in
      let app = try await client.authorised()
      for (carriedOut, count) in [(true, 1), (false, 1)] {
        try await client.control(
          "faults",
          ["kind": "close", "method": "POST", "times": 1, "carry_out": .bool(carriedOut)])
        await #expect(throws: CurlError.self) {
          _ = try await app.json(
            .post, "/stores/demo1234/v3/hooks",
            ["scope": "store/order/*", "destination": .string("https://a.example/\(carriedOut)")])
        }
        let hooks = try await client.control("hooks/demo1234", [:], .get)
        #expect(hooks.array?.count == count)
      }
    }
  }

  @Test func `a truncated body is shorter than its head says`() async throws {
    try await withSandbox { client in
      let app = try await client.authorised()
      try await client.control("faults", ["kind": "truncate", "times": 1])
      let text = try await rawExchange(client.sandbox, request(app))
      let body = try #require(text.firstRange(of: "\r\n\r\n")).upperBound
      let announced = try #require(text.firstMatch(of: /content-length: (\d+)/)?.1)
      #expect(text[body...].utf8.count == (try #require(Int(announced))) / 2)
    }
  }

  @Test func `bad chunks, raw bytes and resets are no answers`() async throws {
    try await withSandbox { client in
      let app = try await client.authorised()
      for order: JSONValue in [
        ["kind": "bad_chunk"], ["kind": "reset"],
        ["kind": "raw", "text": "SPDY/9 OK\r\n\r\n"],
      ] {
        try await client.control("faults", order)
        await #expect(throws: CurlError.self) { _ = try await app.get(target) }
        try await client.control("faults", [:], .delete)
        #expect(try await app.get(target).status == 200)
      }
    }
  }

  @Test func `a hanging token endpoint never answers`() async throws {
    try await withSandbox { client in
      try await client.control("faults", ["kind": "hang", "host": "login", "times": 1])
      let origin = try #require(Origin(client.sandbox.origin))
      await #expect(throws: CurlError.firstByteTimeout) {
        _ = try await client.curl.send(
          CurlRequest(
            origin: origin, method: .post, target: "/oauth2/token",
            firstByteTimeout: .milliseconds(250)))
      }
      #expect(try await client.get("/oauth2/token").status == 302)
    }
  }

  @Test func `oversized bodies and heads are as large as ordered`() async throws {
    try await withSandbox { client in
      let app = try await client.authorised()
      try await client.control("faults", ["kind": "oversize", "bytes": 3_000_000, "times": 1])
      #expect(try await app.get(target).bytes.count == 3_000_000)
      try await client.control("faults", ["kind": "big_head", "bytes": 70_000, "times": 1])
      let text = try await rawExchange(
        client.sandbox, request(app).replacing("Host:", with: "Connection: close\r\nHost:"))
      #expect(text.utf8.count > 70_000)
    }
  }

  @Test func `slow bytes and delays take their time and change nothing`() async throws {
    try await withSandbox { client in
      let app = try await client.authorised()
      let whole = try await app.get(target + "?limit=1")
      try await client.control(
        "faults", ["kind": "slow", "bytes": 200, "every_ms": 10, "times": 1])
      let clock = ContinuousClock()
      var start = clock.now
      #expect(try await app.get(target + "?limit=1").bytes == whole.bytes)
      #expect(clock.now - start > .milliseconds(60))
      try await client.control("faults", ["kind": "delay", "delay_ms": 120, "times": 1])
      start = clock.now
      #expect(try await app.get(target + "?limit=1").status == 200)
      #expect(clock.now - start > .milliseconds(110))
    }
  }

  @Test func `429 comes with or without the headers`() async throws {
    try await withSandbox { client in
      let app = try await client.authorised()
      try await client.control(
        "faults", ["kind": "too_many_requests", "times": 1, "reset_ms": 1500])
      let with = try await app.get(target)
      #expect(with.status == 429)
      #expect(with.header("X-Rate-Limit-Time-Reset-Ms") == "1500")
      #expect(with.header("X-Retry-After") == "2")
      try await client.control(
        "faults", ["kind": "too_many_requests", "times": 1, "rate_limit_headers": false])
      let without = try await app.get(target)
      #expect(without.status == 429)
      #expect(without.header("X-Rate-Limit-Time-Reset-Ms") == nil)
    }
  }

  @Test func `a wrong order is refused by name`() async throws {
    try await withSandbox { client in
      for (order, word) in [
        (["kind": "explode"] as JSONValue, "kind"), (["kind": "delay", "foo": 1], "foo"),
        (["kind": "status", "status": 99], "status"), (["kind": "close", "at": "tail"], "at"),
      ] {
        let answer = try await client.json(.post, "/control/faults", order)
        #expect(answer.status == 400)
        #expect(try answer.json["error"]?.string?.contains(word) == true)
      }
    }
  }
}
