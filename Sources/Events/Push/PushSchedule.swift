import Base
package import Storage

/// When an attempt that failed is made again, and when a subscription as a whole rests.
///
/// A pure value: an answer in, an outcome out.
package struct PushSchedule: Hashable, Sendable {
  /// From one attempt to the next; one more attempt is made than there are delays.
  package let delays: [Duration]

  /// So many failures in a row are the deliveries' own; from then on the subscription rests.
  static let patience = 5
  private static let shortestRest = Duration.seconds(5)
  private static let longestRest = Duration.seconds(300)
  /// However long a subscriber asks for.
  static let longestWish = Duration.seconds(3600)

  package init(delays: [Duration]) {
    self.delays = delays
  }

  /// What becomes of a delivery; this attempt counts in `attempt`, and not in `failures`, those of
  /// the subscription in a row.
  ///
  /// `chance`, 0 to 1, spreads delays by a tenth to either side, so that what failed together does
  /// not come back together.
  package func outcome(
    of answer: PushAnswer, attempt: Int, failures: Int, chance: Double
  ) -> PushOutcome {
    switch answer.verdict {
    case .accepted: return .delivered
    case .gone: return .gone
    case .refused:
      let wish = answer.retryAfter.map { min($0, PushSchedule.longestWish) } ?? .zero
      let spread = 0.9 + 0.2 * chance
      let delay = attempt <= delays.count ? delays[max(attempt, 1) - 1] : nil
      return .failed(
        retry: delay.map { max(.seconds($0.inSeconds * spread), wish) },
        pause: max(.seconds(rest(after: failures + 1).inSeconds * spread), wish))
    }
  }

  /// 5 s after the fifth failure in a row, doubled with each, at most 5 min: what is due to a dead
  /// host is not tried piece by piece.
  private func rest(after failures: Int) -> Duration {
    guard failures >= PushSchedule.patience else { return .zero }
    let doublings = min(failures - PushSchedule.patience, 10)
    return min(PushSchedule.longestRest, PushSchedule.shortestRest * (1 << doublings))
  }
}
