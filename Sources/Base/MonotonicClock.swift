/// Where deadlines and pauses are measured, so that a test can move time.
///
/// It never jumps; it says nothing about the time of day.
package struct MonotonicClock: Sendable {
  private let read: @Sendable () -> Duration
  private let wait: @Sendable (Duration) async throws(CancellationError) -> Void

  package init(
    now: @escaping @Sendable () -> Duration,
    sleep: @escaping @Sendable (Duration) async throws(CancellationError) -> Void
  ) {
    read = now
    wait = sleep
  }

  /// The time since a fixed moment of the past.
  package func now() -> Duration { read() }

  /// Suspends for that long; throws at once when the task is cancelled.
  package func sleep(for duration: Duration) async throws(CancellationError) {
    try await wait(duration)
  }

  /// The operating system's clock.
  package static let system = MonotonicClock(
    // The origin first: it is made at its first use, and nothing lies before it.
    now: { origin.duration(to: .now) },
    sleep: { duration throws(CancellationError) in
      do {
        try await Task.sleep(for: duration)
      } catch {
        throw CancellationError()
      }
    })

  private static let origin = ContinuousClock.now
}
