import Base
import Synchronization

/// Wakes the sender's loop when an attempt has made room, or when it shall stop.
final class PushWake: Sendable {
  private struct State {
    var isStopped = false
    var isDue = false
    var waiter: CheckedContinuation<Void, Never>?
  }

  private let state = Mutex(State())

  var isStopped: Bool { state.withLock { $0.isStopped } }

  func stop() {
    state.withLock { $0.isStopped = true }
    signal()
  }

  func signal() {
    let waiter = state.withLock { state in
      state.isDue = state.waiter == nil
      return state.waiter.take()
    }
    waiter?.resume()
  }

  /// Returns when there was a signal since the last wait, or after a while.
  func wait(atMost duration: Duration, _ clock: MonotonicClock) async {
    await withTaskGroup(of: Void.self) { race in
      race.addTask {
        // Cancelled: the signal came first.
        try? await clock.sleep(for: duration)
        self.signal()
      }
      await park()
      race.cancelAll()
    }
    state.withLock { $0.isDue = false }
  }

  private func park() async {
    await withCheckedContinuation { continuation in
      let isDue = state.withLock { state in
        if state.isDue || state.isStopped { return true }
        state.waiter = continuation
        return false
      }
      if isDue { continuation.resume() }
    }
  }
}
