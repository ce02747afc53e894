import Base
import BigCommerce
import Prometheus

/// Stops calls that would only fail: after many failures in a row it opens for a while, then lets
/// one call try.
struct Breaker: Sendable {
  private static let failuresToOpen = 20
  /// Failures further apart than this are no row.
  private static let memory = Duration.seconds(60)
  private static let firstPause = Duration.seconds(1)
  private static let longestPause = Duration.seconds(30)

  private var failures = 0
  private var failedAt = Duration.zero
  private var opensUntil: Duration?
  private var pause = Breaker.firstPause
  private var isTrying = false

  /// Whether calls pass freely, and nothing speaks against it.
  var isQuiet: Bool { failures == 0 && opensUntil == nil }

  /// For people and metrics.
  func state(_ now: Duration) -> (StoreStanding.BreakerState, rest: Duration?) {
    guard let opensUntil else { return (.closed, nil) }
    return now < opensUntil ? (.open, opensUntil - now) : (.halfOpen, nil)
  }

  /// Failures in a row that still count.
  func recentFailures(_ now: Duration) -> Int {
    now - failedAt > Breaker.memory && opensUntil == nil ? 0 : failures
  }

  /// How long calls are refused from now; `nil` when they are not.
  func refuses(_ now: Duration) -> Duration? {
    guard let opensUntil else { return nil }
    if now < opensUntil { return opensUntil - now }
    return isTrying ? Breaker.firstPause : nil
  }

  /// A call passes that was not refused.
  /// - Returns: whether it is the one that tries.
  mutating func pass() -> Bool {
    guard opensUntil != nil else { return false }
    isTrying = true
    return true
  }

  mutating func succeed() { self = Breaker() }

  /// A call has failed; `mayOpen` says whether so many in a row are reason enough.
  /// - Returns: whether it opened the breaker, which had been closed.
  mutating func fail(
    _ now: Duration, isTry: Bool, mayOpen: Bool = true, _ random: inout SplitMix64
  ) -> Bool {
    if isTry {
      isTrying = false
      pause = min(pause * 2, Breaker.longestPause)
      opensUntil = now + pause / 2 + random.part(of: pause / 2)
    } else if opensUntil == nil {
      failures = now - failedAt > Breaker.memory ? 1 : failures + 1
      failedAt = now
      guard failures >= Breaker.failuresToOpen && mayOpen else { return false }
      opensUntil = now + pause / 2 + random.part(of: pause / 2)
      return true
    }
    return false
  }

  /// The call that tried has ended without telling anything.
  mutating func abandon() { isTrying = false }
}

/// A store's breakers: one for each family of endpoints that fails, one for the store as a whole.
///
/// An endpoint that breaks does not take the others with it. A 503 without `Retry-After` is the
/// platform's word that the store itself is down: suspended, unpaid or under maintenance. When
/// several families hear it, the store as a whole is left alone.
struct StoreBreakers: Sendable {
  /// Which breakers a call tries out.
  struct Pass: Hashable, Sendable {
    var triesStore = false
    var triesFamily = false
  }

  private struct Family {
    let id: EndpointFamily.ID
    var cause = BreakerRefusal.Cause.platform
    var breaker = Breaker()
  }

  private var store = Breaker()
  private var families: [Family] = []

  var isQuiet: Bool { store.isQuiet && families.isEmpty }

  func refusal(of family: EndpointFamily.ID, _ now: Duration) -> BreakerRefusal? {
    if let wait = store.refuses(now) {
      return BreakerRefusal(cause: .storeUnavailable, retryAfter: wait)
    }
    guard let index = index(family), let wait = families[index].breaker.refuses(now) else {
      return nil
    }
    return BreakerRefusal(cause: families[index].cause, retryAfter: wait)
  }

  /// All breakers as one, for people and metrics.
  func standing(_ now: Duration) -> StoreStanding.Breaker {
    var all = StoreStanding.Breaker()
    all.take(store, .storeUnavailable, now)
    for family in families {
      all.take(family.breaker, family.cause, now)
      if family.breaker.state(now).0 != .closed {
        all.families.append(EndpointFamilies.shared.name(of: family.id))
      }
    }
    return all
  }

