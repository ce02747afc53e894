package import Base
package import BigCommerce
import Synchronization

/// What this replica has seen of a service key: when it was last used, how much of its rate is
/// spent, and how many of its calls are held.
///
/// Four words, whatever the number of calls; they are changed without a lock.
package final class KeyActivity: Sendable {
  /// Minutes since 1970; 0: not used since the start.
  private let lastMinute = Atomic<Int64>(0)
  /// The last minute that the database has.
  private let writtenMinute = Atomic<Int64>(0)
  /// When all calls made until now would have been made at an even pace, in microseconds of the
  /// monotonic clock.
  private let paidUntil = Atomic<Int64>(.min)
  /// Calls with the key that this replica holds; counted by ``CallAdmission``.
  let held = Atomic<Int>(0)

  package init() {}

  /// Calls with the key that wait, are under way or stream.
  package var heldCalls: Int { held.load(ordering: .relaxed) }

  /// Notes that a call came with the key.
  package func noteUse(at now: Timestamp) {
    let minute = now.seconds / 60
    // A minute's first call writes, the others only read: calls on all loops share this word.
    if lastMinute.load(ordering: .relaxed) < minute {
      lastMinute.store(minute, ordering: .relaxed)
    }
  }

  /// The minute of the last use that the database does not have yet.
  package var unwrittenMinute: Int64? {
    let minute = lastMinute.load(ordering: .relaxed)
    return minute > writtenMinute.load(ordering: .relaxed) ? minute : nil
  }

  /// Notes what the database has.
  package func noteWritten(minute: Int64) {
    writtenMinute.store(minute, ordering: .relaxed)
  }

  /// Takes one call of the rate; `now` is by the monotonic clock.
  ///
  /// A whole minute's calls may come at once; each comes back after its share of a minute. So an
  /// hour sees at most sixty-one minutes' calls.
  /// - Returns: `nil` when the call may be made; how long to wait when it may not, which takes
  ///   nothing.
  package func admit(at now: Duration, _ rate: CallRate) -> Duration? {
    let share = rate.share
    let burst = share * (rate.callsPerMinute - 1)
    let now = now.inMicroseconds
    var paid = paidUntil.load(ordering: .relaxed)
    while true {
      let base = max(paid, now)
      let wait = base - now - burst
      guard wait <= 0 else { return .microseconds(wait) }
      let (done, found) = paidUntil.compareExchange(
        expected: paid, desired: base + share, ordering: .relaxed)
      if done { return nil }
      paid = found
    }
  }

  /// What the rate would allow now; nothing is taken.
  package func allowance(at now: Duration, _ rate: CallRate) -> RateAllowance {
    let now = now.inMicroseconds
    let ahead = max(paidUntil.load(ordering: .relaxed), now) - now
    let calls = max(0, rate.callsPerMinute - (ahead + rate.share - 1) / rate.share)
    let wait = max(0, ahead - rate.share * (rate.callsPerMinute - 1))
    return RateAllowance(rate: rate, calls: calls, wait: .microseconds(wait))
  }
}

/// What a key's rate allows at one moment.
package struct RateAllowance: Hashable, Sendable {
  package let rate: CallRate
  /// How many calls may be made at once.
  package let calls: Int64
  /// How long until one may be made, when none may.
  package let wait: Duration
}

extension CallRate {
  /// A call's part of a minute, in microseconds.
  fileprivate var share: Int64 { (60_000_000 + callsPerMinute - 1) / callsPerMinute }
}
