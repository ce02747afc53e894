import Base
import HTTPTypes
import NIOCore
import Synchronization
import TestSupport
import Testing

@testable import Curl

/// A body of equal chunks that counts what was taken from it.
final class CountedBody: AsyncSequence, Sendable {
  typealias Element = ByteBuffer
  typealias Failure = any Error

  struct Broken: Error {}

  let chunks: Int
  let size: Int
  /// After so many chunks it throws.
  let breaksAfter: Int?
  /// Before which chunk it waits, and for what.
  let pause: (before: Int, gate: Gate)?
  private let taken = Atomic<Int>(0)

  init(chunks: Int, size: Int, breaksAfter: Int? = nil, pause: (before: Int, gate: Gate)? = nil) {
    self.chunks = chunks
    self.size = size
    self.breaksAfter = breaksAfter
    self.pause = pause
  }

  var takenBytes: Int { taken.load(ordering: .acquiring) * size }

  struct AsyncIterator: AsyncIteratorProtocol {
    let body: CountedBody
    var index = 0

    mutating func next() async throws -> ByteBuffer? {
      if body.breaksAfter == index { throw Broken() }
      if let pause = body.pause, pause.before == index { await pause.gate.wait() }
      guard index < body.chunks else { return nil }
      index += 1
      body.taken.add(1, ordering: .acquiringAndReleasing)
      return ByteBuffer(repeating: UInt8(truncatingIfNeeded: index), count: body.size)
    }
  }

  func makeAsyncIterator() -> AsyncIterator {
    AsyncIterator(body: self)
  }
}

@Suite struct `Streams` {
  @Test(arguments: [true, false])
  func `a producer is held back by a server that reads slowly`(_ hasLength: Bool) async throws {
    let mayRead = Gate()
    let size = 16 * 1024
    let chunks = (8 << 20) / size
    try await withClientAndServer { connection in
      _ = try await connection.readHead()
      await mayRead.wait()
      let body =
        hasLength ? try await connection.read(chunks * size) : try await connection.readChunked()
      try await connection.answer("200 OK", "\(body.readableBytes)")
    } _: { client, server in
      let body = CountedBody(chunks: chunks, size: size)
      let request = try server.request(
        .post, body: .stream(length: hasLength ? chunks * size : nil, body))
      async let answer = client.send(request).body.text
      // What the kernel and libcurl take is bounded; the producer must come to rest before the end.
      var last = -1
      try await expectEventually {
        try await Task.sleep(for: .milliseconds(50))
        defer { last = body.takenBytes }
        return server.headCount == 1 && body.takenBytes == last
      }
      #expect(body.takenBytes < chunks * size)
      await mayRead.open()
      #expect(try await answer == "\(chunks * size)")
      #expect(body.takenBytes == chunks * size)
    }
  }

  @Test func `a server is held back by a reader that reads slowly`() async throws {
    let total = 64 << 20
    try await withClientAndServer { connection in
      _ = try await connection.readHead()
      try await connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(total)\r\n\r\n")
      for index in 0..<1024 {
        try await connection.send(ByteBuffer(repeating: UInt8(index % 256), count: total / 1024))
      }
      try await connection.stall()
    } _: { client, server in
      let response = try await client.send(server.request())
      #expect(response.body.knownLength == total)
      guard case .streaming(let owner) = response.body.storage else {
        Issue.record("not streamed")
        return
      }
      var received = 0
      var isRight = true
      for try await chunk in response.body {
        if received % (1 << 20) == 0 { await Task.yield() }
        isRight = isRight && Int(chunk.readableBytesView.first ?? 0) == received / (64 * 1024) % 256
        received += chunk.readableBytes
      }
      #expect(received == total && isRight)
      #expect(owner.highWater <= 256 * 1024 + 16 * 1024)
    }
  }

  @Test func `what waits for a reader is bounded`() async throws {
    try await withClientAndServer { connection in
      _ = try await connection.readHead()
      try await connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(64 << 20)\r\n\r\n")
      while true { try await connection.send(ByteBuffer(repeating: 1, count: 1 << 20)) }
    } _: { client, server in
      let response = try await client.send(server.request())
      guard case .streaming(let owner) = response.body.storage else {
        Issue.record("not streamed")
        return
      }
      try await expectEventually { owner.highWater >= 256 * 1024 }
      #expect(owner.highWater <= 256 * 1024 + 16 * 1024)
      withExtendedLifetime(response) {}
    }
  }

  @Test func `both directions at once`() async throws {
    try await withClientAndServer { connection in
      _ = try await connection.readHead()
      try await connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(4 << 20)\r\n\r\n")
      for _ in 0..<256 { try await connection.send(connection.read(16 * 1024)) }
      try await connection.stall()
    } _: { client, server in
      let body = CountedBody(chunks: 256, size: 16 * 1024)
      let response = try await client.send(
        server.request(.put, body: .stream(length: 4 << 20, body)))
      #expect(try await response.body.collect(upTo: .mebibytes(4)).readableBytes == 4 << 20)
    }
  }

