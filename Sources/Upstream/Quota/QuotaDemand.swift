package import BigCommerce

/// How calls of one store are ordered when its quota is short.
package enum CallPriority: String, CaseIterable, Hashable, Sendable {
  /// Goes first.
  case interactive
  /// Waits for the interactive, and leaves them a fifth of the quota and a quarter of the places.
  case bulk
}

/// A call that asks for a place among those of its store.
package struct QuotaDemand: Hashable, Sendable {
  /// The ID of the key; callers of a store share its quota evenly.
  package let caller: String
  package let family: EndpointFamily
  package let priority: CallPriority
  /// The longest time that it may wait.
  package let maxWait: Duration

  package init(
    caller: String, family: EndpointFamily, priority: CallPriority, maxWait: Duration
  ) {
    self.caller = caller
    self.family = family
    self.priority = priority
    self.maxWait = maxWait
  }

  /// The same for another time to wait; never less than none.
  func waiting(atMost limit: Duration) -> QuotaDemand {
    QuotaDemand(caller: caller, family: family, priority: priority, maxWait: max(.zero, limit))
  }
}

/// A place among the calls in flight to a store; whoever has it gives it back once.
package struct QuotaPermit: Hashable, Sendable {
  package let family: EndpointFamily.ID
  package let priority: CallPriority
  /// When it was given, by the monotonic clock.
  package let grantedAt: Duration
}

/// Why a call gets no place.
package enum QuotaRefusal: Error, Hashable, Sendable {
  /// It would have to wait longer than it may, or has waited that long; a place may be there after
  /// `retryAfter`.
  case exhausted(retryAfter: Duration)
  /// Too many wait already.
  case overloaded(retryAfter: Duration)
}

/// How a call with a permit has ended.
package enum QuotaResult: Hashable, Sendable {
  case answered(status: Int, QuotaHeaders)
  /// No answer; `sent`: whether the platform may have counted the call.
  case unanswered(sent: Bool)
}

/// Names one who waits; never used twice in a process.
struct QuotaWaiterID: Hashable, Sendable {
  let number: UInt64
}
