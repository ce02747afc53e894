import Base
import Fields
import Gateway
import HTTPTypes
import NIOCore
import TestSupport
import Testing

@testable import Web

@Suite struct `Connection guard` {
  private func get(_ path: String, close: Bool = true) -> String {
    "GET /stores/a/v3/\(path) HTTP/1.1\r\nHost: x\r\n"
      + (close ? "Connection: close\r\n\r\n" : "\r\n")
  }

  @Test(arguments: [
    ("TRACE / HTTP/1.1\r\nHost: x", 405, "method_not_allowed"),
    ("GET http://x/ HTTP/1.1\r\nHost: x", 400, "bad_target"),
    ("GET / HTTP/1.1", 400, "bad_host"),
    ("GET / HTTP/3.0\r\nHost: x", 505, "version_not_supported"),
    ("GET / HTTP/1.1\r\nHost: x\r\nExpect: magic", 417, "expectation_failed"),
    ("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x", 400, "bad_framing"),
    ("GET / HTTP/1.1\r\nHost: x\r\nA : b", 400, "malformed_request"),
  ])
  func `a refusal is a problem with an ID, the security fields and the end of the connection`(
    _ head: String, _ status: Int, _ code: String
  ) async throws {
    try await ListenerFixture().run { running in
      for port in [running.publicPort, running.internalPort] {
        let answer = try await blocking {
          try RawConnection(port: port).exchange(head + "\r\n\r\n")
        }
        #expect(answer.status == status)
        let problem = try JSONScanner.parse(answer.body)
        #expect(problem["code"]?.string == code)
        #expect(problem["request_id"]?.string == answer["x-request-id"])
        #expect(answer["content-type"] == "application/problem+json" && answer.closes)
        #expect(answer["x-content-type-options"] == "nosniff")
        #expect(answer["referrer-policy"] == "no-referrer")
        #expect(answer["cache-control"] == "no-store")
        #expect(answer["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'")
        #expect(answer["latchkey-origin"] == (port == running.internalPort ? "gateway" : nil))
        #expect((answer["allow"] != nil) == (status == 405))
      }
    }
  }

