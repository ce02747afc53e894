import Base
import BigCommerce
import TestSupport
import Testing
import Upstream

@Suite struct `Rates of service keys` {
  private func rate(_ calls: Int64) throws -> CallRate {
    try #require(CallRate(callsPerMinute: calls))
  }

  @Test func `a minute's calls may come at once, and come back one by one`() throws {
    let activity = KeyActivity()
    let rate = try rate(60)
    let start = Duration.seconds(1000)
    for _ in 0..<60 { #expect(activity.admit(at: start, rate) == nil) }
    #expect(activity.admit(at: start, rate) == .seconds(1))
    #expect(activity.admit(at: start + .milliseconds(400), rate) == .milliseconds(600))
    #expect(activity.admit(at: start + .seconds(1), rate) == nil)
    #expect(activity.admit(at: start + .seconds(1), rate) == .seconds(1))
    // An hour's rest gives a minute's calls, not an hour's.
    for _ in 0..<60 { #expect(activity.admit(at: start + .seconds(3600), rate) == nil) }
    #expect(activity.admit(at: start + .seconds(3600), rate) == .seconds(1))
  }

  @Test(arguments: [1, 2, 7, 60, 1000, 599_999, 600_000] as [Int64])
  func `it admits what a bucket of a minute's calls would`(_ calls: Int64) throws {
    var random = SeededGenerator()
    let rate = try rate(calls)
    let activity = KeyActivity()
    // In units of a microsecond's refill; one call costs its share of a minute, rounded up.
    let share = (60_000_000 + calls - 1) / calls
    var (level, now) = (share * calls, Int64(0))
    for _ in 0..<count(ordinary: 20_000, full: 500_000) {
      let step = Int64.random(in: 0...(share * 2), using: &random)
      let pause = Bool.random(using: &random) ? step : 0
      now += pause
      level = min(share * calls, level + pause)
      let allowance = activity.allowance(at: .microseconds(now), rate)
      #expect(allowance.calls == level / share, "seed \(random.seed)")
      #expect(allowance.wait == .microseconds(max(0, share - level)), "seed \(random.seed)")
      let wait = activity.admit(at: .microseconds(now), rate)
      if level >= share {
        level -= share
        #expect(wait == nil, "seed \(random.seed)")
      } else {
        #expect(wait == .microseconds(share - level), "seed \(random.seed)")
      }
    }
  }

  @Test func `callers at once share it exactly`() async throws {
    let activity = KeyActivity()
    let rate = try rate(1000)
    let admitted = await withTaskGroup(of: Int.self) { group in
      for _ in 0..<8 {
        group.addTask {
          (0..<1000).count { _ in activity.admit(at: .seconds(5), rate) == nil }
        }
      }
      return await group.reduce(0, +)
    }
    #expect(admitted == 1000)
  }
}
