package import Base

/// Runs something after a while, whoever set it; so that a test can move time.
package struct Alarm: Sendable {
  /// Calls it off; harmless when it is over.
  package typealias Cancel = @Sendable () -> Void

  private let start: @Sendable (Duration, @escaping @Sendable () -> Void) -> Cancel

  package init(
    _ start: @escaping @Sendable (Duration, @escaping @Sendable () -> Void) -> Cancel
  ) {
    self.start = start
  }

  package func set(after delay: Duration, _ work: @escaping @Sendable () -> Void) -> Cancel {
    start(delay, work)
  }

  /// By a clock's sleep.
  package static func sleeping(_ clock: MonotonicClock) -> Alarm {
    Alarm { delay, work in
      // Not structured: it belongs to all who wait for a store's quota, and outlives the one who
      // set it.
      let task = Task {
        do throws(CancellationError) {
          try await clock.sleep(for: delay)
          work()
        } catch {
          // Called off.
        }
      }
      return { task.cancel() }
    }
  }
}
