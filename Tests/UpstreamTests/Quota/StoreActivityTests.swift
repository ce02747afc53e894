import Base
import BigCommerce
import Fields
import HTTPTypes
import TestSupport
import Testing

@testable import Upstream

/// Its family has one place per store.
let trees = "/v3/catalog/trees/1/categories"

@Suite struct `Calls of a store` {
  private let activity = StoreActivity()
  private let hand = HandMovedTime()

  private func end(_ pass: CallPass, _ status: Int = 200) {
    activity.finish(
      pass, .answered(status: status, QuotaHeaders([:])), seenAt: nil, hand.time)
  }

  private func waiting(_ count: Int) async throws -> Bool {
    try await eventually {
      activity.quotaStanding(for: demand("a"), now: hand.time.clock.now())?.waiting ?? 0 == count
    }
  }

  @Test func `a call whose turn comes goes on, and its alarm is called off`() async throws {
    let first = try await activity.pass(demand("a", path: trees), hand.time)
    async let second = activity.pass(demand("b", path: trees), hand.time)
    #expect(try await waiting(1))
    #expect(hand.alarmCount == 1)
    end(first)
    end(try await second)
    #expect(hand.alarmCount == 0)
  }

  @Test func `a call that has waited as long as it may is refused`() async throws {
    let first = try await activity.pass(demand("a", path: trees), hand.time)
    let (activity, time) = (activity, hand.time)
    let second = Task {
      try await activity.pass(demand("b", maxWait: .seconds(3), path: trees), time)
    }
    #expect(try await waiting(1))
    hand.advance(by: .seconds(3))
    await #expect {
      _ = try await second.value
    } throws: { error in
      if case .quota(.exhausted)? = error as? UpstreamError { true } else { false }
    }
    end(first)
  }

  @Test func `more calls than may wait are refused as overloaded, a caller's own first`() {
    var governor = QuotaGovernor(seed: 1)
    var last: UInt64 = 0
    func ask(_ caller: String) -> QuotaGovernor.Admission {
      last += 1
      let patient = QuotaDemand(
        caller: caller, family: demand(caller, path: trees).family, priority: .interactive,
        maxWait: .seconds(100_000))
      return governor.request(patient, id: QuotaWaiterID(number: last), now: .zero)
    }
    guard case .granted = ask("a") else {
      Issue.record("the first call goes")
      return
    }
    for _ in 0..<QuotaGovernor.mostOfCaller { #expect(ask("a") == .waits) }
    guard case .refused(.overloaded) = ask("a") else {
      Issue.record("a caller's queue has no end")
      return
    }
    for caller in ["b", "c", "d"] {
      for _ in 0..<QuotaGovernor.mostOfCaller { #expect(ask(caller) == .waits) }
    }
    guard case .refused(.overloaded) = ask("e") else {
      Issue.record("a store's queue has no end")
      return
    }
    #expect(governor.waitingCount == QuotaGovernor.most)
  }

  @Test func `a caller that goes away leaves the queue at once`() async throws {
    let first = try await activity.pass(demand("a", path: trees), hand.time)
    let (activity, time) = (activity, hand.time)
    let second = Task { try await activity.pass(demand("b", path: trees), time) }
    #expect(try await waiting(1))
    second.cancel()
    await #expect(throws: UpstreamError.cancelled) { _ = try await second.value }
    #expect(try await waiting(0))
    end(first)
    end(try await activity.pass(demand("c", maxWait: .zero, path: trees), hand.time))
  }

  @Test func `a refusal without headers stops the store for everybody`() async throws {
    end(try await activity.pass(demand("a"), hand.time), 429)
    let impatient = demand("b", maxWait: .zero, path: "/v2/orders")
    await #expect {
      _ = try await activity.pass(impatient, hand.time)
    } throws: { error in
      if case .quota(.exhausted(let wait))? = error as? UpstreamError {
        wait >= .seconds(1)
      } else {
        false
      }
    }
    hand.advance(by: .seconds(2))
    end(try await activity.pass(impatient, hand.time))
  }

  @Test func `a store that keeps failing is left alone for a while`() async throws {
    for _ in 0..<20 { end(try await activity.pass(demand("a"), hand.time), 503) }
    await #expect {
      _ = try await activity.pass(demand("a"), hand.time)
    } throws: { error in
      if case .brokenStore(let refusal)? = error as? UpstreamError {
        refusal.cause == .storeUnavailable
      } else {
        false
      }
    }
    hand.advance(by: .seconds(1))
    end(try await activity.pass(demand("a"), hand.time))
    end(try await activity.pass(demand("a"), hand.time))
  }

  @Test func `what is idle is forgotten, what is not stays`() async throws {
    let pass = try await activity.pass(demand("a"), hand.time)
    hand.advance(by: .seconds(3600))
    activity.forgetIfIdle(now: hand.time.clock.now())
    #expect(activity.quotaStanding(for: demand("a"), now: .zero) != nil)
    end(pass)
    activity.forgetIfIdle(now: hand.time.clock.now())
    #expect(activity.quotaStanding(for: demand("a"), now: .zero) != nil)
    hand.advance(by: .seconds(61))
    activity.forgetIfIdle(now: hand.time.clock.now())
    #expect(activity.quotaStanding(for: demand("a"), now: .zero) == nil)
  }

  /// Real threads: callers that come, go, wait and are cancelled at random; all of them end.
  @Test(arguments: 0..<count(ordinary: 2, full: 40))
  func `under a storm of callers no turn is lost`(_ round: Int) async throws {
    let activity = StoreActivity()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<1000 {
        group.addTask {
          let call = demand(
            "k\(number % 5)", number % 3 == 0 ? .bulk : .interactive, maxWait: .seconds(100),
            path: number % 4 == 0 ? trees : "/v3/customers")
          let task = Task {
            let pass = try await activity.pass(call, .system)
            await Task.yield()
            activity.finish(
              pass, .answered(status: 200, QuotaHeaders([:])), seenAt: nil, .system)
          }
          if number % 7 == 0 { task.cancel() }
          do {
            try await task.value
          } catch {
            #expect(error as? UpstreamError == .cancelled)
          }
        }
      }
      try await group.waitForAll()
    }
    let standing = try #require(activity.quotaStanding(for: demand("a"), now: .zero))
    #expect(standing.inFlight == 0 && standing.waiting == 0)
  }
}

@Suite struct `Memory of quotas` {
  @Test func `sixty thousand stores cost little while they are called, and nothing when idle`()
    async throws
  {
    let hand = ManualClock()
    let time = CallTime(clock: hand.clock, alarm: .sleeping(hand.clock))
    let stores = (0..<60_000).map { _ in StoreActivity() }
    let quota = QuotaHeaders([.quotaReset: "5000", .quotaLeft: "100", .quota: "150"])
    let before = try Footprint.current().residentKiB
    for store in stores {
      let pass = try await store.pass(demand("a"), time)
      store.finish(
        pass, .answered(status: 200, quota), seenAt: nil, time)
    }
    let called = try Footprint.current().residentKiB - before
    #expect(called < 96 * 1024, "\(called) KiB for 60 000 stores")
    hand.advance(by: .seconds(100))
    let now = hand.clock.now()
    for store in stores { store.forgetIfIdle(now: now) }
    #expect(stores.allSatisfy { $0.quotaStanding(for: demand("a"), now: now) == nil })
  }
}