  mutating func pass(_ family: EndpointFamily.ID) -> Pass {
    var pass = Pass(triesStore: store.pass())
    if let index = index(family) { pass.triesFamily = families[index].breaker.pass() }
    return pass
  }

  /// Learns how a call ended.
  /// - Returns: the cause of a breaker that opened.
  @discardableResult
  mutating func note(
    _ verdict: StoreVerdict, _ family: EndpointFamily.ID, _ pass: Pass, _ now: Duration,
    _ random: inout SplitMix64
  ) -> BreakerRefusal.Cause? {
    switch verdict {
    case .works:
      if !store.isQuiet { store.succeed() }
      families.removeAll { $0.id == family }
    case .platformFails:
      // Whatever it says, the store is not the one that is down.
      if pass.triesStore { store.succeed() }
      return fail(family, .platform, pass, now, &random) ? .platform : nil
    case .storeUnavailable:
      let familyOpened = fail(family, .storeUnavailable, pass, now, &random)
      let isCommon = families.count { $0.cause == .storeUnavailable } > 1
      let storeOpened = store.fail(now, isTry: pass.triesStore, mayOpen: isCommon, &random)
      return familyOpened || storeOpened ? .storeUnavailable : nil
    case .silent:
      if pass.triesStore { store.abandon() }
      if pass.triesFamily, let index = index(family) { families[index].breaker.abandon() }
    }
    return nil
  }

  private mutating func fail(
    _ family: EndpointFamily.ID, _ cause: BreakerRefusal.Cause, _ pass: Pass, _ now: Duration,
    _ random: inout SplitMix64
  ) -> Bool {
    let index = index(family) ?? families.endIndex
    if index == families.endIndex { families.append(Family(id: family)) }
    families[index].cause = cause
    return families[index].breaker.fail(now, isTry: pass.triesFamily, &random)
  }

  private func index(_ family: EndpointFamily.ID) -> Int? {
    families.firstIndex { $0.id == family }
  }
}

extension StoreStanding.Breaker {
  /// Takes over a breaker that holds up more than those before.
  fileprivate mutating func take(_ one: Breaker, _ cause: BreakerRefusal.Cause, _ now: Duration) {
    recentFailures = max(recentFailures, one.recentFailures(now))
    let (state, rest) = one.state(now)
    switch (state, self.state) {
    case (.closed, _), (.halfOpen, .open), (.halfOpen, .halfOpen): return
    case (.open, .open): if rest ?? .zero <= self.rest ?? .zero { return }
    case (.open, _), (.halfOpen, .closed): break
    }
    self.state = state
    self.rest = rest
    self.cause = cause
  }
}

/// What the end of a call says about the store.
enum StoreVerdict: Hashable, Sendable {
  case works, platformFails, storeUnavailable
  /// Nothing: the call ended on our side.
  case silent

  /// What an answer says: 501, 505, 507 and 509 are about the request or its quota.
  init(status: Int, hasRetryAfter: Bool) {
    self =
      switch status {
      case 503 where !hasRetryAfter: .storeUnavailable
      case 500, 502, 503, 504: .platformFails
      default: .works
      }
  }

  /// A call that got no answer `after` that time; one that was given little says nothing.
  init(_ error: UpstreamError, after time: Duration) {
    self =
      switch error {
      case .unreachable, .broken: .platformFails
      case .timeout: time >= .seconds(10) ? .platformFails : .silent
      case .notSendable, .bodyFailed, .cancelled, .draining, .quota, .brokenStore: .silent
      }
  }
}

/// Why calls are not sent at present.
package struct BreakerRefusal: Error, Hashable, Sendable {
  package enum Cause: String, MetricWord {
    /// Many calls in a row got 503 without `Retry-After`: the store is suspended, unpaid or under
    /// maintenance.
    case storeUnavailable = "store_unavailable"
    /// Many calls in a row failed otherwise.
    case platform
  }

  package let cause: Cause
  package let retryAfter: Duration
}
