import Base
import Synchronization

/// A monotonic clock that stands still until it is moved.
final class ManualClock: Sendable {
  private let moment = Mutex(Duration.seconds(1000))

  var clock: MonotonicClock {
    MonotonicClock(
      now: { self.moment.withLock { $0 } },
      sleep: { _ throws(CancellationError) in
        guard !Task.isCancelled else { throw CancellationError() }
        await Task.yield()
      })
  }

  func advance(by duration: Duration) {
    moment.withLock { $0 += duration }
  }
}
