import Base
import BigCommerce
import Fields
import HTTPTypes
import Testing
import Upstream

@testable import Web

@Suite struct `What a store document says of calls` {
  private let noon = Timestamp(microseconds: 1_795_262_400_000_000)

  private func text(_ activity: StoreActivity) -> String {
    JSONValue.object(activity.report(now: .zero, at: noon).members).text
  }

  /// The part of the quota that says what speaks against calls, of a store that is left in peace.
  private let idle = #"""
    "held":0,"in_flight":0,"concurrency_limit":24,"waiting_interactive":0,"waiting_bulk":0,\#
    "longest_wait_ms":0,"stopped_until_at":null,"breaker":"closed","breaker_cause":null,\#
    "breaker_until_at":null,"breaker_families":[],"recent_failures":0,"retry_budget":10,\#
    "retry_budget_used":0
    """#

  @Test func `before the first answer nothing is known`() {
    #expect(text(StoreActivity()) == #"{"quota":null,"last_call_at":null,"last_status":null}"#)
  }

  @Test func `the last answer that spoke of quota counts, with what it left out as null`() throws {
    let activity = StoreActivity()
    let headers: FieldSection = [.quotaLeft: "7", .quotaReset: "1500"]
    activity.observe(status: 200, quota: QuotaHeaders(headers), at: noon)
    activity.observe(
      status: 503, quota: QuotaHeaders([:]), at: noon + .seconds(1))
    #expect(
      text(activity) == #"""
        {"quota":{"remaining":7,"limit":null,"window_ms":null,"reset_ms":1500,\#
        "seen_at":"2026-11-21T12:00:00.000Z",\#(idle)},\#
        "last_call_at":"2026-11-21T12:00:01.000Z","last_status":503}
        """#)
  }
}
