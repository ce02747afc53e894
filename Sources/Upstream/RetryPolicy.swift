package import Base
package import HTTPTypes

/// Whether a call is sent again; a pure function of how it ended.
///
/// `GET` and `HEAD` after a failure to connect, a broken connection, 502, 503 with `Retry-After`,
/// 504; any method after 429 or 509, which refuse before anything is done, and when nothing was
/// sent. A write of unknown outcome never, plain 500 and 503 never.
package struct RetryPolicy: Hashable, Sendable {
  /// How an attempt ended.
  package enum End: Hashable, Sendable {
    case answered(status: Int, retryAfter: Duration?)
    case failed(UpstreamError)
  }

  package enum Decision: Hashable, Sendable {
    /// Send it again after that time, and when the store's quota allows it.
    case again(after: Duration)
    case giveUp
  }

  /// Upper bounds of the pause before the first repetition and of any.
  private static let firstPause = Duration.milliseconds(100)
  private static let longestPause = Duration.seconds(5)

  package let method: HTTPRequest.Method
  /// Whether the whole body is in memory; one that streams can be sent once.
  package let holdsBody: Bool
  /// How often the caller allows the call to be repeated.
  package let retries: Int

  package init(method: HTTPRequest.Method, holdsBody: Bool, retries: Int) {
    self.method = method
    self.holdsBody = holdsBody
    self.retries = retries
  }

  /// What to do about a call that was repeated so often already, with that time left to its
  /// deadline.
  package func decide(
    _ end: End, repeated: Int, timeLeft: Duration, _ random: inout SplitMix64
  ) -> Decision {
    guard repeated < retries, let least = pause(after: end) else { return .giveUp }
    let most = min(Self.longestPause, Self.firstPause * (1 << min(repeated, 10)))
    let pause = isRefusal(end) ? .zero : least + random.part(of: most)
    return pause < timeLeft ? .again(after: pause) : .giveUp
  }

  /// The shortest pause before the call may be repeated; `nil` when it may not.
  private func pause(after end: End) -> Duration? {
    let changesNothing = method == .get || method == .head
    switch end {
    case .answered(429, _), .answered(509, _): return holdsBody ? .zero : nil
    case .answered(502, _), .answered(504, _): return changesNothing && holdsBody ? .zero : nil
    case .answered(503, let retryAfter?):
      return changesNothing && holdsBody ? retryAfter : nil
    case .answered: return nil
    // Nothing was sent, so a streamed body is whole as well.
    case .failed(.unreachable): return .zero
    case .failed(.broken): return changesNothing && holdsBody ? .zero : nil
    case .failed: return nil
    }
  }

  /// After a refusal for quota the store's governor knows how long to wait.
  private func isRefusal(_ end: End) -> Bool {
    switch end {
    case .answered(429, _), .answered(509, _): true
    default: false
    }
  }
}

/// Keeps repetitions to a fifth of a store's calls, and ten more, so that trouble does not feed
/// itself.
struct RetryBudget: Sendable {
  private static let most = 10.0
  private var credit = RetryBudget.most

  /// How many repetitions may be made at once after a while without any.
  static var whole: Int { Int(most) }

  /// How many may be made now.
  var left: Int { Int(credit) }

  var isFull: Bool { credit == Self.most }

  mutating func noteCall() { credit = min(Self.most, credit + 0.2) }

  /// Whether one more repetition is within it; counts it.
  mutating func take() -> Bool {
    guard credit >= 1 else { return false }
    credit -= 1
    return true
  }
}
