import Base
import Foundation
import HTTPTypes
import NIOCore
import NIOPosix
import Reactor
import Synchronization
import TestSupport
import Testing

@testable import Curl

/// A listener whose queue is full: connecting to it takes for ever.
///
/// One that does not listen at all keeps its port from others, and connections to it are refused.
struct DeafListener: ~Copyable {
  let port: Int
  private var descriptors: [Int32] = []

  init(listens: Bool = true) throws {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    descriptors.append(listener)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let port = withUnsafeMutableBytes(of: &address) { bytes -> Int in
      guard let raw = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self) else { return 0 }
      guard bind(listener, raw, length) == 0, !listens || listen(listener, 0) == 0,
        getsockname(listener, raw, &length) == 0
      else { return 0 }
      return Int(UInt16(bigEndian: bytes.load(fromByteOffset: 2, as: UInt16.self)))
    }
    try #require(port != 0)
    self.port = port
    for _ in 0..<(listens ? 4 : 0) {
      let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
      descriptors.append(client)
      _ = withUnsafeBytes(of: &address) { bytes in
        bytes.baseAddress.map { connect(client, $0.assumingMemoryBound(to: sockaddr.self), length) }
      }
    }
  }

  deinit {
    for descriptor in descriptors { close(descriptor) }
  }
}

@Suite struct `Cancelling` {
  @Test func `before the start`() async throws {
    try await withClientAndServer { connection in
      _ = try await connection.readHead()
    } _: { client, server in
      let begin = Gate()
      let task = Task {
        await begin.wait()
        return try await failure { try await client.send(server.request()) }
      }
      task.cancel()
      await begin.open()
      let error = try await task.value
      #expect(error == .cancelled)
      #expect(server.connectionCount == 0)
    }
  }

  @Test func `while connecting; and connecting has a deadline`() async throws {
    let deaf = try DeafListener()
    let origin = try #require(Origin("http://127.0.0.1:\(deaf.port)"))
    var settings = CurlSettings()
    settings.connectTimeout = .milliseconds(200)
    let request = CurlRequest(origin: origin, target: "/")
    try await withClient(settings) { client in
      let error = try await failure { try await client.send(request) }
      #expect(error == .connectTimeout)
    }
    try await withClient { client in
      let task = Task { try await failure { try await client.send(request) } }
      try await expectEventually { await client.transferCount() == 1 }
      task.cancel()
      let second = try await task.value
      #expect(second == .cancelled)
      #expect(await client.transferCount() == 0)
    }
    withExtendedLifetime(deaf.port) {}
  }

  @Test func `while the head is waited for`() async throws {
    try await withClientAndServer { connection in
      _ = try await connection.readHead()
      try await connection.stall()
    } _: { client, server in
      let task = Task { try await failure { try await client.send(server.request()) } }
      try await expectEventually { server.headCount == 1 }
      task.cancel()
      let error = try await task.value
      #expect(error == .cancelled)
      #expect(await client.transferCount() == 0)
      try await expectEventually { try socketsConnected(to: server.port) == 0 }
    }
  }

  @Test func `while the request goes out`() async throws {
    let never = Gate()
    try await withClientAndServer { connection in
      _ = try await connection.readHead()
      await never.wait()
    } _: { client, server in
      let body = CountedBody(chunks: 100_000, size: 16 * 1024)
      let request = try server.request(.post, body: .stream(length: nil, body))
      let task = Task { try await failure { try await client.send(request) } }
      try await expectEventually { body.takenBytes > 100_000 }
      task.cancel()
      let error = try await task.value
      #expect(error == .cancelled)
      try await expectEventually { try socketsConnected(to: server.port) == 0 }
      await never.open()
    }
  }

  @Test func `while a producer is waited for`() async throws {
    let never = Gate()
    try await withClientAndServer { connection in
      _ = try await connection.readHead()
      try await connection.stall()
    } _: { client, server in
      let body = CountedBody(chunks: 10, size: 1024, pause: (5, never))
      let request = try server.request(.post, body: .stream(length: nil, body))
      let task = Task { try await failure { try await client.send(request) } }
      try await expectEventually { body.takenBytes == 5 * 1024 }
      task.cancel()
      let error = try await task.value
      #expect(error == .cancelled)
      try await expectEventually { try socketsConnected(to: server.port) == 0 }
      await never.open()
    }
  }

  @Test func `while the body is read`() async throws {
    try await withClientAndServer { connection in
      _ = try await connection.readHead()
      try await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nhello")
      try await connection.stall()
    } _: { client, server in
      let reading = Gate()
      let task = Task {
        let response = try await client.send(server.request())
        var iterator = response.body.makeAsyncIterator()
        #expect(try await iterator.next() == ByteBuffer(string: "hello"))
        await reading.open()
        let error = await #expect(throws: CurlError.self) { try await iterator.next() }
        #expect(error == .cancelled)
        let after = await #expect(throws: CurlError.self) { try await iterator.next() }
        #expect(after == .cancelled)
      }
      await reading.wait()
      task.cancel()
      try await task.value
      #expect(await client.transferCount() == 0)
      try await expectEventually { try socketsConnected(to: server.port) == 0 }
    }
  }

