import Base
import BigCommerce
import HTTPTypes
import Testing

@testable import Upstream

@Suite struct `Repeating a call` {
  private static let methods: [HTTPRequest.Method] = [.get, .head, .post, .put, .patch, .delete]

  private func isRepeated(
    _ method: HTTPRequest.Method, _ end: RetryPolicy.End, holdsBody: Bool = true, retries: Int = 2,
    repeated: Int = 0, timeLeft: Duration = .seconds(30)
  ) -> Bool {
    var random = SplitMix64(seed: 7)
    let policy = RetryPolicy(method: method, holdsBody: holdsBody, retries: retries)
    return policy.decide(end, repeated: repeated, timeLeft: timeLeft, &random) != .giveUp
  }

  /// What is repeated: by anybody, by reads only, by nobody.
  private static let ends: [(RetryPolicy.End, reads: Bool, writes: Bool)] = [
    (.answered(status: 429, retryAfter: nil), true, true),
    (.answered(status: 429, retryAfter: .seconds(5)), true, true),
    (.answered(status: 509, retryAfter: nil), true, true),
    (.failed(.unreachable(sent: false)), true, true),
    (.answered(status: 502, retryAfter: nil), true, false),
    (.answered(status: 504, retryAfter: nil), true, false),
    (.answered(status: 503, retryAfter: .seconds(1)), true, false),
    (.failed(.broken), true, false),
    (.answered(status: 503, retryAfter: nil), false, false),
    (.answered(status: 500, retryAfter: .seconds(1)), false, false),
    (.answered(status: 501, retryAfter: nil), false, false),
    (.answered(status: 507, retryAfter: nil), false, false),
    (.answered(status: 200, retryAfter: nil), false, false),
    (.answered(status: 401, retryAfter: nil), false, false),
    (.answered(status: 423, retryAfter: .seconds(1)), false, false),
    (.failed(.timeout(sent: true)), false, false),
    (.failed(.timeout(sent: false)), false, false),
    (.failed(.notSendable), false, false), (.failed(.bodyFailed), false, false),
    (.failed(.cancelled), false, false), (.failed(.draining(sent: true)), false, false),
  ]

  @Test(arguments: methods)
  func `a read after trouble, a write only when it was refused or not sent`(
    _ method: HTTPRequest.Method
  ) {
    for (end, reads, writes) in Self.ends {
      let expected = method == .get || method == .head ? reads : writes
      #expect(isRepeated(method, end) == expected, "\(method) after \(end)")
      #expect(!isRepeated(method, end, retries: 0), "\(method) after \(end), no retries")
      #expect(!isRepeated(method, end, repeated: 2), "\(method) after \(end), the third time")
    }
  }

  @Test func `a body that was streamed is sent again only when nothing of it was`() {
    #expect(isRepeated(.post, .failed(.unreachable(sent: false)), holdsBody: false))
    #expect(!isRepeated(.post, .answered(status: 429, retryAfter: nil), holdsBody: false))
    #expect(!isRepeated(.get, .failed(.broken), holdsBody: false))
    #expect(!isRepeated(.get, .answered(status: 502, retryAfter: nil), holdsBody: false))
  }

  @Test func `no pause goes beyond the deadline, and the platform's word is the least`() {
    let busy = RetryPolicy.End.answered(status: 503, retryAfter: .seconds(3))
    #expect(!isRepeated(.get, busy, timeLeft: .seconds(3)))
    #expect(!isRepeated(.get, .failed(.broken), timeLeft: .zero))
    let policy = RetryPolicy(method: .get, holdsBody: true, retries: 5)
    for seed in 0..<200 {
      var random = SplitMix64(seed: UInt64(seed))
      for repeated in 0..<5 {
        let decision = policy.decide(busy, repeated: repeated, timeLeft: .seconds(60), &random)
        guard case .again(let pause) = decision else {
          Issue.record("gave up")
          continue
        }
        #expect(pause >= .seconds(3) && pause <= .seconds(3) + .milliseconds(100) * (1 << repeated))
      }
    }
  }

  @Test func `repetitions stay within a fifth of the calls, and ten more`() {
    var budget = RetryBudget()
    var repeated = 0
    for calls in 1...1000 {
      budget.noteCall()
      while budget.take() { repeated += 1 }
      #expect(Double(repeated) <= 10.001 + Double(calls) / 5)
    }
    #expect(repeated >= 200)
  }
}

