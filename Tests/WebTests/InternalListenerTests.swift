import Base
import BigCommerce
import Curl
import Fields
import Gateway
import HTTPTypes
import NIOCore
import TestSupport
import Testing

@testable import Web

@Suite struct `Internal listener` {
  private static let routes: [APIRoute] = [
    APIRoute(
      Operation(
        .get, "/v1/things", "listThings", .stores, "Lists things", access: .ability(.storesRead),
        parameters: [.limit], answers: [.done])
    ) { request throws(Problem) in
      APIAnswer(["limit": .integer(try request.query.limit())])
    },
    APIRoute(
      Operation(
        .post, "/v1/things/{id}", "nameThing", .stores, "Names a thing",
        access: .ability(.storesWrite),
        body: .object(.object([Field("name", .text(), "Its name.")]), upTo: ByteCount(100)),
        answers: [.done])
    ) { request throws(Problem) in
      let body = try request.object()
      return APIAnswer(
        ["id": .string(request.arguments[0]), "name": .string(try body.text("name"))], status: 201)
    },
  ]

  private func fixture() -> ListenerFixture {
    var fixture = ListenerFixture()
    fixture.routes = Self.routes
    return fixture
  }

  @Test func `the API demands a key, known paths, methods, parameters and fields`() async throws {
    let key = "Authorization: Bearer good\r\n"
    let cases: [(String, Int)] = [
      ("GET /v1/things HTTP/1.1\r\nHost: x\r\n\(key)\r\n", 200),
      ("GET /v1/things HTTP/1.1\r\nHost: x\r\n\r\n", 401),
      ("GET /v1/things?limit=0 HTTP/1.1\r\nHost: x\r\n\(key)\r\n", 400),
      ("GET /v1/things?other=1 HTTP/1.1\r\nHost: x\r\n\(key)\r\n", 400),
      ("GET /v1//things HTTP/1.1\r\nHost: x\r\n\(key)\r\n", 404),
      ("GET //v1/things HTTP/1.1\r\nHost: x\r\n\(key)\r\n", 404),
      ("GET /v1/%74hings HTTP/1.1\r\nHost: x\r\n\(key)\r\n", 404),
      ("DELETE /v1/things HTTP/1.1\r\nHost: x\r\n\(key)\r\n", 405),
      (
        "POST /v1/things/7 HTTP/1.1\r\nHost: x\r\n\(key)Content-Length: 12\r\n\r\n{\"name\":\"a\"}",
        201
      ),
      (
        "POST /v1/things/7 HTTP/1.1\r\nHost: x\r\n\(key)Content-Length: 12\r\n\r\n{\"nape\":\"a\"}",
        400
      ),
      ("POST /v1/things/7 HTTP/1.1\r\nHost: x\r\n\(key)Content-Length: 2\r\n\r\n[]", 400),
      (
        "POST /v1/things/7 HTTP/1.1\r\nHost: x\r\n\(key)Content-Length: 101\r\n\r\n"
          + String(repeating: " ", count: 101), 413
      ),
      ("POST /livez HTTP/1.1\r\nHost: x\r\n\r\n", 405),
      ("GET /auth/callback HTTP/1.1\r\nHost: x\r\n\(key)\r\n", 404),
    ]
    try await fixture().run { running in
      try await blocking {
        for (request, status) in cases {
          let answer = try RawConnection(port: running.internalPort).exchange(request)
          #expect(answer.status == status, "\(request)")
          #expect(answer["latchkey-origin"] == "gateway" && answer["x-request-id"] != nil)
          #expect(answer["content-security-policy"] != nil && answer["cache-control"] == "no-store")
        }
      }
    }
  }

