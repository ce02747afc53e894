import Base
import Synchronization

@testable import Upstream

/// A clock and alarms that only a test moves.
final class HandMovedTime: Sendable {
  private struct State {
    var now = Duration.seconds(1000)
    var alarms: [Int: (due: Duration, work: @Sendable () -> Void)] = [:]
    var last = 0
  }

  private let state = Mutex(State())
  let meter = CallMeter()

  var time: CallTime {
    CallTime(
      clock: MonotonicClock(
        now: { self.state.withLock { $0.now } },
        sleep: { _ throws(CancellationError) in throw CancellationError() }),
      alarm: Alarm { delay, work in
        let id = self.state.withLock { state in
          state.last += 1
          state.alarms[state.last] = (state.now + delay, work)
          return state.last
        }
        return { self.state.withLock { $0.alarms[id] = nil } }
      }, meter: meter)
  }

  var alarmCount: Int { state.withLock { $0.alarms.count } }

  func advance(by duration: Duration) {
    let due = state.withLock { state in
      state.now += duration
      let due = state.alarms.filter { $0.value.due <= state.now }
      for id in due.keys { state.alarms[id] = nil }
      return due.values.map(\.work)
    }
    for work in due { work() }
  }
}
