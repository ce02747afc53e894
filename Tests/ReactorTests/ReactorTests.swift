import Foundation
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import Reactor

/// A socket pair; `first` is watched, `second` is the far side.
struct SocketPair {
  let first: Int32
  let second: Int32

  init() throws {
    var ends: [Int32] = [0, 0]
    let flags = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
    try #require(socketpair(AF_UNIX, flags, 0, &ends) == 0)
    first = ends[0]
    second = ends[1]
  }

  func send(_ text: String) {
    let bytes = Array(text.utf8)
    #expect(write(second, bytes, bytes.count) == bytes.count)
  }

  func closeBoth() {
    close(first)
    close(second)
  }
}

func received(_ fd: Int32) -> String {
  var bytes = [UInt8](repeating: 0, count: 1024)
  let count = read(fd, &bytes, bytes.count)
  return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
}

/// Lends a reactor over some loops, and shuts both down.
func withReactor<Result>(
  loops: Int = 1, _ body: (Reactor) async throws -> Result
) async throws -> Result {
  let group = MultiThreadedEventLoopGroup(numberOfThreads: loops)
  let reactor = try Reactor(loops: Array(group.makeIterator()))
  do {
    let result = try await body(reactor)
    await reactor.shutdown()
    try await group.shutdownGracefully()
    return result
  } catch {
    await reactor.shutdown()
    try await group.shutdownGracefully()
    throw error
  }
}

/// Owns a descriptor the way a database connection does: all on the loop's thread.
actor Listener {
  private let loop: any EventLoop
  private let fd: Int32
  private var registration: Registration?
  private var waiter: CheckedContinuation<String, Never>?
  private var inbox: [String] = []

  nonisolated var unownedExecutor: UnownedSerialExecutor {
    loop.executor.asUnownedSerialExecutor()
  }

  init(fd: Int32, on loop: any EventLoop) {
    self.fd = fd
    self.loop = loop
  }

  func start(_ reactor: Reactor) throws {
    registration = try reactor.register(fd: fd, on: loop, interest: .readable) {
      [weak self] readiness in
      self?.assumeIsolated { $0.ready(readiness) }
    }
  }

  func stop() {
    registration?.cancel()
    registration = nil
  }

  func next() async -> String {
    if !inbox.isEmpty { return inbox.removeFirst() }
    return await withCheckedContinuation { waiter = $0 }
  }

  private func ready(_ readiness: Readiness) {
    let text = received(fd)
    if let waiter {
      self.waiter = nil
      waiter.resume(returning: text)
    } else {
      inbox.append(text)
    }
  }
}

@Suite struct `Foreign descriptors on event loops` {
  @Test func `an actor on the loop hears what arrives`() async throws {
    try await withReactor { reactor in
      let pair = try SocketPair()
      let listener = Listener(fd: pair.first, on: reactor.next())
      try await listener.start(reactor)
      for round in 0..<200 {
        pair.send("hello \(round)")
        #expect(await listener.next() == "hello \(round)")
      }
      await listener.stop()
      pair.closeBoth()
    }
  }
}
