import Base
import Foundation
import Gateway
import HTTPTypes
import NIOCore
import TestSupport
import Testing

@testable import Web

@Suite struct `Connection guard` {
  private static let end = "\r\n\r\n"

  /// Sends bytes to the internal listener and reads until it closes.
  private func exchange(_ text: String, _ fixture: ListenerFixture = ListenerFixture()) async throws
    -> String
  {
    let answer = Answer()
    try await fixture.run { running in
      await answer.set(
        try await blocking {
          let connection = try RawConnection(port: running.internalPort)
          connection.send(text)
          return try connection.receiveAll()
        })
    }
    return await answer.text
  }

  private actor Answer {
    var text = ""
    func set(_ text: String) { self.text = text }
  }

  @Test(arguments: [
    ("GET http://x/stores/a/v3 HTTP/1.1\r\nHost: x", "400"), ("GET * HTTP/1.1\r\nHost: x", "400"),
    ("GET /a#b HTTP/1.1\r\nHost: x", "400"), ("GET /a HTTP/1.1", "400"),
    ("GET /a HTTP/1.1\r\nHost: x\r\nHost: x", "400"), ("GET /a HTTP/1.1\r\nHost: ", "400"),
    ("GET /a HTTP/1.1\r\nHost: a@b", "400"), ("CONNECT x:1 HTTP/1.1\r\nHost: x", "501"),
    ("TRACE / HTTP/1.1\r\nHost: x", "501"), ("OPTIONS / HTTP/1.1\r\nHost: x", "501"),
    ("PROPFIND / HTTP/1.1\r\nHost: x", "501"), ("BREW / HTTP/1.1\r\nHost: x", "400"),
    ("GET /a HTTP/1.1\r\nHost: x\r\nExpect: magic", "417"),
    ("GET /a HTTP/2.0\r\nHost: x", "400"),
    ("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked", "400"),
    ("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2", "400"),
    ("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: -1", "400"),
    ("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1,1", "400"),
    ("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0x1", "400"),
    ("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip", "400"),
    ("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, chunked", "400"),
    ("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked", "400"),
    ("GET /a HTTP/1.1\r\nHost: x\r\nA : b", "400"),
    ("GET /a HTTP/1.1\r\nHost: x\r\nA: b\r\n c", "400"),
    ("GET /a HTTP/1.1\r\nHost: x\r\nA: b\u{0}c", "400"), ("GET /a b HTTP/1.1\r\nHost: x", "400"),
    ("GET /a\u{7F} HTTP/1.1\r\nHost: x", "400"),
    ("GET /\(String(repeating: "a", count: 20_000)) HTTP/1.1\r\nHost: x", "4"),
    ("GET /a HTTP/1.1\r\nHost: x\r\nA: \(String(repeating: "b", count: 20_000))", "431"),
    (
      "GET /a HTTP/1.1\r\nHost: x\r\n" + (0..<200).map { "A\($0): b" }.joined(separator: "\r\n"),
      "431"
    ),
  ])
  func `what breaks the rules is refused and the connection closed`(
    _ head: String, _ status: String
  ) async throws {
    let answer = try await exchange(head + Self.end)
    #expect(answer.hasPrefix("HTTP/1.1 \(status)"), "\(answer.prefix(300))")
    #expect(answer.contains("application/problem+json"))
    #expect(answer.lowercased().contains("connection: close"))
  }

