import Base
import BigCommerce
import Fields
import HTTPTypes
import Prometheus
import Storage
import TestSupport
import Testing

@testable import Upstream

@Suite struct `What operators see of a store's calls` {
  private let activity = StoreActivity()
  private let hand = HandMovedTime()

  private var standing: StoreStanding? { activity.standing(now: hand.time.clock.now()) }

  private func end(_ pass: CallPass, _ status: Int = 200, retryAfter: String? = nil) {
    var headers = FieldSection()
    headers[.retryAfter] = retryAfter
    activity.finish(
      pass, .answered(status: status, QuotaHeaders(headers)), seenAt: nil, hand.time)
  }

  private func call(_ status: Int, path: String = "/v2/orders") async throws {
    end(try await activity.pass(demand("a", path: path), hand.time), status)
  }

  @Test func `a store that is not called has nothing to show, and is idle`() {
    #expect(standing == nil)
    #expect(StoreStanding.idle.breaker == StoreStanding.Breaker())
    #expect(StoreStanding.idle.concurrencyLimit == 24 && StoreStanding.idle.retryBudgetUsed == 0)
  }

  @Test func `calls in flight and those that wait are counted, by priority`() async throws {
    let first = try await activity.pass(demand("a", path: trees), hand.time)
    async let second = activity.pass(demand("b", path: trees), hand.time)
    #expect(try await eventually { standing?.waitingInteractive == 1 })
    hand.advance(by: .seconds(2))
    async let third = activity.pass(demand("c", .bulk, path: trees), hand.time)
    #expect(try await eventually { standing?.waitingBulk == 1 })
    hand.advance(by: .seconds(1))
    #expect(standing?.inFlight == 1 && standing?.waitingInteractive == 1)
    #expect(standing?.longestWait == .seconds(3))
    end(first)
    end(try await second)
    end(try await third)
    #expect(standing?.inFlight == 0 && standing?.longestWait == .zero)
  }

  @Test func `a refusal by the platform shows until when the store stands still`() async throws {
    try await call(200)
    #expect(standing?.stopped == nil)
    end(try await activity.pass(demand("a"), hand.time), 429, retryAfter: "7")
    #expect(try #require(standing?.stopped) >= .seconds(7))
    hand.advance(by: .seconds(9))
    #expect(standing?.stopped == nil)
  }

  @Test func `a breaker shows its failures, then until when it is open, then that one tries`()
    async throws
  {
    try await call(200, path: "/v3/customers")
    for _ in 0..<19 { try await call(500) }
    #expect(standing?.breaker == StoreStanding.Breaker(recentFailures: 19))
    try await call(500)
    let open = try #require(standing?.breaker)
    #expect(open.state == .open && open.cause == .platform && open.families.count == 1)
    #expect(try #require(open.rest) <= .seconds(1))
    hand.advance(by: .seconds(1))
    #expect(standing?.breaker.state == .halfOpen && standing?.breaker.rest == nil)
    try await call(200)
    #expect(standing?.breaker == StoreStanding.Breaker())
    #expect(hand.meter.trips[.platform] == 1)
  }

  @Test func `failures that are long over do not show`() async throws {
    try await call(500)
    #expect(standing?.breaker.recentFailures == 1)
    hand.advance(by: .seconds(61))
    #expect(standing?.breaker.recentFailures == 0)
  }

  @Test func `repetitions use up a budget that calls fill again`() async throws {
    try await call(200)
    #expect(activity.takeRetry() && activity.takeRetry())
    #expect(standing?.retryBudget == 10 && standing?.retryBudgetUsed == 2)
    for _ in 0..<6 { try await call(200) }
    #expect(standing?.retryBudgetUsed == 1)
  }