  @Test func `what the upstream says passes, and what it leaves out is added`() async throws {
    var fixture = ListenerFixture()
    fixture.gateway = StubGateway { _ in
      let headers: FieldSection = [
        .cacheControl: "private", .latchkeyOrigin: "upstream", .eTag: "\"x\"",
      ]
      return GatewayResponse(
        status: 429, headers: headers, body: .bytes(ByteBuffer(string: "slow down")))
    }
    try await fixture.run { running in
      try await blocking {
        let answer = try RawConnection(port: running.internalPort).exchange(
          "GET /stores/a/v3/x HTTP/1.1\r\nHost: x\r\nX-Request-Id: call.7\r\n\r\n")
        #expect(answer.status == 429 && answer.text == "slow down" && answer["etag"] == "\"x\"")
        #expect(answer["cache-control"] == "private" && answer["latchkey-origin"] == "upstream")
        #expect(answer["x-request-id"] == "call.7" && answer["x-content-type-options"] == "nosniff")
        #expect(answer["date"] != nil && answer["server"] == nil)
      }
    }
  }

  @Test func `big bodies stream both ways, byte for byte`() async throws {
    var fixture = ListenerFixture()
    fixture.gateway = StubGateway { request in
      guard let body = request.body else { return .text("no body", status: 400) }
      return GatewayResponse(
        status: 200, headers: [:], body: .stream(length: request.contentLength, body))
    }
    let size = count(ordinary: 8, full: 64) << 20
    try await fixture.run { running in
      let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
      let connection = try await blocking { try RawConnection(port: running.internalPort) }
      async let sent: Void = blocking {
        connection.send("PUT /stores/a/v3/x HTTP/1.1\r\nHost: x\r\nContent-Length: \(size)\r\n\r\n")
        connection.send(bytes)
      }
      let answer = try await blocking {
        var rest: [UInt8] = []
        return try connection.response(rest: &rest)
      }
      try await sent
      #expect(answer.body == bytes)
    }
  }

  /// As when BigCommerce answers before it has taken the whole request: its reader is stopped
  /// after the first part, or before it.
  @Test(arguments: [true, false])
  func `a body that its reader leaves in the middle ends the connection, announced`(
    _ reads: Bool
  ) async throws {
    var fixture = ListenerFixture()
    fixture.gateway = StubGateway { request in
      guard let body = request.body else { return .text("no body") }
      guard reads else {
        (body as? any SendingObserver)?.sendingBegins()
        return .text("early", status: 413)
      }
      let reading = Task {
        var parts = body.makeAsyncIterator()
        _ = try await parts.next()
        withUnsafeCurrentTask { $0?.cancel() }
        return try await parts.next()
      }
      _ = await reading.result
      return .text("early", status: 413)
    }
    try await fixture.run { running in
      try await blocking {
        let connection = try RawConnection(port: running.internalPort)
        let answer = try connection.exchange(
          "POST /stores/a/v3/x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
        #expect(answer.status == 413 && answer.closes)
        #expect(connection.receiveToEnd().text.isEmpty)
        let next = try RawConnection(port: running.internalPort)
          .exchange("GET /stores/a/v3/x HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(next.text == "no body" && !next.closes)
      }
    }
  }

  @Test func `a call whose body breaks off learns of it and is never taken for whole`() async throws
  {
    let (outcomes, continuation) = AsyncStream.makeStream(of: Bool.self)
    var fixture = ListenerFixture()
    fixture.gateway = StubGateway { request in
      var isWhole = true
      do {
        if let body = request.body { for try await _ in body {} }
      } catch {
        isWhole = false
      }
      continuation.yield(isWhole)
      return .text("done")
    }
    try await fixture.run { running in
      for framing in [
        "Content-Length: 10\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabcX",
      ] {
        for ends in [true, false] {
          try await blocking {
            let connection = try RawConnection(port: running.internalPort)
            connection.send("POST /stores/a/v3/x HTTP/1.1\r\nHost: x\r\n\(framing)")
            ends ? connection.endSending() : connection.reset()
            _ = connection.receiveToEnd()
          }
          var iterator = outcomes.makeAsyncIterator()
          // A reset may come before the request was even read.
          if ends { #expect(await iterator.next() == false) }
        }
      }
    }
    continuation.finish()
    for await isWhole in outcomes { #expect(!isWhole) }
  }
}
