import Base
import Curl
import Fields
import Gateway
import HTTPTypes
import NIOCore
import Synchronization
import TestSupport
import Testing

/// What the server that plays BigCommerce received.
private final class Received: Sendable {
  private let texts = Mutex<[String]>([])
  private let bodies = Mutex<[ByteBuffer]>([])

  func add(_ head: String, _ body: ByteBuffer = ByteBuffer()) {
    texts.withLock { $0.append(head) }
    bodies.withLock { $0.append(body) }
  }

  var heads: [String] { texts.withLock { $0 } }
  var lastBody: ByteBuffer? { bodies.withLock { $0.last } }
}

@Suite(.bothWays) struct `Relayed calls` {
  private let received = Received()

  private func echo(_ answer: String = "{}", headers: [String] = []) -> MisbehavingServer.Script {
    { [received] connection in
      while true {
        let head = try await connection.readHead()
        var body = ByteBuffer()
        if head.contains("Transfer-Encoding: chunked") {
          body = try await connection.readChunked()
        } else if let range = head.firstRange(of: "Content-Length: "),
          let length = Int(head[range.upperBound...].prefix { $0.isNumber })
        {
          body = try await connection.read(length)
        }
        received.add(head, body)
        try await connection.answer("200 OK", answer, headers: headers)
      }
    }
  }

  @Test(arguments: [
    "/stores/abc/v3/catalog/products", "/stores/abc/v3/catalog/products/?",
    "/stores/abc/v3/catalog/products?a=%2F..%2f&b:in=1,2|3&c=%",
    "/stores/abc/v2/products/7.json", "/stores/abc/v3/catalog/products/%C3%A9%20x?q=\"<>`{}^\\[]'",
    "/stores/xyz/v2/orders?min_date_created=2026-01-01T00:00:00+00:00&x",
  ])
  func `path and query arrive byte for byte, with the token of that store`(_ target: String)
    async throws
  {
    try await GatewayRig.run(script: echo()) { rig in
      let response = try await rig.send(.get, target)
      #expect(response.status == 200)
      let head = try #require(received.heads.first)
      #expect(head.hasPrefix("GET \(target) HTTP/1.1\r\n"))
      let store = target.split(separator: "/")[1]
      #expect(head.contains("X-Auth-Token: token-\(store)\r\n"))
      #expect(!head.contains(rig.key.text))
    }
  }

  @Test func `headers follow the rules both ways`() async throws {
    let answer = [
      "Set-Cookie: a=b", "Content-Encoding: gzip", "X-Rate-Limit-Requests-Left: 9", "Date: today",
    ]
    try await GatewayRig.run(script: echo("x", headers: answer)) { rig in
      let response = try await rig.send(
        .get, "/stores/abc/v3/hooks",
        headers: [
          ("Cookie", "canary"), ("X-Forwarded-For", "canary"), ("Latchkey-Timeout", "110"),
          ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
          ("tracestate", "vendor=1"),
          ("Authorization", "Bearer \(rig.key.text)"), ("Accept-Encoding", "gzip"),
          ("X_Under", "canary"),
        ])
      let head = try #require(received.heads.first)
      #expect(!head.contains("canary"))
      #expect(!head.lowercased().contains("authorization"))
      for line in [
        "tracestate: vendor=1", "Accept-Encoding: gzip", "Accept: application/json",
        "User-Agent: Latchkey/test",
        "X-Correlation-Id: req-7", "Host: 127.0.0.1:\(rig.server.port)",
      ] { #expect(head.contains("\r\n\(line)\r\n"), "\(line)") }
      #expect(head.matches(of: /(?i)\r\nx-auth-token:/).count == 1)
      let traces = head.matches(
        of: /(?i)\r\ntraceparent: (00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01)\r\n/)
      #expect(traces.count == 1 && traces.first?.1.contains("b7ad6b7169203331") == false)
      #expect(!response.headers.has(.setCookie))
      #expect(response.headers[.contentEncoding] == "gzip")
      #expect(response.headers[.latchkeyOrigin] == "upstream")
      #expect(response.headers[.requestID] == "req-7")
      #expect(response.headers[.date] == nil)
    }
  }

  @Test func `bodies of every size and framing pass unchanged`() async throws {
    try await GatewayRig.run(script: echo()) { rig in
      for (size, known) in [
        (1, true), (70_000, true), (500_000, true), (5, false), (300_000, false),
      ] {
        let bytes = ByteBuffer(bytes: (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) })
        var rest = bytes
        var parts: [ByteBuffer] = []
        while let part = rest.readSlice(length: min(50_000, rest.readableBytes)),
          part.readableBytes > 0
        {
          parts.append(part)
        }
        let response = try await rig.send(
          .post, "/stores/abc/v3/catalog/products", length: known ? size : nil, body: pieces(parts))
        #expect(response.status == 200)
        #expect(received.lastBody == bytes, "\(size) bytes")
      }
    }
  }

