import BigCommerce

/// A store's quota and calls at one moment, for people.
package struct QuotaStanding: Hashable, Sendable {
  /// Calls per window and how many are left, as far as is known.
  package let quota: Int?
  package let left: Int?
  package let window: Duration
  /// Until the quota is refreshed.
  package let reset: Duration?
  package let inFlight: Int
  package let waiting: Int
  /// How many calls the store takes at a time, and those of the family asked about.
  package let limit: Int
  package let familyLimit: Int
  /// How long all calls still stand still because the platform refused one.
  package let stopped: Duration?
  /// How long a call that asks now would wait; nothing when it could go at once.
  package let wait: Duration
  /// Why calls are not sent at present.
  package let breaker: BreakerRefusal?

  init(_ governor: QuotaGovernor, _ demand: QuotaDemand, now: Duration, refusal: BreakerRefusal?) {
    var trial = governor
    wait =
      trial.grantAtOnce(demand, now: now) == nil ? governor.expectedWait(demand, now: now) : .zero
    quota = governor.window.quota
    left = governor.window.left
    window = governor.window.size
    reset = governor.window.resetsAt.map { max(.zero, $0 - now) }
    inFlight = governor.inFlight
    waiting = governor.waitingCount
    limit = governor.loads.limit
    familyLimit = governor.loads.limit(of: demand.family)
    stopped = governor.stoppedUntil.flatMap { $0 > now ? $0 - now : nil }
    breaker = refusal
  }
}
