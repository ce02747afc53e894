import Base
import Dispatch
package import Linux
import Synchronization

/// Takes log lines from any thread and writes them from one of its own.
///
/// Nobody who logs ever waits: when the reader of our output has stopped, or the disk is full,
/// lines are dropped and counted, and the count is logged as soon as lines can be written again.
package final class LogSink: Sendable {
  private let stream: StandardStream
  private let limit: Int
  private let queue = DispatchQueue(label: "latchkey.log")
  private let state = Mutex(State())
  /// What to say when lines were dropped.
  private let notice: @Sendable (_ dropped: Int) -> [UInt8]

  /// Whether somebody is about to write what is pending.
  private enum Drain {
    case none, later, now
  }

  private struct State {
    var pending: [UInt8] = []
    var dropped = 0
    var drain = Drain.none
    /// The reader has gone for good.
    var isClosed = false
    /// The last write ended within a line.
    var isTorn = false
  }

  /// How long a line may wait for others, which are then written together.
  private static let patience = DispatchTimeInterval.milliseconds(50)

  /// A sink that lets at most `limit` bytes wait to be written.
  package init(
    stream: StandardStream, limit: Int = 1 << 20,
    notice: @escaping @Sendable (_ dropped: Int) -> [UInt8]
  ) {
    self.stream = stream
    self.limit = limit
    self.notice = notice
  }

  /// Lines that were dropped and not yet told of.
  package var dropped: Int { state.withLock { $0.dropped } }

  /// Hands over one line, its line break included.
  ///
  /// To wake the writing thread costs more than to make a line: one that `canWait` wakes it for all
  /// that come within a moment.
  package func write(_ line: [UInt8], canWait: Bool = false) {
    let start = state.withLock { state in
      guard !state.isClosed, state.pending.count + line.count <= limit else {
        state.dropped += 1
        return Drain.none
      }
      state.pending += line
      switch state.drain {
      case .none: state.drain = canWait ? .later : .now
      case .later where !canWait: state.drain = .now
      case .later, .now: return .none
      }
      return state.drain
    }
    switch start {
    case .none: break
    case .later: queue.asyncAfter(deadline: .now() + Self.patience) { self.drain() }
    case .now: queue.async { self.drain() }
    }
  }

  /// Waits until what was handed over is written, for a limited time.
  package func flush(within limit: Duration) async {
    let waiter = Waiter()
    await withCheckedContinuation { continuation in
      waiter.continuation.withLock { $0 = continuation }
      queue.async {
        self.drain()
        waiter.resume()
      }
      let milliseconds = Int(clamping: limit.inMilliseconds)
      DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(milliseconds)) {
        waiter.resume()
      }
    }
  }

  /// A continuation that the first of two events resumes.
  private final class Waiter: Sendable {
    let continuation = Mutex<CheckedContinuation<Void, Never>?>(nil)

    func resume() {
      let waiting = continuation.withLock { continuation in
        defer { continuation = nil }
        return continuation
      }
      waiting?.resume()
    }
  }

  /// Writes until nothing is left; only ever on the queue.
  private func drain() {
    while let batch = nextBatch() {
      do throws(StandardStream.Failure) {
        try stream.write(batch.bytes)
        state.withLock { $0.isTorn = false }
      } catch {
        state.withLock { state in
          state.dropped += batch.lines
          state.isTorn = true
          if error == .closed {
            state.isClosed = true
            // What was handed over meanwhile is lost as well.
            state.dropped += state.pending.count { $0 == UInt8(ascii: "\n") }
            state.pending = []
          }
        }
      }
    }
  }

  private func nextBatch() -> (bytes: [UInt8], lines: Int)? {
    state.withLock { state in
      guard !state.pending.isEmpty else {
        state.drain = .none
        return nil
      }
      var bytes = state.isTorn ? [UInt8(ascii: "\n")] : []
      var lines = state.pending.count { $0 == UInt8(ascii: "\n") }
      if state.dropped > 0 {
        bytes += notice(state.dropped)
        // Told again, should this write fail too.
        lines += state.dropped
        state.dropped = 0
      }
      bytes += state.pending
      state.pending = []
      return (bytes, lines)
    }
  }
}