  @Test func `an answer passes as it is: status, redirect, compressed bytes`() async throws {
    let gzip = ByteBuffer(bytes: [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 0xAB, 0xFF, 0, 1, 2])
    let script: MisbehavingServer.Script = { connection in
      let head = try await connection.readHead()
      if head.contains("/redirect") {
        try await connection.answer(
          "302 Found", headers: ["Location: http://elsewhere.example/trap"])
      } else if head.contains("/denied") {
        try await connection.answer("401 Unauthorized", "{\"status\":401}")
      } else {
        try await connection.send(
          "HTTP/1.1 207 Multi-Status\r\nContent-Encoding: gzip\r\nContent-Length: \(gzip.readableBytes)\r\n\r\n"
        )
        try await connection.send(gzip)
      }
    }
    try await GatewayRig.run(script: script) { rig in
      let plain = try await rig.send(.get, "/stores/abc/v3/x")
      #expect(plain.status == 207)
      #expect(try await plain.bytes == gzip)
      let redirect = try await rig.send(.get, "/stores/abc/v3/redirect")
      #expect(redirect.status == 302)
      #expect(redirect.headers[.location] == "http://elsewhere.example/trap")
      let denied = try await rig.send(.get, "/stores/abc/v3/denied")
      #expect(denied.status == 401)
      #expect(denied.headers[.latchkeyOrigin] == "upstream")
      #expect(rig.server.headCount == 3)
    }
  }

  @Test func `an answer to HEAD keeps its length and has no body`() async throws {
    try await GatewayRig.run(script: { connection in
      _ = try await connection.readHead()
      try await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n")
      try await connection.stall()
    }) { rig in
      let response = try await rig.send(.head, "/stores/abc/v3/catalog/products")
      #expect(response.status == 200)
      #expect(response.headers[.contentLength] == "1234")
      #expect(try await response.bytes.readableBytes == 0)
    }
  }

  @Test func `a long answer streams to its last byte`() async throws {
    let total = 8 * 1024 * 1024
    let chunk = ByteBuffer(repeating: 0x61, count: 64 * 1024)
    try await GatewayRig.run(script: { connection in
      _ = try await connection.readHead()
      try await connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(total)\r\n\r\n")
      for _ in 0..<(total / chunk.readableBytes) {
        try await connection.send(chunk)
      }
      try await connection.stall()
    }) { rig in
      let response = try await rig.send(.get, "/stores/abc/v3/x")
      guard case .stream(let length, let stream) = response.body else {
        Issue.record("not streamed")
        return
      }
      #expect(length == total)
      var read = 0
      for try await part in stream { read += part.readableBytes }
      #expect(read == total)
    }
  }

  @Test func `a body cut off after the head fails the stream`() async throws {
    try await GatewayRig.run(script: { connection in
      _ = try await connection.readHead()
      try await connection.send(
        "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + String(repeating: "x", count: 9))
    }) { rig in
      let response = try await rig.send(.get, "/stores/abc/v3/x")
      #expect(response.status == 200)
      await #expect(throws: CurlError.broken) { _ = try await response.bytes }
    }
  }

  @Test func `a caller who goes away ends the call upstream`() async throws {
    let (closed, told) = AsyncStream.makeStream(of: Void.self)
    let (arrived, reached) = AsyncStream.makeStream(of: Void.self)
    try await GatewayRig.run(script: { connection in
      _ = try await connection.readHead()
      reached.yield()
      try await connection.stall()
      told.yield()
    }) { rig in
      let call = Task { try await rig.send(.get, "/stores/abc/v3/x") }
      for await _ in arrived { break }
      call.cancel()
      _ = try await call.value
      for await _ in closed { break }
      #expect(await rig.client.transferCount() == 0)
    }
  }

  @Test func `an answer that nobody reads to its end ends the call upstream`() async throws {
    let (closed, told) = AsyncStream.makeStream(of: Void.self)
    try await GatewayRig.run(script: { connection in
      _ = try await connection.readHead()
      try await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\nx")
      try await connection.stall()
      told.yield()
    }) { rig in
      var response: GatewayResponse? = try await rig.send(.get, "/stores/abc/v3/x")
      #expect(response?.status == 200)
      response = nil
      for await _ in closed { break }
      #expect(await rig.client.transferCount() == 0)
    }
  }

  @Test func `a body that outgrows the limit while it streams is 413`() async throws {
    try await GatewayRig.run(
      adjust: { $1.maxBody = .kibibytes(256) },
      script: { connection in
        _ = try await connection.readHead()
        _ = try await connection.drain()
      }
    ) { rig in
      let part = ByteBuffer(repeating: 0x61, count: 100_000)
      let response = try await rig.send(
        .post, "/stores/abc/v3/catalog/products", length: nil, body: pieces([part, part, part]))
      #expect(try await response.summary == "413 body_too_large")
    }
  }

  @Test func `a caller's body that breaks off makes no complete call`() async throws {
    struct Gone: Error {}
    try await GatewayRig.run(script: echo()) { rig in
      let part = ByteBuffer(repeating: 0x61, count: 100_000)
      for length in [10, 200_000, nil] {
        let piece = length == 10 ? ByteBuffer(string: "abc") : part
        let response = try await rig.send(
          .post, "/stores/abc/v3/catalog/products", length: length,
          body: pieces([piece], thenThrow: Gone()))
        #expect(try await response.summary == "400 body_incomplete")
      }
      #expect(received.heads.isEmpty)
    }
  }
}

@Suite(.bothWays) struct `Faults upstream` {
  private func summary(
    _ headers: [(String, String)] = [],
    adjust: (inout CurlSettings, inout GatewaySettings) -> Void = { _, _ in },
    script: @escaping MisbehavingServer.Script
  ) async throws -> String {
    try await GatewayRig.run(adjust: adjust, script: script) { rig in
      let response = try await rig.send(.get, "/stores/abc/v3/x", headers: headers)
      #expect(response.headers[.latchkeyOrigin] == "gateway")
      #expect(response.headers[.contentType] == "application/problem+json")
      #expect(response.headers[.requestID] == "req-7")
      return try await response.summary
    }
  }

