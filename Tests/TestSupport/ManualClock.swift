package import Base
import Synchronization

/// A monotonic clock that stands still until it is moved.
package final class ManualClock: Sendable {
  private let moment = Mutex(Duration.seconds(1000))

  package init() {}

  package var clock: MonotonicClock {
    MonotonicClock(
      now: { self.moment.withLock { $0 } },
      sleep: { _ throws(CancellationError) in
        guard !Task.isCancelled else { throw CancellationError() }
        await Task.yield()
      })
  }

  package func advance(by duration: Duration) {
    moment.withLock { $0 += duration }
  }
}