  @Test func `the fleet's numbers are those of its stores, and 60 000 are walked in no time`()
    async throws
  {
    let names = (0..<60_000).compactMap { StoreHash("s\($0)") }
    let entries = names.enumerated().map { index, name in
      StoreEntry(
        installation: InstallationID(app: .default, store: name),
        state: index % 10 == 0 ? .revoked : .active, generation: Generation(1),
        token: .absent, scopes: Scopes([]))
    }
    let snapshot = DirectorySnapshot(stores: entries, keys: [])
    // Every tenth store is called.
    for entry in entries where entry.state == .revoked {
      _ = try await entry.activity.pass(demand("a"), hand.time)
    }
    let now = hand.time.clock.now()
    let clock = ContinuousClock()
    var fleet = FleetStanding()
    let quickest = (0..<5).map { _ in clock.measure { fleet = snapshot.fleet(now: now) } }.min()
    #expect(fleet.active == 54_000 && fleet.revoked == 6_000)
    #expect(fleet.governed == 6_000 && fleet.inFlight == 6_000 && fleet.waitingBulk == 0)
    // Without optimisation, and beside others; it takes about 70 ms there, and a few optimised.
    #expect(try #require(quickest) < .milliseconds(400))
  }
}

@Suite struct `Calls are counted` {
  private let activity = StoreActivity()
  private let hand = HandMovedTime()

  private func families() -> [String: MetricFamily] {
    Dictionary(uniqueKeysWithValues: hand.meter.families.map { ($0.name, $0) })
  }

  private func reading(_ name: String, _ priority: String) throws -> Histogram.Reading {
    let point = try #require(families()[name]?.points.first { $0.labels == [priority] })
    guard case .histogram(let reading) = point.value else {
      Issue.record("\(name) is no histogram")
      return Histogram(milliseconds: []).reading
    }
    return reading
  }

  @Test func `by how long they waited, how long they took, and what came back`() async throws {
    let first = try await activity.pass(demand("a", path: trees), hand.time)
    let (activity, time) = (activity, hand.time)
    let second = Task { try await activity.pass(demand("b", path: trees), time) }
    #expect(
      try await eventually { activity.standing(now: time.clock.now())?.waitingInteractive == 1 })
    hand.advance(by: .seconds(2))
    activity.finish(first, .answered(status: 200, QuotaHeaders([:])), seenAt: nil, time)
    let pass = try await second.value
    hand.advance(by: .milliseconds(30))
    activity.finish(pass, .failed(.broken), seenAt: nil, time)

    let waits = try reading("latchkey_quota_wait_seconds", "interactive")
    #expect(waits.count == 2 && waits.sum == 2)
    #expect(waits.buckets.first?.count == 1)
    #expect(try reading("latchkey_quota_wait_seconds", "bulk").count == 0)
    let durations = try reading("latchkey_upstream_duration_seconds", "interactive")
    #expect(durations.count == 1 && durations.sum == 2)
    #expect(hand.meter.failures[.broken] == 1)
    let answers = families()["latchkey_upstream_answers_total"]?.points.map(\.value)
    #expect(answers == [0, 1, 0, 0, 0].map { .number($0) })
  }

  @Test func `calls without a place are counted by what kept them from it`() async throws {
    for _ in 0..<20 {
      let pass = try await activity.pass(demand("a"), hand.time)
      activity.finish(pass, .answered(status: 500, QuotaHeaders([:])), seenAt: nil, hand.time)
    }
    await #expect(throws: UpstreamError.self) {
      _ = try await activity.pass(demand("a"), hand.time)
    }
    let throttled = StoreActivity()
    let pass = try await throttled.pass(demand("a"), hand.time)
    throttled.finish(pass, .answered(status: 429, QuotaHeaders([:])), seenAt: nil, hand.time)
    await #expect(throws: UpstreamError.self) {
      _ = try await throttled.pass(demand("a", maxWait: .zero), hand.time)
    }
    #expect(hand.meter.unsent[.breakerOpen] == 1 && hand.meter.unsent[.quotaExhausted] == 1)
    #expect(hand.meter.throttles[.tooManyRequests] == 1 && hand.meter.trips[.platform] == 1)
  }
}
