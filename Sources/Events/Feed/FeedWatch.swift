package import Base
package import Logging
import Postgres
import ServiceLifecycle
package import Storage
import Synchronization

/// Tells readers that wait when the feed has moved.
///
/// One look at the feed serves all of them; nobody waiting, nobody looks.
package final class FeedWatch: Service {
  /// How long news may take at most.
  private static let pause = Duration.milliseconds(100)

  private struct Waiter {
    let position: Int64
    let until: Duration
    let wake: CheckedContinuation<Void, Never>
  }

  private struct State {
    var waiters: [UInt64: Waiter] = [:]
    var nextID: UInt64 = 0
    var isOver = false
  }

  private let feed: EventFeed
  private let clock: MonotonicClock
  private let logger: Logger
  private let state = Mutex(State())

  package init(feed: EventFeed, clock: MonotonicClock = .system, logger: Logger) {
    self.feed = feed
    self.clock = clock
    self.logger = logger
  }

  /// Returns when there is something behind the position, when the time is over, and when the task
  /// is cancelled.
  package func wait(behind position: Int64, atMost time: Duration) async {
    let id = state.withLock { state in
      state.nextID += 1
      return state.nextID
    }
    let until = clock.now() + time
    await withTaskCancellationHandler {
      await withCheckedContinuation { wake in
        let isOver = state.withLock { state in
          guard !state.isOver, !Task.isCancelled else { return true }
          state.waiters[id] = Waiter(position: position, until: until, wake: wake)
          return false
        }
        if isOver { wake.resume() }
      }
    } onCancel: {
      state.withLock { $0.waiters.removeValue(forKey: id) }?.wake.resume()
    }
  }

  package func run() async {
    await cancelWhenGracefulShutdown {
      while !Task.isCancelled {
        try? await self.clock.sleep(for: Self.pause)
        guard self.state.withLock({ !$0.waiters.isEmpty }) else { continue }
        await self.look()
      }
    }
    state.withLock { $0.isOver = true }
    release { _ in true }
  }

  private func look() async {
    var last: Int64?
    do throws(PostgresError) {
      last = try await feed.lastPosition()
    } catch {
      // Who waits hears it from its own reading.
      logger.debug("the feed's end cannot be read", metadata: ["cause": "\(error)"])
    }
    let now = clock.now()
    release { waiter in waiter.until <= now || last.map { $0 > waiter.position } ?? true }
  }

  private func release(_ isDue: (Waiter) -> Bool) {
    let due = state.withLock { state in
      let due = state.waiters.filter { isDue($0.value) }
      for id in due.keys { state.waiters[id] = nil }
      return due.values
    }
    for waiter in due { waiter.wake.resume() }
  }
}
