package import Base
package import NIOCore
import Storage
import Synchronization

/// A call from the moment it is taken in until its answer is complete or nobody wants it: it holds
/// its place, and is counted in the usage when it goes away.
package final class CallUnderWay: Sendable {
  private enum End {
    case answered(status: Int, after: Duration)
    /// The gateway's own answer.
    case refused(Problem, after: Duration)
    /// An answer that was given before.
    case replayed
  }

  private struct Notes {
    var end: End?
    var waited = Duration.zero
    var sentBytes = 0
    var receivedBytes = 0
  }

  private let place: HeldCall
  private let tags: CallTags
  private let name: CallName
  private let usage: UsageBook?
  private let loop: any EventLoop
  private let now: Timestamp
  private let beganAt: Duration
  private let notes = Mutex(Notes())

  /// A call that is taken in now, at `now` by the wall and `beganAt` by the monotonic clock.
  ///
  /// Without a book it is not counted.
  package init(
    _ place: consuming HeldCall, _ tags: CallTags, named name: CallName, in usage: UsageBook?,
    on loop: any EventLoop, now: Timestamp, beganAt: Duration
  ) {
    self.place = place
    self.tags = tags
    self.name = name
    self.usage = usage
    self.loop = loop
    self.now = now
    self.beganAt = beganAt
  }

  /// It has waited that long for a place in its store's quota.
  func waited(_ time: Duration) {
    if time > .zero { notes.withLock { $0.waited += time } }
  }

  /// The head of BigCommerce's answer is in, by the monotonic clock at `now`.
  package func answered(status: Int, now: Duration) {
    notes.withLock { $0.end = .answered(status: status, after: now - beganAt) }
  }

  /// The gateway answers itself, by the monotonic clock at `now`.
  package func refused(_ problem: Problem, now: Duration) {
    notes.withLock { $0.end = .refused(problem, after: now - beganAt) }
  }

  /// BigCommerce's answer of an earlier call is given again.
  package func replayed() {
    notes.withLock { $0.end = .replayed }
  }

  /// Part of its body was sent on.
  package func sent(bytes: Int) {
    notes.withLock { $0.sentBytes += bytes }
  }

  /// Part of the answer's body has come.
  package func received(bytes: Int) {
    notes.withLock { $0.receivedBytes += bytes }
  }

  deinit {
    guard let usage else { return }
    let notes = notes.withLock { $0 }
    usage.count(counts(notes), of: tags, minute: now.seconds / 60, on: loop)
    if let failure = failure(notes.end) { usage.note(failure, on: loop) }
  }

  private func failure(_ end: End?) -> FailedCall? {
    let installation = tags.store.installation
    switch end {
    case .answered(let status, let time) where status >= 400:
      return FailedCall(
        name, of: tags.key, to: installation, at: now, answered: status, after: time)
    case .refused(let problem, let time):
      return FailedCall(name, of: tags.key, to: installation, at: now, problem, after: time)
    case .answered, .replayed, nil: return nil
    }
  }

  private func counts(_ notes: Notes) -> UsageCounts {
    var counts = UsageCounts()
    counts[.calls] = 1
    switch notes.end {
    case .answered(let status, let time):
      counts.observe(latency: time)
      if let fault = UsageCounts.Field(answer: status) { counts[fault] = 1 }
    case .refused(let problem, _): counts[UsageCounts.Field(refusal: problem.status)] = 1
    case .replayed: break
    case nil: counts[.abandoned] = 1
    }
    if notes.waited > .zero {
      counts[.waited] = 1
      counts[.waitedMicroseconds] = notes.waited.inMicroseconds
    }
    counts[.sentBytes] = Int64(notes.sentBytes)
    counts[.receivedBytes] = Int64(notes.receivedBytes)
    return counts
  }
}

extension UsageBook {
  /// Counts a call that was not taken in, and answered with that status.
  package func refused(
    _ call: CallTags, status: Int, now: Timestamp, on loop: any EventLoop
  ) {
    var counts = UsageCounts()
    counts[.calls] = 1
    counts[UsageCounts.Field(refusal: status)] = 1
    count(counts, of: call, minute: now.seconds / 60, on: loop)
  }
}

extension UsageCounts.Field {
  /// What an answer of BigCommerce's counts as, beside being a call; `nil` when it is fine.
  fileprivate init?(answer status: Int) {
    switch status {
    case 429, 509: self = .throttled
    case 500...: self = .failed
    case 400...: self = .rejected
    default: return nil
    }
  }

  /// What an answer of the gateway's own counts as.
  fileprivate init(refusal status: Int) {
    switch status {
    case 429: self = .throttled
    case 503: self = .refused
    case 500...: self = .failed
    default: self = .rejected
    }
  }
}
