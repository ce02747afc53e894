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
    let token: UInt64
    var interest: Readiness
    let handler: Handler
  }

  /// How many events one `epoll_wait` takes, and how often it is repeated before others get a turn.
  private static let batch = 256
  private static let rounds = 4

  /// The epoll descriptor.
  let descriptor: Int32

  private var entries = DescriptorTable<Entry>()
  /// How many registrations there have been.
  private var registered: UInt32 = 0
  private var isClosed = false

  init() throws(ReactorError) {
    descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
    guard descriptor >= 0 else { throw .system(call: "epoll_create1", code: errno) }
  }

  /// How many registrations there are.
  var count: Int { entries.count }

  /// Starts to watch a descriptor.
  ///
  /// A registration's token is the descriptor's number and the registration's, so what is said or
  /// asked of one that has ended finds nothing, whatever became of its descriptor's number.
  func register(
    _ fd: Int32, interest: Readiness, handler: @escaping Handler
  ) throws(ReactorError) -> UInt64 {
    guard !isClosed else { throw .shutDown }
    registered &+= 1
    let token = UInt64(registered) << 32 | UInt64(UInt32(bitPattern: fd))
    if !interest.isEmpty { try control(EPOLL_CTL_ADD, interest, token) }
    // A number that stands here already was closed without `cancel`.
    entries[fd] = Entry(token: token, interest: interest, handler: handler)
    return token
  }

  /// Changes what is waited for.
  ///
  /// An empty interest leaves the epoll set: epoll reports a hang-up even to those who wait for
  /// nothing, again and again.
  func update(_ token: UInt64, interest: Readiness) throws(ReactorError) {
    guard var entry = entry(token), entry.interest != interest else { return }
    if interest.isEmpty {
      leave(token)
    } else {
      try control(entry.interest.isEmpty ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, interest, token)
    }
    entry.interest = interest
    entries[Self.fd(token)] = entry
  }

  /// Ends a registration; harmless when it has ended.
  func cancel(_ token: UInt64) {
    guard let entry = entry(token) else { return }
    if !entry.interest.isEmpty { leave(token) }
    entries[Self.fd(token)] = nil
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
    entries = DescriptorTable()
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
      entry(event.token)?.handler(Readiness(epollEvents: event.events))
    }
    return ready.count
  }

  /// The registration, unless it has ended.
  private func entry(_ token: UInt64) -> Entry? {
    guard let entry = entries[Self.fd(token)], entry.token == token else { return nil }
    return entry
  }

  private static func fd(_ token: UInt64) -> Int32 { Int32(truncatingIfNeeded: token) }

  private func leave(_ token: UInt64) {
    _ = clinux_epoll_remove(descriptor, Self.fd(token))
  }

  private func control(
    _ operation: Int32, _ interest: Readiness, _ token: UInt64
  ) throws(ReactorError) {
    let fd = Self.fd(token)
    guard clinux_epoll_set(descriptor, operation, fd, interest.epollMask, token) == 0 else {
      throw .system(call: "epoll_ctl", code: errno)
    }
  }
}