  @Test(arguments: ["", "Connection: close\r\n"])
  func `an early refusal is delivered and stops the upload`(_ header: String) async throws {
    let never = Gate()
    try await withClientAndServer { connection in
      _ = try await connection.readHead()
      try await connection.send("HTTP/1.1 413 Too Large\r\n\(header)Content-Length: 4\r\n\r\nmuch")
      _ = try await connection.drain()
    } _: { client, server in
      let waiting = CountedBody(chunks: 1000, size: 1024, pause: (5, never))
      let bodies: [CurlRequest.Body] = [
        .stream(length: 1000 * 1024, waiting),
        .stream(length: nil, CountedBody(chunks: 1000, size: 1024, pause: (5, never))),
        .bytes(ByteBuffer(repeating: 1, count: 8 << 20)),
        .stream(length: 8 << 20, CountedBody(chunks: 8, size: 1 << 20)),
      ]
      for body in bodies {
        let response = try await client.send(server.request(.post, body: body))
        #expect(response.status == 413)
        #expect(try await response.body.text == "much")
      }
      #expect(waiting.takenBytes <= 5 * 1024)
      #expect(await client.transferCount() == 0)
      try await expectEventually { try socketsConnected(to: server.port) == 0 }
    }
    await never.open()
  }

  @Test func `an early refusal in chunks is delivered too`() async throws {
    let never = Gate()
    try await withClientAndServer { connection in
      _ = try await connection.readHead()
      try await connection.send(
        "HTTP/1.1 413 No\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n")
      try await connection.send("4\r\nmuch\r\n0\r\n\r\n")
      _ = try await connection.drain()
    } _: { client, server in
      let body = CountedBody(chunks: 1000, size: 1024, pause: (5, never))
      let response = try await client.send(
        server.request(.post, body: .stream(length: nil, body)))
      #expect(try await response.body.text == "much")
    }
    await never.open()
  }

  @Test func `a body hears that it is sent before the server hears of the request`() async throws {
    let body = ObservingBody()
    try await withClientAndServer { connection in
      _ = try await connection.readHead()
      #expect(body.isBegun)
      try await connection.send("HTTP/1.1 204 None\r\n\r\n")
      _ = try await connection.drain()
    } _: { client, server in
      let order = try server.request(.post, body: .stream(length: nil, body))
      #expect(try await client.send(order).status == 204)
    }
  }

  @Test func `an early refusal outlives a body that breaks when it is stopped`() async throws {
    let stopped = Gate()
    try await withClientAndServer { connection in
      _ = try await connection.readHead()
      try await connection.send("HTTP/1.1 413 No\r\nContent-Length: 4\r\n\r\nmu")
      await stopped.wait()
      try await connection.send("ch")
      _ = try await connection.drain()
    } _: { client, server in
      let body = BodyThatMindsBeingStopped(stopped: stopped)
      let response = try await client.send(
        server.request(.post, body: .stream(length: nil, body)))
      #expect(response.status == 413)
      #expect(try await response.body.text == "much")
    }
  }

  @Test func `a request body that fails is not mistaken for a whole one`() async throws {
    for length in [nil, 100 * 1024] as [Int?] {
      let ends = Atomic<Int>(0)
      try await withClientAndServer { connection in
        _ = try await connection.readHead()
        let text = try? await connection.read(through: "\r\n0\r\n\r\n")
        if text != nil { ends.add(1, ordering: .relaxed) }
      } _: { client, server in
        let body = CountedBody(chunks: 100, size: 1024, breaksAfter: 50)
        let error = try await failure {
          try await client.send(server.request(.post, body: .stream(length: length, body)))
        }
        #expect(error == .uploadFailed)
        try await expectEventually { try socketsConnected(to: server.port) == 0 }
      }
      #expect(ends.load(ordering: .relaxed) == 0)
    }
  }

  @Test(arguments: [99 * 1024, 101 * 1024, 0])
  func `a request body of another length than announced fails`(_ length: Int) async throws {
    try await withClientAndServer { connection in
      _ = try await connection.readHead()
      try await connection.stall()
    } _: { client, server in
      let body = CountedBody(chunks: 100, size: 1024)
      let error = try await failure {
        try await client.send(server.request(.post, body: .stream(length: length, body)))
      }
      #expect(error == .uploadFailed)
    }
  }

  @Test func `a body is not touched before the connection stands`() async throws {
    let closed = try DeafListener(listens: false)
    let port = closed.port
    try await withClient { client in
      let origin = try #require(Origin("http://127.0.0.1:\(port)"))
      let body = CountedBody(chunks: 100, size: 1024)
      let error = try await failure {
        try await client.send(
          CurlRequest(origin: origin, method: .post, target: "/", body: .stream(length: nil, body)))
      }
      #expect(error == .connectFailed)
      #expect(body.takenBytes == 0)
    }
    withExtendedLifetime(closed.port) {}
  }
}

