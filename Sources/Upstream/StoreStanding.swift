package import Base
import BigCommerce
import Storage

/// What speaks for and against calls to one store at one moment, as this replica sees it.
package struct StoreStanding: Hashable, Sendable {
  /// Whether calls are sent at all.
  package enum BreakerState: String, CaseIterable, Hashable, Sendable {
    case closed, open
    /// The pause is over: one call tries.
    case halfOpen = "half_open"
  }

  /// Of the breakers of the store and of its families of endpoints, the one that holds up most.
  package struct Breaker: Hashable, Sendable {
    package var state = BreakerState.closed
    package var cause: BreakerRefusal.Cause?
    /// How long calls are refused from now, while it is open.
    package var rest: Duration?
    /// Failures in a row, none of them older than a minute.
    package var recentFailures = 0
    /// The families of endpoints whose own breaker is not closed.
    package var families: [String] = []
  }

  package let inFlight: Int
  /// How many calls the store takes at a time, as far as is known.
  package let concurrencyLimit: Int
  package let waitingInteractive: Int
  package let waitingBulk: Int
  /// How long the one of those has waited who came first.
  package let longestWait: Duration
  /// How long all calls still stand still because the quota is spent.
  package let stopped: Duration?
  package let breaker: Breaker
  /// Repetitions that may be made at once, and how many of these are used up.
  package let retryBudget: Int
  package let retryBudgetUsed: Int

  init(_ governor: QuotaGovernor, _ breakers: StoreBreakers, _ budget: RetryBudget, now: Duration) {
    inFlight = governor.inFlight
    concurrencyLimit = governor.loads.limit
    let waiting = governor.waiting.values
    waitingBulk = waiting.count { $0.demand.priority == .bulk }
    waitingInteractive = waiting.count - waitingBulk
    let since = waiting.map { $0.deadline - $0.demand.maxWait }.min()
    longestWait = since.map { max(.zero, now - $0) } ?? .zero
    stopped = governor.stoppedUntil.flatMap { $0 > now ? $0 - now : nil }
    breaker = breakers.standing(now)
    retryBudget = RetryBudget.whole
    retryBudgetUsed = RetryBudget.whole - budget.left
  }

  /// Of a store that is not called.
  package static let idle = StoreStanding(
    QuotaGovernor(seed: 0), StoreBreakers(), RetryBudget(), now: .zero)
}

/// All stores together, for metrics.
package struct FleetStanding: Hashable, Sendable {
  /// Installations by state.
  package var active = 0
  package var suspended = 0
  package var revoked = 0
  package var uninstalled = 0
  /// Installations whose token cannot be opened.
  package var unreadable = 0
  /// Stores that are called or were lately, so that their quota is watched.
  package var governed = 0
  /// Stores whose calls stand still because their quota is spent.
  package var stopped = 0
  /// Stores of which a breaker is open, and those of which one tries and none is open.
  package var open = 0
  package var halfOpen = 0
  package var inFlight = 0
  package var waitingInteractive = 0
  package var waitingBulk = 0

  package init() {}

  mutating func add(_ entry: StoreEntry, now: Duration) {
    switch entry.state {
    case .active: active += 1
    case .suspended: suspended += 1
    case .revoked: revoked += 1
    case .uninstalled: uninstalled += 1
    }
    if entry.isUnreadable { unreadable += 1 }
    guard let standing = entry.activity.standing(now: now) else { return }
    governed += 1
    if standing.stopped != nil { stopped += 1 }
    switch standing.breaker.state {
    case .closed: break
    case .open: open += 1
    case .halfOpen: halfOpen += 1
    }
    inFlight += standing.inFlight
    waitingInteractive += standing.waitingInteractive
    waitingBulk += standing.waitingBulk
  }
}

extension DirectorySnapshot {
  /// All stores together; `now` is by the clock of the calls.
  func fleet(now: Duration) -> FleetStanding {
    var fleet = FleetStanding()
    forEachStore { fleet.add($0, now: now) }
    return fleet
  }
}

extension StoreActivity {
  /// What a store's document says of its calls.
  package struct Report: Hashable, Sendable {
    package let seen: Seen
    /// `nil` while the store is not called.
    package let standing: StoreStanding?
    /// Calls that hold a place in the replica: waiting, under way, or with a body that streams.
    package let held: Int
    /// When ``standing`` was true.
    package let at: Timestamp

    /// Of a store that nobody has called.
    package static let nothing = Report(
      seen: Seen(), standing: nil, held: 0, at: Timestamp(microseconds: 0))
  }

  /// What is known of the store now, at the same moment by both clocks.
  package func report(now: Duration, at moment: Timestamp) -> Report {
    Report(
      seen: current, standing: standing(now: now), held: heldCalls, at: moment)
  }
}