  @Test func `by letting go of an unread body`() async throws {
    try await withClientAndServer { connection in
      _ = try await connection.readHead()
      try await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
      while true { try await connection.send(ByteBuffer(repeating: 1, count: 65536)) }
    } _: { client, server in
      for _ in 0..<10 {
        let response = try await client.send(server.request())
        #expect(response.status == 200)
      }
      try await expectEventually { await client.transferCount() == 0 }
      try await expectEventually { try socketsConnected(to: server.port) == 0 }
    }
  }

  @Test func `when bytes have woken the reader, which then lets go`() async throws {
    let isAwaited = Gate()
    var settings = CurlSettings()
    settings.downloadBuffer = .kibibytes(1)
    try await withClientAndServer(settings) { connection in
      _ = try await connection.readHead()
      try await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
      await isAwaited.wait()
      while true { try await connection.send(ByteBuffer(repeating: 1, count: 65536)) }
    } _: { client, server in
      let executor = HeldExecutor()
      var response: CurlResponse? = try await client.send(server.request())
      let task = Task(executorPreference: executor) { [body = response?.body] in
        var iterator = body?.makeAsyncIterator()
        return try await iterator?.next() != nil
      }
      let owner = Weakly(response?.body)
      response = nil
      executor.run()
      await isAwaited.open()
      // The reader has its bytes and does not run yet; meanwhile more come than have room.
      try await expectEventually { owner.value?.highWater ?? 0 > 0 }
      task.cancel()
      try await expectEventually {
        executor.run()
        return try socketsConnected(to: server.port) == 0
      }
      #expect(try await task.value)
      #expect(await client.transferCount() == 0)
    }
  }

  @Test func `at any moment leaves nothing behind`() async throws {
    let rounds = count(ordinary: 200, full: 5_000)
    let port = try await withClientAndServer(loops: 2) { connection in
      while true { try await connection.beVaried() }
    } _: { client, server in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for round in 0..<rounds {
          if round >= 50 { try await group.next() }
          group.addTask { await disturb(client, try server.request(.post, "/\(round % 6)"), round) }
        }
        try await group.waitForAll()
      }
      try await expectEventually { await client.transferCount() == 0 }
      // What is left are idle connections; and they work.
      let response = try await client.send(server.request(.post, "/0"))
      #expect(try await response.body.text == "small")
      return server.port
    }
    #expect(try socketsConnected(to: port) == 0)
  }
}

@Suite struct `What a client leaves behind` {
  @Test func `nothing, whatever the server does and whenever the caller leaves`() async throws {
    try await expectNothingLeft(after: count(ordinary: 12, full: 200)) { _ in
      try await withClientAndServer(loops: 2) { connection in
        while true { try await connection.beVaried() }
      } _: { client, server in
        try await withThrowingTaskGroup(of: Void.self) { group in
          for call in 0..<60 {
            group.addTask { await disturb(client, try server.request(.post, "/\(call % 6)"), call) }
          }
          try await group.waitForAll()
        }
      }
    }
  }
}

/// Makes one call and cancels it after a while that differs from round to round.
private func disturb(_ client: CurlClient, _ request: CurlRequest, _ round: Int) async {
  var request = request
  if round % 3 == 1 {
    request.body = .stream(length: nil, CountedBody(chunks: 20, size: 4000))
  }
  let task = Task { [request] in
    let response = try await client.send(request)
    if round % 5 == 0 { return 0 }
    var bytes = 0
    for try await chunk in response.body { bytes += chunk.readableBytes }
    return bytes
  }
  // The moments spread over what a call takes: some are too late, most are not.
  for _ in 0..<(round * 7919 % 211) { await Task.yield() }
  if round % 2 == 0 {
    let micros = round * 104_729 % 9_973
    try? await Task.sleep(for: .microseconds(micros))
  }
  task.cancel()
  _ = await task.result
}

extension MisbehavingConnection {
  /// Answers in one of six ways, chosen by the request.
  fileprivate func beVaried() async throws {
    let head = try await readHead()
    if head.contains("chunked") { _ = try await readChunked() }
    switch head.dropFirst("POST /".count).first {
    case "0": try await answer("200 OK", "small")
    case "1":
      try await send("HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n")
      try await send(ByteBuffer(repeating: 1, count: 2_000_000))
    case "2": try await stall()
    case "3":
      try await send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n")
      try await stall()
    case "4": try await reset()
    default:
      try await send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
      try await send("67890")
    }
  }
}

/// Looks at a body that is still arriving without keeping it.
private struct Weakly: Sendable {
  weak let value: BodyOwner?

  init(_ body: CurlResponseBody?) {
    if case .streaming(let owner) = body?.storage { value = owner } else { value = nil }
  }
}

/// Runs what it is given when it is told to.
private final class HeldExecutor: TaskExecutor {
  private let jobs = Mutex<[UnownedJob]>([])

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    jobs.withLock { $0.append(job) }
  }

  func run() {
    while let job = jobs.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) {
      unsafe job.runSynchronously(on: asUnownedTaskExecutor())
    }
  }
}
