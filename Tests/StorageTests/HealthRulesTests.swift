import Base
import BigCommerce
import Storage
import TestSupport
import Testing

@Suite struct `When a look changes a store's health` {
  struct Case: Sendable, CustomTestStringConvertible {
    let health: StoreHealth?
    var pending: StoreHealth?
    var pendingFor = 20
    var pause = 0
    let look: StoreHealth
    var isRevoked = false
    let step: HealthStep

    var testDescription: String { "\(health, default: "unknown") sees \(look)" }
  }

  private static func step(
    _ change: HealthStep.Change, _ health: StoreHealth?, _ pending: StoreHealth?, _ pause: Int?
  ) -> HealthStep {
    HealthStep(change: change, health: health, pending: pending, pause: pause.map { .seconds($0) })
  }

  static let cases: [Case] = [
    Case(health: nil, look: .healthy, step: step(.first, .healthy, nil, nil)),
    Case(health: .healthy, look: .healthy, step: step(.none, .healthy, nil, nil)),
    // A flap.
    Case(health: .healthy, look: .network, step: step(.begins, .healthy, .network, 20)),
    Case(
      health: .healthy, pending: .network, look: .healthy, step: step(.none, .healthy, nil, nil)),
    // Confirmed, also by a look that fails in another way.
    Case(
      health: .healthy, pending: .network, look: .network, step: step(.confirmed, .network, nil, 60)
    ),
    Case(
      health: .healthy, pending: .network, look: .suspended,
      step: step(.confirmed, .suspended, nil, 60)),
    Case(health: nil, pending: .scope, look: .scope, step: step(.confirmed, .scope, nil, 60)),
    Case(health: nil, look: .scope, step: step(.begins, nil, .scope, 20)),
    // Too soon to confirm anything.
    Case(
      health: .healthy, pending: .network, pendingFor: 2, look: .network,
      step: step(.none, .healthy, .network, 20)),
    // It lasts, and is looked at ever more rarely.
    Case(health: .plan, pause: 60, look: .plan, step: step(.none, .plan, nil, 120)),
    Case(health: .plan, pause: 120, look: .healthy, step: step(.begins, .plan, .healthy, 20)),
    Case(
      health: .plan, pending: .healthy, look: .healthy, step: step(.confirmed, .healthy, nil, nil)),
    Case(
      health: .plan, pending: .healthy, pause: 20, look: .suspended,
      step: step(.begins, .plan, .suspended, 40)),
    Case(health: .plan, pending: .healthy, look: .plan, step: step(.none, .plan, nil, 60)),
    // A refused token is what the installation's state says it is.
    Case(health: .healthy, look: .revoked, step: step(.begins, .healthy, .revoked, 20)),
    Case(
      health: .healthy, pending: .revoked, pause: 20, look: .revoked,
      step: step(.none, .healthy, .revoked, 40)),
    Case(
      health: .healthy, pending: .revoked, look: .revoked, isRevoked: true,
      step: step(.confirmed, .revoked, nil, 60)),
    Case(
      health: .revoked, look: .revoked, isRevoked: true, step: step(.none, .revoked, nil, 60)),
    Case(
      health: .revoked, look: .network, isRevoked: true, step: step(.none, .revoked, nil, 60)),
    Case(health: .healthy, look: .network, isRevoked: true, step: step(.none, .healthy, nil, nil)),
    Case(health: .revoked, look: .healthy, step: step(.confirmed, .healthy, nil, nil)),
    Case(health: .revoked, look: .suspended, step: step(.confirmed, .suspended, nil, 60)),
  ]

  @Test(arguments: cases)
  func `a change takes two looks, or the installation's state`(_ one: Case) {
    let known = HealthStanding(
      health: one.health, pending: one.pending, pendingFor: .seconds(one.pendingFor),
      pause: .seconds(one.pause))
    #expect(HealthRules.step(known, one.look, isRevoked: one.isRevoked) == one.step)
  }

  @Test func `looks are spread over the interval, and stay so after a pause`() throws {
    var random = SeededGenerator(seed: 7)
    let every = Duration.seconds(3600)
    let start = Timestamp(seconds: 1_795_000_000)
    var quarters: [Int: Int] = [:]
    for number in 0..<4000 {
      let store = InstallationID(app: .default, store: try #require(StoreHash("s\(number)")))
      let pause = HealthRound.pause(until: store, now: start, every: every, &random)
      #expect(pause >= .seconds(1620) && pause <= .seconds(5580), "half to one and a half of it")
      let due = start + pause
      quarters[Int(due.seconds % 3600) / 900, default: 0] += 1
      // The next turn is at the same moment of the interval, but for the jitter.
      let again = due + HealthRound.pause(until: store, now: due, every: every, &random)
      let drift = abs((again - due).inMicroseconds - every.inMicroseconds)
      #expect(drift <= 360_000_000)
    }
    for quarter in 0..<4 { #expect((850...1150).contains(quarters[quarter] ?? 0), "\(quarters)") }
  }
}
