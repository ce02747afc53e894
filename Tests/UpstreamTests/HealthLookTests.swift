import Base
import BigCommerce
import Storage
import Testing

@testable import Upstream

@Suite struct `What a call without an answer says of a store's health` {
  static let errors: [(error: UpstreamError, look: HealthLook?)] = [
    (.unreachable(sent: false), HealthLook(.network, .unreachable)),
    (.unreachable(sent: true), HealthLook(.network, .unreachable)),
    (.broken, HealthLook(.network, .brokenAnswer)),
    (.timeout(sent: false), HealthLook(.network, .timeout)),
    (.timeout(sent: true), HealthLook(.network, .timeout)),
    (
      .brokenStore(BreakerRefusal(cause: .storeUnavailable, retryAfter: .seconds(9))),
      HealthLook(.suspended, .breakerOpen)
    ),
    (
      .brokenStore(BreakerRefusal(cause: .platform, retryAfter: .seconds(9))),
      HealthLook(.network, .breakerOpen)
    ),
    // Not asked, or ended by us: nothing was learned.
    (.quota(.exhausted(retryAfter: .seconds(9))), nil),
    (.quota(.overloaded(retryAfter: .seconds(9))), nil),
    (.notSendable, nil), (.bodyFailed, nil), (.cancelled, nil), (.draining(sent: true), nil),
  ]

  @Test(arguments: errors)
  func `each way to get none has one meaning`(_ row: (error: UpstreamError, look: HealthLook?)) {
    #expect(HealthLook(row.error) == row.look)
  }

  @Test func `only an accepted and a refused token are told to the revocation rules`() {
    for health in StoreHealth.allCases {
      let answer = CanaryAnswer(HealthLook(health, .accepted))
      #expect(
        answer == (health == .healthy ? .accepted : health == .revoked ? .refused : .inconclusive))
    }
    #expect(CanaryAnswer(nil) == .inconclusive)
  }
}