@Suite struct `Breaker of a store` {
  private let family = demand("a").family.id
  private let other = demand("a", path: "/v2/orders").family.id
  private let third = demand("a", path: "/v3/carts").family.id

  /// Breakers after so many calls that ended alike.
  private func breakers(
    _ verdict: StoreVerdict, _ times: Int, _ now: Duration = .seconds(100)
  ) -> StoreBreakers {
    var breakers = StoreBreakers()
    var random = SplitMix64(seed: 3)
    for _ in 0..<times { breakers.note(verdict, family, breakers.pass(family), now, &random) }
    return breakers
  }

  @Test func `twenty failures in a row stop the family, and no other`() {
    #expect(breakers(.platformFails, 19).refusal(of: family, .seconds(100)) == nil)
    let open = breakers(.platformFails, 20)
    #expect(open.refusal(of: family, .seconds(100))?.cause == .platform)
    #expect(open.refusal(of: other, .seconds(100)) == nil)
  }

  @Test
  func `a 503 without a time to come again is the store's own, once several families hear it`() {
    #expect(StoreVerdict(status: 503, hasRetryAfter: false) == .storeUnavailable)
    #expect(StoreVerdict(status: 503, hasRetryAfter: true) == .platformFails)
    var open = breakers(.storeUnavailable, 20)
    var random = SplitMix64(seed: 3)
    #expect(open.refusal(of: family, .seconds(100))?.cause == .storeUnavailable)
    #expect(open.refusal(of: other, .seconds(100)) == nil, "one endpoint may be broken like that")
    open.note(.storeUnavailable, other, open.pass(other), .seconds(100), &random)
    #expect(open.refusal(of: third, .seconds(100))?.cause == .storeUnavailable)
  }

  @Test func `what is about the request, or the caller's own impatience, is no failure`() {
    for status in [400, 401, 404, 429, 501, 505, 507, 509] {
      #expect(StoreVerdict(status: status, hasRetryAfter: false) == .works)
    }
    #expect(StoreVerdict(.timeout(sent: true), after: .seconds(2)) == .silent)
    #expect(StoreVerdict(.timeout(sent: true), after: .seconds(30)) == .platformFails)
  }

  @Test func `one answer in between, or a minute, is no row`() {
    var breakers = breakers(.platformFails, 19)
    var random = SplitMix64(seed: 3)
    breakers.note(.works, family, .init(), .seconds(100), &random)
    #expect(breakers.isQuiet)
    breakers = self.breakers(.platformFails, 19)
    breakers.note(.platformFails, family, .init(), .seconds(161), &random)
    #expect(breakers.refusal(of: family, .seconds(161)) == nil)
  }

  @Test func `after the pause one call tries; it closes the breaker, or doubles the pause`() {
    var breakers = breakers(.platformFails, 20)
    var random = SplitMix64(seed: 3)
    var now = Duration.seconds(101)
    var pauses: [Duration] = []
    for _ in 0..<8 {
      #expect(breakers.refusal(of: family, now) == nil)
      let pass = breakers.pass(family)
      #expect(pass.triesFamily)
      #expect(breakers.refusal(of: family, now) != nil, "a second one")
      breakers.note(.platformFails, family, pass, now, &random)
      let pause = breakers.refusal(of: family, now)?.retryAfter ?? .zero
      pauses.append(pause)
      now += pause
    }
    #expect(pauses.last.map { $0 >= .seconds(15) && $0 <= .seconds(30) } == true, "\(pauses)")
    let pass = breakers.pass(family)
    breakers.note(.silent, family, pass, now, &random)
    #expect(breakers.refusal(of: family, now) == nil, "the try said nothing: another may")
    breakers.note(.works, family, breakers.pass(family), now, &random)
    #expect(breakers.isQuiet)
  }

  @Test func `a store that fails otherwise is not the one that is down`() {
    var breakers = breakers(.storeUnavailable, 20)
    var random = SplitMix64(seed: 3)
    breakers.note(.storeUnavailable, other, breakers.pass(other), .seconds(100), &random)
    let pass = breakers.pass(family)
    #expect(pass.triesStore)
    breakers.note(.platformFails, family, pass, .seconds(110), &random)
    #expect(breakers.refusal(of: third, .seconds(110)) == nil)
  }
}
