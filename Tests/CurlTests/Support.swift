import Base
import Fields
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
    return CurlRequest(
      origin: origin, method: method, target: target, headers: FieldSection(headers), body: body)
  }
}

extension CurlResponseBody {
  var text: String {
    get async throws { String(buffer: try await collect(upTo: .mebibytes(128))) }
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

/// The error of a request that must not succeed.
func failure<Result>(
  sourceLocation: SourceLocation = #_sourceLocation, of body: () async throws -> Result
) async throws -> CurlError {
  let error = await #expect(throws: CurlError.self, sourceLocation: sourceLocation) {
    _ = try await body()
  }
  return try #require(error, sourceLocation: sourceLocation)
}

/// How many of this process's sockets are connected to the port.
func socketsConnected(to port: Int) throws -> Int {
  try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count { name in
    guard let fd = Int32(name) else { return false }
    var address = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let code = withUnsafeMutableBytes(of: &address) {
      getpeername(fd, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self), &length)
    }
    return code == 0 && address.sin_family == AF_INET
      && Int(UInt16(bigEndian: address.sin_port)) == port
  }
}

/// Expects what another thread or process brings about; at most ten seconds from now.
func expectEventually(
  sourceLocation: SourceLocation = #_sourceLocation, _ condition: () async throws -> Bool
) async throws {
  let came = try await eventually(condition)
  #expect(came, sourceLocation: sourceLocation)
}