@Suite struct `A reused connection that dies` {
  /// Answers the first request of a connection; takes the second and closes.
  private static let script: MisbehavingServer.Script = { connection in
    let number = try await connection.serveOne()
    try await connection.answer("200 OK", "\(number)")
    _ = try await connection.serveOne()
  }

  @Test(arguments: [HTTPRequest.Method.post, .put, .patch, .delete])
  func `a write that it swallowed is not sent again`(_ method: HTTPRequest.Method) async throws {
    try await withClientAndServer(script: Self.script) { client, server in
      let bodies: [CurlRequest.Body] = [
        .bytes(ByteBuffer(string: "money")), .none,
        .stream(length: 5, CountedBody(chunks: 1, size: 5)),
      ]
      for (round, body) in bodies.enumerated() {
        _ = try await client.send(server.request(.get, "/first"))
        let error = try await failure { try await client.send(server.request(method, body: body)) }
        #expect(error == .broken || error == .sendFailed)
        #expect(error.wasSent)
        #expect(server.headCount == 2 * (round + 1))
      }
    }
  }

  @Test func `a read is sent again, from the start of its body`() async throws {
    try await withClientAndServer(script: Self.script) { client, server in
      for _ in 0..<8 {
        let first = try await client.send(server.request(.get, "/first"))
        #expect(first.status == 200)
        let again = try await client.send(server.request(.get, "/second"))
        #expect(again.status == 200)
        let body = CurlRequest.Body.bytes(ByteBuffer(string: "query"))
        let third = try await client.send(server.request(.options, "/third", body: body))
        #expect(try await third.body.text == "5")
      }
    }
  }

  @Test func `a read that two of them swallow is not sent a third time`() async throws {
    let opened = Gate()
    try await withClientAndServer { connection in
      _ = try await connection.serveOne()
      await opened.wait()
      try await connection.answer()
      _ = try await connection.serveOne()
    } _: { client, server in
      let calls = try (0..<4).map { try server.request(.get, "/\($0)") }
      try await withThrowingTaskGroup { group in
        for call in calls { group.addTask { _ = try await client.send(call) } }
        try await expectEventually { server.headCount == 4 }
        await opened.open()
        try await group.waitForAll()
      }
      let error = try await failure { try await client.send(server.request(.get, "/again")) }
      #expect(error == .broken)
      #expect(server.headCount == 6)
    }
  }

  @Test func `a connection that was closed while idle is not used`() async throws {
    try await withClientAndServer { connection in
      _ = try await connection.readHead()
      try await connection.answer()
    } _: { client, server in
      for round in 1...20 {
        let response = try await client.send(
          server.request(.post, body: .bytes(ByteBuffer(string: "x"))))
        #expect(response.status == 200)
        #expect(server.connectionCount == round)
        // The server's close has to be noticed before the next request; otherwise it is a race.
        try await expectEventually { try socketsConnected(to: server.port) == 0 }
      }
    }
  }
}

extension MisbehavingConnection {
  /// Reads one request with its body.
  fileprivate func serveOne() async throws -> Int {
    let head = try await readHead()
    guard let range = head.firstRange(of: "Content-Length: ") else { return 0 }
    let length = Int(head[range.upperBound...].prefix { $0.isNumber }) ?? 0
    return try await read(length).readableBytes
  }
}

/// One byte, and then nothing until its reader is cancelled, which it takes for an error.
private struct BodyThatMindsBeingStopped: AsyncSequence, Sendable {
  typealias Element = ByteBuffer

  let stopped: Gate

  struct AsyncIterator: AsyncIteratorProtocol {
    let stopped: Gate
    var isFirst = true

    mutating func next() async throws -> ByteBuffer? {
      if isFirst {
        isFirst = false
        return ByteBuffer(string: "x")
      }
      let never = AsyncStream<Void> { _ in }
      for await _ in never {}
      await stopped.open()
      throw CancellationError()
    }
  }

  func makeAsyncIterator() -> AsyncIterator { AsyncIterator(stopped: stopped) }
}

/// Nothing at all; notes that it is about to be sent.
private final class ObservingBody: AsyncSequence, SendingObserver, Sendable {
  typealias Element = ByteBuffer
  typealias Failure = any Error

  private let begun = Atomic(false)

  var isBegun: Bool { begun.load(ordering: .acquiring) }

  func sendingBegins() { begun.store(true, ordering: .releasing) }

  struct AsyncIterator: AsyncIteratorProtocol {
    func next() async throws -> ByteBuffer? { nil }
  }

  func makeAsyncIterator() -> AsyncIterator { AsyncIterator() }
}
