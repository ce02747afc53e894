import Foundation
import NIOCore
import NIOPosix
import Synchronization
import TestSupport
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

  @Test func `handlers run on their loop, whatever the number of descriptors`() async throws {
    let pairs = try (0..<300).map { _ in try SocketPair() }
    try await withReactor(loops: 2) { reactor in
      let heard = Tally()
      for (index, pair) in pairs.enumerated() {
        let loop = reactor.loops[index % 2]
        try await loop.submit {
          let own = NIOLoopBoundBox<Registration?>(nil, eventLoop: loop)
          own.value = try reactor.register(fd: pair.first, on: loop, interest: .readable) { _ in
            loop.preconditionInEventLoop()
            heard.add(received(pair.first))
            own.value?.cancel()
          }
        }.get()
      }
      for (index, pair) in pairs.enumerated() { pair.send("<\(index)>") }
      try await heard.wait(for: pairs.count)
      #expect(heard.all == Set((0..<300).map { "<\($0)>" }))
      for loop in reactor.loops {
        let count = try await loop.submit { reactor.registrationCount(on: loop) }.get()
        #expect(count == 0)
      }
    }
    for pair in pairs { pair.closeBoth() }
  }

  @Test func `an event of a cancelled registration is never acted upon`() async throws {
    let pairs = try [SocketPair(), SocketPair()]
    try await withReactor { reactor in
      let loop = reactor.loops[0]
      let heard = Tally()
      try await loop.submit {
        // Both are ready in the same batch; whoever comes first ends the other.
        let registrations = NIOLoopBoundBox<[Registration]>([], eventLoop: loop)
        for pair in pairs { pair.send("x") }
        registrations.value = try pairs.map { pair in
          try reactor.register(fd: pair.first, on: loop, interest: .readable) { _ in
            heard.add("\(pair.first)")
            for registration in registrations.value { registration.cancel() }
          }
        }
      }.get()
      try await heard.wait(for: 1)
      try await loop.submit {}.get()
      #expect(heard.count == 1)
    }
    for pair in pairs { pair.closeBoth() }
  }

  @Test func `a reused descriptor number belongs to its new owner`() async throws {
    try await withReactor { reactor in
      let loop = reactor.loops[0]
      let heard = Tally()
      let old = try SocketPair()
      let stale = try await loop.submit {
        try reactor.register(fd: old.first, on: loop, interest: .readable) { _ in heard.add("old") }
      }.get()
      // Closed without being cancelled, which is a mistake that must stay harmless to others.
      let fresh = try SocketPair()
      #expect(dup2(fresh.first, old.first) == old.first)
      let registration = try await loop.submit {
        let registration = try reactor.register(fd: old.first, on: loop, interest: .readable) { _ in
          heard.add("new " + received(old.first))
        }
        stale.cancel()
        try stale.update(interest: .writable)
        return registration
      }.get()
      fresh.send("hello")
      try await heard.wait(for: 1)
      #expect(heard.all == ["new hello"])
      try await loop.submit { registration.cancel() }.get()
      old.closeBoth()
      fresh.closeBoth()
    }
  }

  @Test func `a hang-up is reported as failure unless nothing is waited for`() async throws {
    let pair = try SocketPair()
    try await withReactor { reactor in
      let loop = reactor.loops[0]
      let heard = Tally()
      let registration = try await loop.submit {
        try reactor.register(fd: pair.first, on: loop, interest: []) { readiness in
          heard.add("\(readiness.rawValue)")
        }
      }.get()
      close(pair.second)
      for _ in 0..<20 { try await loop.submit {}.get() }
      #expect(heard.count == 0)
      try await loop.submit { try registration.update(interest: .readable) }.get()
      try await heard.wait(for: 1)
      #expect(heard.all == ["7"])
      try await loop.submit { try registration.update(interest: []) }.get()
      let count = heard.count
      for _ in 0..<20 { try await loop.submit {}.get() }
      #expect(heard.count == count)
      try await loop.submit { registration.cancel() }.get()
      close(pair.first)
    }
  }

  @Test func `writability comes when there is room`() async throws {
    let pair = try SocketPair()
    try await withReactor { reactor in
      let loop = reactor.loops[0]
      let heard = Tally()
      let chunk = [UInt8](repeating: 1, count: 4096)
      while write(pair.first, chunk, chunk.count) > 0 {}
      let registration = try await loop.submit {
        try reactor.register(fd: pair.first, on: loop, interest: .writable) { _ in heard.add("w") }
      }.get()
      for _ in 0..<20 { try await loop.submit {}.get() }
      #expect(heard.count == 0)
      var bytes = [UInt8](repeating: 0, count: 1 << 20)
      while read(pair.second, &bytes, bytes.count) > 0 {}
      try await heard.wait(for: 1)
      try await loop.submit { registration.cancel() }.get()
    }
    pair.closeBoth()
  }

  @Test func `a loop of somebody else's is refused, and so is everything after the end`()
    async throws
  {
    let pair = try SocketPair()
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
    let loops = Array(group.makeIterator())
    let reactor = try Reactor(loops: [loops[0]])
    @Sendable func register(on loop: any EventLoop) async -> ReactorError? {
      try? await loop.submit { () -> ReactorError? in
        do throws(ReactorError) {
          _ = try reactor.register(fd: pair.first, on: loop, interest: .readable) { _ in }
          return nil
        } catch {
          return error
        }
      }.get()
    }
    #expect(await register(on: loops[1]) == .foreignLoop)
    #expect(await register(on: loops[0]) == nil)
    #expect(await register(on: loops[0]) == .system(call: "epoll_ctl", code: EEXIST))
    await reactor.shutdown()
    await reactor.shutdown()
    #expect(await register(on: loops[0]) == .shutDown)
    try await group.shutdownGracefully()
    pair.closeBoth()
  }

  @Test func `the end leaves neither thread nor descriptor`() async throws {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
    for _ in 0..<100 {
      let reactor = try Reactor(loops: Array(group.makeIterator()))
      while reactor.watcher.threadNumber == nil { await Task.yield() }
      let number = try #require(reactor.watcher.threadNumber)
      await reactor.shutdown()
      // The kernel wakes who joins a thread a moment before it takes the thread from the list.
      #expect(
        try await eventually {
          !FileManager.default.fileExists(atPath: "/proc/self/task/\(number)")
        })
    }
    // Four descriptors each were 400; other tests of the run have some too.
    let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count { name in
      let target = try? FileManager.default.destinationOfSymbolicLink(
        atPath: "/proc/self/fd/\(name)")
      return target == "anon_inode:[eventpoll]"
    }
    #expect(open < 100)
    try await group.shutdownGracefully()
  }
}

/// Counts what handlers report.
final class Tally: Sendable {
  private let entries = Mutex<[String]>([])

  func add(_ entry: String) {
    entries.withLock { $0.append(entry) }
  }

  var count: Int { entries.withLock { $0.count } }
  var all: Set<String> { entries.withLock { Set($0) } }

  /// Waits until so many reports have come; at most ten seconds.
  func wait(for count: Int) async throws {
    let deadline = ContinuousClock.now + .seconds(10)
    while self.count < count {
      try #require(ContinuousClock.now < deadline, "too few events")
      try await Task.sleep(for: .milliseconds(1))
    }
  }
}
