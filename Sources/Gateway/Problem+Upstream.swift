package import Base
package import Upstream

extension Problem {
  /// What a caller is told of a call that brought no answer.
  package init(_ error: UpstreamError) {
    self =
      switch error {
      case .notSendable: .notSendable
      case .unreachable(let sent): .upstreamUnreachable(sent: sent)
      case .broken: .upstreamBroken
      case .timeout(let sent): .upstreamTimeout(sent: sent)
      // The caller is gone in both cases; nobody reads the answer.
      case .bodyFailed, .cancelled: .bodyIncomplete
      case .draining(let sent): .draining(sent: sent)
      case .quota(.exhausted(let wait)): .quotaExhausted(retryAfter: wait)
      case .quota(.overloaded(let wait)): .overloaded(retryAfter: wait)
      case .brokenStore(let refusal): .broken(refusal)
      }
  }

  static func quotaExhausted(retryAfter wait: Duration) -> Problem {
    Problem(
      status: 429, code: "quota_exhausted", title: "The store's quota has no place in time",
      detail: """
        The call would wait longer than Latchkey-Max-Wait allows. Nothing was sent. Try again after Retry-After, or \
        allow a longer wait; calls that nobody waits for belong into Latchkey-Priority: bulk.
        """, retryAfter: wait.wholeSeconds)
  }

  static func overloaded(retryAfter wait: Duration) -> Problem {
    Problem(
      status: 503, code: "overloaded", title: "Too many calls wait for this store",
      detail: "Nothing was sent. Try again after Retry-After, with fewer calls at a time.",
      retryAfter: wait.wholeSeconds)
  }

  static func overloaded(_ refusal: CallAdmission.Refusal) -> Problem {
    let title =
      switch refusal {
      case .replica: "This replica holds as many calls as it may"
      case .store: "This replica holds too many calls to this store"
      case .caller: "This replica holds too many calls of this key"
      }
    return Problem(
      status: 503, code: "overloaded", title: title,
      detail: "Nothing was sent. Try again after Retry-After, with fewer calls at a time.",
      fields: [.init("held", .string(refusal.rawValue))], retryAfter: 1)
  }

  static func broken(_ refusal: BreakerRefusal) -> Problem {
    let detail =
      switch refusal.cause {
      case .storeUnavailable:
        """
        BigCommerce has answered 503 for this store again and again: the store is suspended, unpaid or under \
        maintenance. Other stores are not affected.
        """
      case .platform:
        "Calls to this part of the store's API have failed again and again."
      }
    return Problem(
      status: 502, code: "upstream_unreachable", title: "BigCommerce cannot be reached",
      detail: detail + " Nothing was sent. Calls are tried again after Retry-After.",
      fields: [.outcome(sent: false), .init("cause", .string(refusal.cause.rawValue))],
      retryAfter: refusal.retryAfter.wholeSeconds)
  }

  static func upstreamUnreachable(sent: Bool) -> Problem {
    Problem(
      status: 502, code: "upstream_unreachable", title: "BigCommerce cannot be reached",
      detail: sent
        ? "No connection could be made. An earlier attempt may have been carried out."
        : "No connection could be made; nothing was sent, so trying again is safe.",
      fields: [.outcome(sent: sent)])
  }
}

extension Duration {
  /// Seconds rounded up, for `Retry-After`; at least one.
  fileprivate var wholeSeconds: Int { max(1, Int((inMilliseconds + 999) / 1000)) }
}