  @Test func `a refused HEAD has no body`() async throws {
    try await ListenerFixture().run { running in
      try await blocking {
        let connection = try RawConnection(port: running.publicPort)
        connection.send("HEAD /#a HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(try connection.receiveAll().hasSuffix("\r\n\r\n"))
      }
    }
  }

  @Test(arguments: [10_000, 66_000, 1_000_000])
  func `a head with very many fields is refused early`(_ count: Int) async throws {
    try await ListenerFixture().run { running in
      try await blocking {
        let connection = try RawConnection(port: running.publicPort)
        connection.send("GET / HTTP/1.1\r\nHost: x\r\n")
        let block = String(repeating: "A: b\r\n", count: 1000)
        for _ in 0..<(count / 1000) where !connection.send(block) { break }
        connection.send("\r\n")
        let (answers, _) = connection.responses()
        // The answer may be lost to a reset when the client goes on sending for long; then nothing
        // is answered at all.
        #expect(answers.isEmpty || answers.map(\.status) == [431])
        let next = try RawConnection(port: running.publicPort).exchange(
          "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(next.status == 200)
      }
    }
  }

  @Test func `a target arrives as its bytes`() async throws {
    try await ListenerFixture().run { running in
      try await blocking {
        for target in [
          "/stores/a/v3/x%2F..//y;z?q=%C3%A9&a:b,c|d=[1]", "/stores//a", "/stores/a/v3/x?",
          "/stores/../x",
          "/stores/a?x://y?z", "/stores/a//b///", "/stores/%73tores\"<>^`{}",
        ] {
          let answer = try RawConnection(port: running.internalPort).exchange(
            "GET \(target) HTTP/1.1\r\nHost: x\r\n\r\n")
          #expect(answer.text == "GET \(target) 0")
        }
      }
    }
  }

  @Test func `pipelined requests are answered in their order, and a refusal comes last`()
    async throws
  {
    var fixture = ListenerFixture()
    fixture.gateway = StubGateway { request in
      // Later requests would be ready sooner.
      if request.target.hasSuffix("/0") {
        for _ in 0..<1000 { await Task.yield() }
      }
      return await StubGateway.echo.respond(to: request)
    }
    try await fixture.run { running in
      try await blocking {
        let connection = try RawConnection(port: running.internalPort)
        var all = (0..<200).map { get("\($0)", close: false) }
        all.insert(
          "POST /stores/a/v3/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
          at: 100)
        connection.send(all.joined() + "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n" + get("after"))
        let (answers, failure) = connection.responses()
        #expect(failure == nil)
        var texts = (0..<200).map { "GET /stores/a/v3/\($0) 0" }
        texts.insert("POST /stores/a/v3/p 3", at: 100)
        #expect(answers.dropLast().map(\.text) == texts)
        #expect(answers.last?.status == 400)
      }
    }
  }

  @Test func `a request that arrives byte by byte is the same request`() async throws {
    try await ListenerFixture().run { running in
      try await blocking {
        let connection = try RawConnection(port: running.internalPort)
        let bytes =
          "POST /stores/a/v3/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
          + "4\r\nabcd\r\n2\r\nef\r\n0\r\n\r\n" + get("second")
        for byte in bytes.utf8 { connection.send([byte]) }
        let (answers, failure) = connection.responses()
        #expect(failure == nil)
        #expect(answers.map(\.text) == ["POST /stores/a/v3/x 6", "GET /stores/a/v3/second 0"])
      }
    }
  }

  @Test
  func `a waiting client is told to go on when its body is wanted, and not when it is refused`()
    async throws
  {
    var fixture = ListenerFixture()
    fixture.gateway = StubGateway { request in
      request.target.hasSuffix("/no")
        ? .text("no", status: 401) : await StubGateway.echo.respond(to: request)
    }
    try await fixture.run { running in
      try await blocking {
        let head = { (path: String) in
          "POST /stores/a/v3/\(path) HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
        }
        let wanted = try RawConnection(port: running.internalPort)
        wanted.send(head("yes"))
        #expect(try wanted.receive(until: "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n")
        let answer = try wanted.exchange("abcd")
        #expect(answer.text == "POST /stores/a/v3/yes 4" && !answer.closes)

        let unwanted = try RawConnection(port: running.internalPort)
        let refusal = try unwanted.exchange(head("no"))
        #expect(refusal.status == 401 && refusal.closes)

        // A client that does not wait gets its answer without a 100 or after it.
        let hasty = try RawConnection(port: running.internalPort)
        let (answers, _) = {
          hasty.send(head("yes") + "abcd" + get("x"))
          return hasty.responses()
        }()
        #expect(answers.filter { $0.status == 200 }.count == 2)
      }
    }
  }

  @Test func `HEAD is answered like GET without the body, and the connection goes on`() async throws
  {
    var fixture = ListenerFixture()
    fixture.gateway = StubGateway { request in
      if request.target.hasSuffix("/stream") {
        let parts = AsyncThrowingStream<ByteBuffer, any Error> { $0.finish() }
        return GatewayResponse(status: 200, headers: [:], body: .stream(length: nil, parts))
      }
      return GatewayResponse(
        status: 200, headers: [.contentLength: "4311"], body: .bytes(ByteBuffer()))
    }
    try await fixture.run { running in
      try await blocking {
        let connection = try RawConnection(port: running.internalPort)
        for (path, length) in [("known", "4311"), ("stream", nil)] {
          let answer = try connection.exchange(
            "HEAD /stores/a/v3/\(path) HTTP/1.1\r\nHost: x\r\n\r\n", toHEAD: true)
          #expect(answer.status == 200 && answer["content-length"] == length && !answer.closes)
        }
        let live = try connection.exchange("HEAD /livez HTTP/1.1\r\nHost: x\r\n\r\n", toHEAD: true)
        #expect(live.status == 200 && live["content-length"] == "3")
        let page = try RawConnection(port: running.publicPort)
          .exchange("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", toHEAD: true)
        #expect(page.status == 200 && (page["content-length"].flatMap { Int($0) } ?? 0) > 1000)
      }
    }
  }

  @Test func `HTTP 1.0 is answered without chunks, and the connection ends`() async throws {
    var fixture = ListenerFixture()
    fixture.gateway = StubGateway { request in
      let parts = AsyncThrowingStream<ByteBuffer, any Error> { continuation in
        for part in ["ab", "cd"] { continuation.yield(ByteBuffer(string: part)) }
        continuation.finish()
      }
      return GatewayResponse(status: 200, headers: [:], body: .stream(length: nil, parts))
    }
    try await fixture.run { running in
      try await blocking {
        let connection = try RawConnection(port: running.internalPort)
        connection.send(
          "GET /stores/a/v3/x HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n" + get("second")
        )
        let all = try connection.receiveAll()
        #expect(all.hasPrefix("HTTP/1.0 200") && all.hasSuffix("\r\n\r\nabcd"))
        #expect(!all.lowercased().contains("transfer-encoding"))
      }
    }
  }

  @Test func `answers that break off or have the wrong length end in a reset`() async throws {
    struct Broken: Error {}
    var fixture = ListenerFixture()
    fixture.gateway = StubGateway { request in
      let kind = request.target.split(separator: "/").last ?? ""
      let parts = AsyncThrowingStream<ByteBuffer, any Error> { continuation in
        continuation.yield(ByteBuffer(string: "part"))
        kind == "broken" || kind == "chunked" || kind == "old"
          ? continuation.finish(throwing: Broken()) : continuation.finish()
      }
      let length: Int? = kind == "chunked" || kind == "old" ? nil : kind == "long" ? 3 : 100
      return GatewayResponse(status: 200, headers: [:], body: .stream(length: length, parts))
    }
    let counters = fixture.internalCounters
    try await fixture.run { running in
      try await blocking {
        for kind in ["broken", "chunked", "short", "long", "old"] {
          let connection = try RawConnection(port: running.internalPort)
          let version = kind == "old" ? "1.0" : "1.1"
          connection.send("GET /stores/a/v3/\(kind) HTTP/\(version)\r\nHost: x\r\n\r\n")
          let (text, wasReset) = connection.receiveToEnd()
          #expect(wasReset, "\(kind): \(text)")
          #expect(!text.contains("\r\n0\r\n\r\n"))
        }
        // The client may see the end before it is counted.
        try blockUntil { counters.requestsInFlight == 0 }
      }
    }
  }
}
