/// What the `Idempotency-Key` of a request came to, in one word for logs and metrics.
package enum Idempotency: String, CaseIterable, Hashable, Sendable {
  /// The key was free: the write was the first, and was tried.
  case first
  /// The first one's answer was given again.
  case replayed
  /// The first one's answer is not kept, or does not open.
  case notKept = "not_kept"
  /// The first one has no answer yet.
  case inFlight = "in_flight"
  /// Nobody knows what became of the first one.
  case unknown
  /// The key stands for another request.
  case conflict
  /// The caller has as many keys or answers as it may.
  case full
  /// The key could not be recorded.
  case unavailable
}