  @Test func `bad chunk framing ends the connection without an answer of the gateway`() async throws
  {
    let answer = try await exchange(
      "POST /stores/a/v3/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
    #expect(!answer.contains("POST /stores"))
  }

  @Test func `a target arrives as its bytes`() async throws {
    let target = "/stores/a/v3/x%2F..//y;z?q=%C3%A9&a:b,c|d=[1]"
    let answer = try await exchange(
      "GET \(target) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    #expect(answer.hasSuffix("GET \(target) 0"))
  }

  @Test func `pipelined requests are answered in their order, and a refusal comes last`()
    async throws
  {
    let answer = try await exchange(
      "GET /stores/a/v3/1 HTTP/1.1\r\nHost: x\r\n\r\nGET /stores/a/v3/2 HTTP/1.1\r\nHost: x\r\n\r\n"
        + "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n")
    let first = try #require(answer.range(of: "GET /stores/a/v3/1 0"))
    let second = try #require(answer.range(of: "GET /stores/a/v3/2 0"))
    let refusal = try #require(answer.range(of: "bad_target"))
    #expect(first.upperBound < second.lowerBound && second.upperBound < refusal.lowerBound)
  }

  @Test func `an expectation is met before the body is sent`() async throws {
    try await ListenerFixture().run { running in
      try await blocking {
        let connection = try RawConnection(port: running.internalPort)
        connection.send(
          "POST /stores/a/v3/x HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n"
            + "Connection: close\r\n\r\n")
        #expect(try connection.receive(until: "\r\n\r\n").hasPrefix("HTTP/1.1 100"))
        connection.send("abcd")
        #expect(try connection.receiveAll().hasSuffix("POST /stores/a/v3/x 4"))
      }
    }
  }

  @Test func `slow heads, bodies and readers are cut while others are served`() async throws {
    var fixture = ListenerFixture()
    fixture.limits.head = .milliseconds(300)
    fixture.limits.body = .milliseconds(300)
    fixture.limits.bodyBytesPerSecond = 1_000_000
    fixture.limits.write = .milliseconds(300)
    fixture.limits.idle = .milliseconds(300)
    fixture.gateway = StubGateway { request in
      if request.target.hasSuffix("/big") {
        return .text(String(repeating: "x", count: 64 << 20))
      }
      return await StubGateway.echo.respond(to: request)
    }
    try await fixture.run { running in
      let port = running.internalPort
      try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask {
          let answer = try await blocking {
            let connection = try RawConnection(port: port)
            connection.send("GET /stores/a/v3/x HT")
            return try connection.receiveAll()
          }
          #expect(answer.hasPrefix("HTTP/1.1 408"))
        }
        tasks.addTask {
          let answer = try await blocking {
            let connection = try RawConnection(port: port)
            connection.send(
              "POST /stores/a/v3/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nab")
            return try connection.receiveAll()
          }
          #expect(!answer.contains("POST /stores"))
        }
        tasks.addTask {
          let answer = try await blocking {
            let connection = try RawConnection(port: port)
            connection.send("GET /stores/a/v3/x HTTP/1.1\r\nHost: x\r\n\r\n")
            return try connection.receiveAll()
          }
          #expect(
            answer.hasSuffix("GET /stores/a/v3/x 0"),
            "an idle connection is closed after its answer")
        }
        tasks.addTask {
          try await blocking {
            let connection = try RawConnection(port: port)
            connection.send("GET /stores/a/v3/big HTTP/1.1\r\nHost: x\r\n\r\n")
            _ = try connection.receive()
            // Others are answered, and cut, while this one reads nothing; then it finds itself cut.
            for _ in 0..<4 {
              let other = try RawConnection(port: port)
              other.send("GET /stores/a/v3/y HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
              #expect(try other.receiveAll().hasSuffix("GET /stores/a/v3/y 0"))
              let slow = try RawConnection(port: port)
              slow.send("GET ")
              #expect(try slow.receiveAll().hasPrefix("HTTP/1.1 408"))
            }
            let received = try connection.receiveAll().utf8.count
            #expect(received < 64 << 20)
          }
        }
        try await tasks.waitForAll()
      }
    }
  }

  @Test func `a draining listener closes after each answer`() async throws {
    try await ListenerFixture().run { running in
      running.draining.begin()
      try await blocking {
        let connection = try RawConnection(port: running.internalPort)
        connection.send("GET /stores/a/v3/x HTTP/1.1\r\nHost: x\r\n\r\n")
        let answer = try connection.receiveAll()
        #expect(answer.hasSuffix("GET /stores/a/v3/x 0"))
        #expect(answer.lowercased().contains("connection: close"))
      }
    }
  }

  @Test func `a client that hangs up cancels the call`() async throws {
    var fixture = ListenerFixture()
    let (ended, continuation) = AsyncStream.makeStream(of: Bool.self)
    fixture.gateway = StubGateway { _ in
      let forever = AsyncStream<Void> { _ in }
      for await _ in forever {}
      continuation.yield(Task.isCancelled)
      return .text("late")
    }
    try await fixture.run { running in
      try await blocking {
        let connection = try RawConnection(port: running.internalPort)
        connection.send("GET /stores/a/v3/x HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.reset()
      }
      var iterator = ended.makeAsyncIterator()
      #expect(await iterator.next() == true)
    }
  }

  @Test func `a body that breaks off after its head never looks complete`() async throws {
    struct Broken: Error {}
    var fixture = ListenerFixture()
    fixture.gateway = StubGateway { request in
      let isKnown = request.target.hasSuffix("known")
      let stream = AsyncThrowingStream<ByteBuffer, any Error> { continuation in
        continuation.yield(ByteBuffer(string: "part"))
        continuation.finish(throwing: Broken())
      }
      return GatewayResponse(
        status: 200, headers: [:], body: .stream(length: isKnown ? 100 : nil, stream))
    }
    for kind in ["known", "chunked"] {
      let answer = try await exchange(
        "GET /stores/a/v3/\(kind) HTTP/1.1\r\nHost: x\r\n\r\n", fixture)
      #expect(answer.hasPrefix("HTTP/1.1 200") || answer.isEmpty)
      #expect(!answer.contains("\r\n0\r\n\r\n"))
    }
  }
}