  @Test
  func `a server that closes without an answer, or talks nonsense, is 502 with unknown outcome`()
    async throws
  {
    for answer in ["", "nonsense\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Le"] {
      let summary = try await summary { connection in
        _ = try await connection.readHead()
        try await connection.send(answer)
      }
      #expect(summary == "502 upstream_broken unknown", "\(answer)")
    }
  }

  @Test func `silence is 504 with unknown outcome`() async throws {
    let summary = try await summary([("Latchkey-Timeout", "1")]) { connection in
      _ = try await connection.readHead()
      try await connection.stall()
    }
    #expect(summary == "504 upstream_timeout unknown")
  }

  @Test func `a server that is not there is 502, and nothing was sent`() async throws {
    let summary = try await GatewayRig.run(script: { _ in }) { rig in
      // A port that was just closed: nobody listens.
      let port = try await MisbehavingServer.run(script: { _ in }) { $0.port }
      let upstream = try #require(Origin("http://127.0.0.1:\(port)"))
      return try await rig.with(origin: upstream).send(.get, "/stores/abc/v3/x").summary
    }
    #expect(summary == "502 upstream_unreachable not_sent")
  }

  @Test func `a client that is shut down answers 503 with a time to come again`() async throws {
    try await GatewayRig.run(script: { _ in }) { rig in
      await rig.client.shutdown()
      let response = try await rig.send(.get, "/stores/abc/v3/x")
      #expect(try await response.summary == "503 draining not_sent")
      #expect(response.headers[.retryAfter] != nil)
    }
  }

  @Test func `a call that is cut when its client is shut down is of unknown outcome`() async throws
  {
    try await GatewayRig.run(script: { connection in
      _ = try await connection.readHead()
      try await connection.stall()
    }) { rig in
      async let response = rig.send(.post, "/stores/abc/v3/x")
      #expect(try await eventually { rig.server.headCount == 1 })
      await rig.client.shutdown()
      let summary = try await response.summary
      #expect(summary == "503 draining unknown")
    }
  }

  @Test func `stores and keys that are not known to be true are 503, whoever asks`() async throws {
    try await GatewayRig.run(script: { _ in }) { rig in
      let response = try await rig.withStaleDirectory().send(.get, "/stores/abc/v3/x")
      #expect(try await response.summary == "503 database_unavailable")
      #expect(response.headers[.retryAfter] != nil)
      #expect(rig.server.connectionCount == 0)
    }
  }

  @Test func `refused calls send nothing`() async throws {
    try await GatewayRig.run(script: { connection in try await connection.stall() }) { rig in
      for target in [
        "/stores/abc/v3/../x", "/stores/nobody/v3/hooks", "/stores/abc/v3/customers", "//abc",
      ] {
        let response = try await rig.send(.get, target)
        #expect((400..<500).contains(response.status))
        #expect(response.headers[.latchkeyOrigin] == "gateway")
      }
      #expect(rig.server.connectionCount == 0)
    }
  }
}
