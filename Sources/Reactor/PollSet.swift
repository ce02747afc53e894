import CLinux
import Glibc
import NIOCore

/// The epoll set of one event loop, with the handlers of the descriptors in it.
///
/// Confined to the loop's thread by the `NIOLoopBoundBox` that holds it.
final class PollSet {
  /// Called when a descriptor is ready.
  typealias Handler = (Readiness) -> Void

  private struct Entry {
    let descriptor: Int32
    var interest: Readiness
    let handler: Handler
  }

  /// How many events one `epoll_wait` takes, and how often it is repeated before others get a turn.
  private static let batch = 256
  private static let rounds = 4

  /// The epoll descriptor.
  let descriptor: Int32

  /// By token.
  ///
  /// Tokens are counted upward and never used twice, so an event of an ended registration finds
  /// nothing, whatever became of its descriptor's number.
  private var entries: [UInt64: Entry] = [:]
  /// Which registration a descriptor's number belongs to now.
  private var owners: [Int32: UInt64] = [:]
  private var nextToken: UInt64 = 1
  private var isClosed = false

  init() throws(ReactorError) {
    descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
    guard descriptor >= 0 else { throw .system(call: "epoll_create1", code: errno) }
  }

  /// How many registrations there are.
  var count: Int { entries.count }

  /// Starts to watch a descriptor.
  func register(
    _ fd: Int32, interest: Readiness, handler: @escaping Handler
  ) throws(ReactorError) -> UInt64 {
    guard !isClosed else { throw .shutDown }
    let token = nextToken
    nextToken += 1
    if !interest.isEmpty { try control(EPOLL_CTL_ADD, fd, interest, token) }
    entries[token] = Entry(descriptor: fd, interest: interest, handler: handler)
    owners[fd] = token
    return token
  }

  /// Changes what is waited for.
  ///
  /// An empty interest leaves the epoll set: epoll reports a hang-up even to those who wait for
  /// nothing, again and again.
  func update(_ token: UInt64, interest: Readiness) throws(ReactorError) {
    guard let entry = entries[token], entry.interest != interest else { return }
    if interest.isEmpty {
      leave(entry, token)
    } else {
      let operation = entry.interest.isEmpty ? EPOLL_CTL_ADD : EPOLL_CTL_MOD
      try control(operation, entry.descriptor, interest, token)
    }
    entries[token]?.interest = interest
  }

  /// Ends a registration; harmless when it has ended.
  func cancel(_ token: UInt64) {
    guard let entry = entries.removeValue(forKey: token) else { return }
    if !entry.interest.isEmpty { leave(entry, token) }
    if owners[entry.descriptor] == token { owners[entry.descriptor] = nil }
  }

  /// Calls the handlers of everything that is ready now.
  func drain() {
    for _ in 0..<Self.rounds {
      guard !isClosed, drainBatch() == Self.batch else { return }
    }
  }

  /// Forgets everything and closes the epoll set.
  func close() {
    guard !isClosed else { return }
    isClosed = true
    entries = [:]
    owners = [:]
    _ = Glibc.close(descriptor)
  }

  private func drainBatch() -> Int {
    // Handlers are called after the buffer is gone: they may come back here.
    let ready = unsafe withUnsafeTemporaryAllocation(
      of: epoll_event.self, capacity: Self.batch
    ) { buffer in
      let count = unsafe epoll_wait(descriptor, buffer.baseAddress, Int32(Self.batch), 0)
      return unsafe buffer.prefix(max(0, Int(count))).map { event in
        unsafe (token: event.data.u64, events: event.events)
      }
    }
    for event in ready {
      entries[event.token]?.handler(Readiness(epollEvents: event.events))
    }
    return ready.count
  }

  private func leave(_ entry: Entry, _ token: UInt64) {
    // A number that somebody else holds by now was closed without `cancel`: theirs stays.
    guard owners[entry.descriptor] == token else { return }
    _ = clinux_epoll_remove(descriptor, entry.descriptor)
  }

  private func control(
    _ operation: Int32, _ fd: Int32, _ interest: Readiness, _ token: UInt64
  ) throws(ReactorError) {
    guard clinux_epoll_set(descriptor, operation, fd, interest.epollMask, token) == 0 else {
      throw .system(call: "epoll_ctl", code: errno)
    }
  }
}
