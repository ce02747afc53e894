import CLinux
import Glibc
import NIOCore
import Synchronization

/// The one thread that sleeps until an epoll set has something, and then pokes its event loop.
///
/// NIO has no public way to add a foreign descriptor to a loop's selector; but an epoll set is
/// itself a descriptor that can be polled. The sets are watched one-shot: after a poke the thread
/// does not look at a set again until the loop has drained it and called `rearm`.
final class Watcher: Sendable {
  /// Pokes one loop, which must call `rearm` in the end.
  ///
  /// Takes the watcher as an argument: one that the watcher held and that held it would keep both,
  /// and the loops, for ever.
  typealias Poke = @Sendable (Watcher) -> Void

  private struct State {
    var thread: pthread_t?
    var number: Int32?
    var whenEnded: EventLoopPromise<Void>?
  }

  private let epoll: Int32
  private let wakeUp: Int32
  private let sets: [Int32]
  private let pokes: [Poke]
  private let state = Mutex(State())

  /// The token of the descriptor that ends the thread.
  private static let endToken = UInt64.max

  /// Watches `sets[i]` by calling `pokes[i]` with itself; the thread runs when this returns.
  init(sets: [Int32], pokes: [Poke]) throws(ReactorError) {
    self.sets = sets
    self.pokes = pokes
    epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
    guard epoll >= 0 else { throw .system(call: "epoll_create1", code: errno) }
    wakeUp = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
    guard wakeUp >= 0 else {
      let code = errno
      _ = close(epoll)
      throw .system(call: "eventfd", code: code)
    }
    do throws(ReactorError) {
      try watch(wakeUp, EPOLLIN.rawValue, Self.endToken)
      for (index, set) in sets.enumerated() { try watch(set, Self.oneShot, UInt64(index)) }
      try startThread()
    } catch {
      closeDescriptors()
      throw error
    }
  }

  /// The kernel's number of the thread, once it runs.
  var threadNumber: Int32? { state.withLock { $0.number } }

  /// Looks at the set again.
  ///
  /// Level-triggered: what came since the last drain is seen at once.
  func rearm(_ index: Int) {
    _ = clinux_epoll_set(epoll, EPOLL_CTL_MOD, sets[index], Self.oneShot, UInt64(index))
  }

  /// Ends the thread and gives its descriptors back.
  ///
  /// To be called once.
  func end(on loop: any EventLoop) async {
    let ended = loop.makePromise(of: Void.self)
    let thread = state.withLock { state in
      state.whenEnded = ended
      return state.thread
    }
    _ = eventfd_write(wakeUp, 1)
    // Never fails: the thread succeeds it as its last act.
    try? await ended.futureResult.get()
    if let thread { _ = pthread_join(thread, nil) }
    closeDescriptors()
  }

  private static var oneShot: UInt32 { EPOLLIN.rawValue | EPOLLONESHOT.rawValue }

  private func watch(_ fd: Int32, _ events: UInt32, _ token: UInt64) throws(ReactorError) {
    guard clinux_epoll_set(epoll, EPOLL_CTL_ADD, fd, events, token) == 0 else {
      throw .system(call: "epoll_ctl", code: errno)
    }
  }

  private func closeDescriptors() {
    _ = close(wakeUp)
    _ = close(epoll)
  }

  private func startThread() throws(ReactorError) {
    let me = unsafe Unmanaged.passRetained(self)
    var thread = pthread_t()
    let code = unsafe pthread_create(
      &thread, nil,
      { context in
        guard let context = unsafe context else { return nil }
        let watcher = unsafe Unmanaged<Watcher>.fromOpaque(context).takeRetainedValue()
        let number = unsafe clinux_become_quiet_thread("reactor-watcher")
        watcher.state.withLock { $0.number = number }
        watcher.run()
        return nil
      }, unsafe me.toOpaque())
    guard code == 0 else {
      unsafe me.release()
      throw .system(call: "pthread_create", code: code)
    }
    state.withLock { $0.thread = thread }
  }

  private func run() {
    while wait() {}
    state.withLock { $0.whenEnded.take() }?.succeed()
  }

  /// Sleeps, then pokes; `false` when it is time to end.
  private func wait() -> Bool {
    unsafe withUnsafeTemporaryAllocation(of: epoll_event.self, capacity: 64) { buffer in
      let count = unsafe epoll_wait(epoll, buffer.baseAddress, 64, -1)
      for index in 0..<max(0, Int(count)) {
        let token = unsafe buffer[index].data.u64
        if token == Self.endToken { return false }
        pokes[Int(token)](self)
      }
      return true
    }
  }
}
