import Base

/// Spreads what is left of a window over the time that is left of it.
///
/// While more than half of the quota is there nothing is held back. Below, calls are let through at
/// the rate at which the rest lasts until the reset, a few at once: so a flood of one caller leaves
/// something for the next one, nobody waits for the reset alone, and others who call the store are
/// met early and not at its last call.
struct Pace: Sendable {
  /// Calls that may go at once.
  private var credit = 0.0
  private var countedAt = Duration.zero

  /// Lets credit grow at the rate that now holds.
  mutating func advance(to now: Duration, spare: Double, quota: Int, end: Duration) {
    let most = Pace.burst(quota)
    if spare > Double(quota) / 2 {
      credit = most
    } else {
      let passed = max(0, (now - countedAt).inSeconds)
      credit = min(most, credit + passed * Pace.rate(spare: spare, until: end - now))
    }
    countedAt = now
  }

  mutating func refill(quota: Int) { credit = Pace.burst(quota) }

  mutating func take() { credit = max(0, credit - 1) }

  var isOpen: Bool { credit >= 1 }

  /// Until so many calls have credit, as far as the rate stays; `nil` when it never comes before
  /// the window ends.
  func wait(for calls: Double, spare: Double, quota: Int, now: Duration, end: Duration) -> Duration
  {
    let missing = calls - credit
    guard missing > 0, spare - missing <= Double(quota) / 2 else { return .zero }
    let rate = Pace.rate(spare: max(spare, 1), until: end - now)
    return min(.seconds(missing / rate), max(.zero, end - now))
  }

  private static func burst(_ quota: Int) -> Double { max(1, Double(quota) / 10) }

  /// Calls per second; a tenth faster than even, so that the last of them is not cut off by the
  /// reset.
  private static func rate(spare: Double, until rest: Duration) -> Double {
    max(0, spare) * 1.1 / max(rest.inSeconds, 0.001)
  }
}
