import Base
import Foundation
import HTTPTypes
import NIOCore
import NIOPosix
import Reactor
import TestSupport
import Testing

@testable import Curl

/// Lends a client on loops of its own, and shuts everything down.
func withClient<Result: Sendable>(
  loops: Int = 1, _ settings: CurlSettings = CurlSettings(),
  _ body: @Sendable (CurlClient) async throws -> Result
) async throws -> Result {
  let group = MultiThreadedEventLoopGroup(numberOfThreads: loops)
  let reactor = try Reactor(loops: Array(group.makeIterator()))
  let client = try CurlClient(reactor: reactor, settings: settings)
  func end() async throws {
    await client.shutdown()
    await reactor.shutdown()
    try await group.shutdownGracefully()
  }
  do {
    let result = try await body(client)
    try await end()
    return result
  } catch {
    try await end()
    throw error
  }
}

/// Lends a client and a server with this script.
func withClientAndServer<Result: Sendable>(
  loops: Int = 1, _ settings: CurlSettings = CurlSettings(),
  script: @escaping MisbehavingServer.Script,
  _ body: @Sendable (CurlClient, MisbehavingServer) async throws -> Result
) async throws -> Result {
  try await MisbehavingServer.run(script: script) { server in
    try await withClient(loops: loops, settings) { try await body($0, server) }
  }
}

extension MisbehavingServer {
  /// A request to this server.
  func request(
    _ method: HTTPRequest.Method = .get, _ target: String = "/", _ headers: HTTPFields = [:],
    body: CurlRequest.Body = .none
  ) throws -> CurlRequest {
    let origin = try #require(Origin("http://127.0.0.1:\(port)"))
    return CurlRequest(origin: origin, method: method, target: target, headers: headers, body: body)
  }
}

extension CurlResponseBody {
  var text: String {
    get async throws { String(buffer: try await collect(upTo: .mebibytes(128))) }
  }
}

@Suite struct `HTTP client` {
  @Test func `a request goes out as it was given and its answer comes back`() async throws {
    try await withClientAndServer { connection in
      while true {
        let head = try await connection.readHead()
        try await connection.answer("200 Fine", head, headers: ["X-Test: 1", "X-Test:  two "])
      }
    } _: { client, server in
      for _ in 0..<3 {
        let response = try await client.send(
          server.request(.get, "/a/../b?x=1&y=%2e", [.accept: "a/b", .init("X-Empty")!: ""]))
        #expect(response.status == 200)
        #expect(response.headers[values: .init("X-Test")!] == ["1", "two"])
        #expect(
          try await response.body.text
            == "GET /a/../b?x=1&y=%2e HTTP/1.1\r\nHost: 127.0.0.1:\(server.port)\r\nAccept: a/b\r\nX-Empty:\r\n\r\n"
        )
      }
      #expect(server.connectionCount == 1)
    }
  }

  @Test func `a body goes up and a larger one comes down`() async throws {
    try await withClientAndServer { connection in
      while true {
        _ = try await connection.readHead()
        let body = try await connection.readChunked()
        try await connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in 0..<3 {
          try await connection.send(String(body.readableBytes, radix: 16) + "\r\n")
          try await connection.send(body)
          try await connection.send("\r\n")
        }
        try await connection.send("0\r\n\r\n")
      }
    } _: { client, server in
      let stream = AsyncStream<ByteBuffer> { continuation in
        for round in 0..<100 {
          continuation.yield(ByteBuffer(repeating: UInt8(round), count: 3000))
        }
        continuation.finish()
      }
      let response = try await client.send(
        server.request(.post, "/", body: .stream(length: nil, Throwing(stream))))
      let whole = try await response.body.collect(upTo: .mebibytes(1))
      #expect(whole.readableBytes == 900_000)
      #expect(whole.readableBytesView.prefix(6001).last == 2)
    }
  }
}

/// A stream that could fail but does not.
struct Throwing<Base: AsyncSequence & Sendable>: AsyncSequence, Sendable
where Base.Element: Sendable {
  typealias Element = Base.Element
  typealias Failure = any Error
  let base: Base

  init(_ base: Base) {
    self.base = base
  }

  struct AsyncIterator: AsyncIteratorProtocol {
    var base: Base.AsyncIterator

    mutating func next() async throws -> Element? {
      try await base.next()
    }
  }

  func makeAsyncIterator() -> AsyncIterator {
    AsyncIterator(base: base.makeAsyncIterator())
  }
}
