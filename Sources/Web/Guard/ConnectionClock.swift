import NIOCore

/// What one connection is waiting for, and until when.
///
/// Pure: times come in, verdicts go out.
struct ConnectionClock {
  enum Verdict: Equatable {
    /// Nothing is overdue; look again then.
    case wait(until: NIODeadline)
    /// Nothing can become overdue now.
    case rest
    case close
    case refuse(GuardRefusal)
  }

  private enum Phase {
    case idle(since: NIODeadline)
    case head(since: NIODeadline)
    case body(since: NIODeadline, last: NIODeadline, bytes: Int)
    /// The request is complete; the answer takes as long as its maker lets it.
    case answering
  }

  private let limits: GuardLimits
  private var phase: Phase
  private var unwritten = 0
  private var lastWrite: NIODeadline
  /// Time in which we did not ask for bytes does not count against the client.
  private var isReading = true

  init(_ limits: GuardLimits, now: NIODeadline) {
    self.limits = limits
    phase = .head(since: now)
    lastWrite = now
  }

  /// A connection that has sent nothing yet is in the head of its first request.
  mutating func received(bytes: Int, now: NIODeadline) {
    switch phase {
    case .idle: phase = .head(since: now)
    case .body(let since, _, let count):
      phase = .body(since: since, last: now, bytes: count + bytes)
    case .head, .answering: break
    }
  }

  mutating func headEnded(now: NIODeadline) { phase = .body(since: now, last: now, bytes: 0) }

  mutating func requestEnded() { phase = .answering }

  mutating func answered(hasMore: Bool, now: NIODeadline) {
    if case .answering = phase, !hasMore { phase = .idle(since: now) }
  }

  /// We ask for bytes again, or have enough for now.
  mutating func reads(_ reads: Bool, now: NIODeadline) {
    if reads && !isReading, case .body(let since, let last, let bytes) = phase {
      let pause = now - last
      phase = .body(since: since + pause, last: now, bytes: bytes)
    }
    isReading = reads
  }

  mutating func writing(bytes: Int, now: NIODeadline) {
    if unwritten == 0 { lastWrite = now }
    unwritten += bytes
  }

  mutating func wrote(bytes: Int, now: NIODeadline) {
    unwritten -= bytes
    lastWrite = now
  }

  func verdict(now: NIODeadline) -> Verdict {
    if unwritten > 0 {
      let end = lastWrite + limits.write
      if now >= end { return .close }
      return .wait(until: end)
    }
    switch phase {
    case .idle(let since):
      return now >= since + limits.idle ? .close : .wait(until: since + limits.idle)
    case .head(let since):
      return now >= since + limits.head
        ? .refuse(.headTooSlow) : .wait(until: since + limits.head)
    case .body(let since, let last, let bytes):
      guard isReading else { return .wait(until: now + limits.body) }
      let earned = TimeAmount.nanoseconds(
        Int64(bytes) * 1_000_000_000 / Int64(max(1, limits.bodyBytesPerSecond)))
      let end = min(last + limits.body, since + limits.body + earned)
      return now >= end ? .refuse(.bodyTooSlow) : .wait(until: end)
    case .answering: return .rest
    }
  }
}
