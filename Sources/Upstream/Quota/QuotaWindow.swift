import Base
import BigCommerce

/// What is known of a store's request window, from the headers of its answers.
///
/// The header is the truth: others call the store too, and their share shows only there. Times are
/// of a monotonic clock.
struct QuotaWindow: Sendable {
  /// Calls per window; `nil` while no answer has told.
  private(set) var quota: Int?
  /// The window's length as read last.
  private(set) var size = Duration.seconds(30) {
    didSet { parts = Parts(of: size) }
  }
  private var parts = Parts(of: .seconds(30))
  /// Calls left by the last word of the platform, less what was used since by answers that did not
  /// tell.
  private(set) var left: Int?
  /// When the quota is refreshed, at the latest; `nil` before the first answer of a window.
  private(set) var resetsAt: Duration?
  /// When the answer came that ``left`` is from, or when the last window ended.
  private(set) var toldAt = Duration.zero
  /// When the answer came after which a call must be sent so that its answer is the truth.
  private var orderedAt = Duration.zero
  /// What others used per second in the windows before this one.
  private var formerStrangers = 0.0
  /// What others used in this window by the last word.
  private var seenStrangers = 0.0
  /// Our calls of this window that were answered.
  private var ownUse = 0

  /// What of the window's length is asked for at every call: to divide a duration takes long.
  private struct Parts: Sendable {
    let seconds: Double
    let half: Duration
    let sixteenth: Duration

    init(of size: Duration) {
      seconds = size.inSeconds
      half = size / 2
      sixteenth = size / 16
    }
  }

  /// Starts a new window once the last is over; the whole quota is taken to be there until an
  /// answer tells.
  /// - Returns: whether it did.
  mutating func roll(_ now: Duration) -> Bool {
    guard let end = resetsAt, now >= end else { return false }
    restart(left: quota.flatMap { $0 > 0 ? $0 : nil }, from: end)
    return true
  }

  /// Takes over what an answer tells: it is of a moment between `sentAt` and `now`.
  ///
  /// `inFlight` are the calls that are still unanswered, this one not among them.
  mutating func take(_ headers: QuotaHeaders, sentAt: Duration, now: Duration, inFlight: Int) {
    let isNewer = sentAt >= orderedAt
    guard let told = headers.left, isNewer || !isOfFormerWindow(headers, sentAt: sentAt, now: now)
    else { return spend() }
    if let window = headers.window, window != size { size = window }
    takeReset(headers, sentAt: sentAt, now: now, isNewer: isNewer)
    if let stated = headers.quota {
      quota = stated
    } else if told > quota ?? 0 {
      quota = told
    }
    ownUse += 1
    // A call sent after the last word came speaks of a later moment; others may be out of turn.
    if isNewer || left == nil {
      left = told
      toldAt = now
      orderedAt = now
    } else if told < left ?? 0 {
      left = told
      toldAt = now
    }
    // Calls in flight may be in the count or not: taken as if they were, and put right by their
    // answers.
    seenStrangers = max(0, Double((quota ?? told) - (left ?? told) - ownUse - inFlight))
  }

  /// Counts a call that the platform may have counted without telling.
  mutating func spend() {
    if let left { self.left = max(0, left - 1) }
  }

  /// How many more calls may be sent in this window so that others find theirs too; `nil` for any
  /// number.
  func spare(_ now: Duration, inFlight: Int) -> Double? {
    guard let left else { return nil }
    let told = resetsAt == nil ? now : toldAt
    return Double(left - inFlight) - strangersPerSecond * max(0, (end(now) - told).inSeconds)
  }

  /// When this window ends, as far as is known.
  func end(_ now: Duration) -> Duration { resetsAt ?? now + size }

  /// What a window brings us, by what others used of those before; at least an eighth of it.
  var usualShare: Double? {
    quota.map { max(1, Double($0) / 8, Double($0) - strangersPerSecond * parts.seconds) }
  }

  /// What others use; former windows weigh like a quarter of one, so that one that has just begun
  /// says little.
  private var strangersPerSecond: Double {
    guard let resetsAt else { return formerStrangers }
    let length = max(parts.seconds, 0.001)
    let elapsed = min(max(0, length - (resetsAt - toldAt).inSeconds), length)
    return (formerStrangers * length / 4 + seenStrangers) / (length / 4 + elapsed)
  }

  private func isOfFormerWindow(
    _ headers: QuotaHeaders, sentAt: Duration, now: Duration
  ) -> Bool {
    guard let reset = headers.reset else { return false }
    if let resetsAt { return now + reset < resetsAt - parts.half }
    return sentAt + reset <= orderedAt
  }

  /// The reset was measured somewhere between sending and receiving, and rounded to milliseconds or
  /// to seconds: only one that is later by more than that is of a new window.
  private mutating func takeReset(
    _ headers: QuotaHeaders, sentAt: Duration, now: Duration, isNewer: Bool
  ) {
    guard let reset = headers.reset else {
      if resetsAt == nil { resetsAt = now + (headers.retryAfter ?? size) }
      return
    }
    let (earliest, latest) = (sentAt + reset, now + reset)
    if let known = resetsAt {
      if earliest > known + parts.sixteenth || latest < known - parts.half {
        restart(left: nil, from: toldAt)
        resetsAt = latest
      } else {
        resetsAt = min(known, latest)
      }
    } else {
      resetsAt = latest
    }
  }

  private mutating func restart(left: Int?, from moment: Duration) {
    formerStrangers = strangersPerSecond
    seenStrangers = 0
    ownUse = 0
    self.left = left
    resetsAt = nil
    toldAt = moment
    orderedAt = moment
  }
}
