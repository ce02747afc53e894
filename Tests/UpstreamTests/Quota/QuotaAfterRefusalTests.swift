import BigCommerce
import Fields
import HTTPTypes
import Testing

@testable import Upstream

/// Bulk calls to a store that nobody else of ours calls.
@Suite struct `A store that has refused` {
  private var governor = QuotaGovernor(seed: 1)

  private mutating func ask(at now: Duration) -> QuotaPermit? {
    governor.grantAtOnce(demand("a", .bulk), now: now)
  }

  private mutating func answer(
    _ permit: QuotaPermit, _ status: Int, left: Int, resetInMs: Int, at now: Duration
  ) throws {
    let fields: FieldSection = [
      .quotaLeft: "\(left)", .quota: "150", .quotaWindow: "30000", .quotaReset: "\(resetInMs)",
    ]
    governor.finish(permit, .answered(status: status, QuotaHeaders(fields)), now: now)
  }

  @Test mutating func `early in a window is asked again in one of the next, by bulk calls, too`()
    throws
  {
    let firstPermit = ask(at: .zero)
    let first = try #require(firstPermit)
    // Somebody else took 149 at once: at this rate nothing would ever be left.
    try answer(first, 429, left: 0, resetInMs: 29_800, at: .milliseconds(200))
    let early = ask(at: .seconds(20))
    #expect(early == nil)
    let secondPermit = ask(at: .seconds(40))
    let second = try #require(secondPermit)
    let beside = ask(at: .seconds(40))
    #expect(beside == nil)
    try answer(second, 200, left: 149, resetInMs: 20_000, at: .milliseconds(40_200))
    let third = ask(at: .seconds(43))
    #expect(third != nil)
  }

  @Test mutating func `and then says that the last fifth is left is not asked by bulk calls`()
    throws
  {
    let firstPermit = ask(at: .zero)
    let first = try #require(firstPermit)
    try answer(first, 200, left: 30, resetInMs: 29_800, at: .milliseconds(200))
    for second in 1..<29 {
      let more = ask(at: .seconds(second))
      #expect(more == nil)
    }
  }
}
