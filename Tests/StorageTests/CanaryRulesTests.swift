import Storage
import Testing

@Suite struct `Rules of canaries` {
  private let alone = FleetHealth(installed: 0, refused: 0, suspected: 0)

  @Test func `one confirmed refusal makes an active store revoked, tried again after a minute`() {
    #expect(CanaryRules.active(.refused, pause: .zero, fleet: alone) == .revoke(next: .seconds(60)))
  }

  @Test func `an accepted canary settles the matter`() {
    #expect(CanaryRules.active(.accepted, pause: .zero, fleet: alone) == .settled)
    #expect(CanaryRules.revoked(.accepted, pause: .seconds(60)) == .reactivate)
  }

  @Test func `an answer that proves nothing changes nothing`() {
    #expect(
      CanaryRules.active(.inconclusive, pause: .zero, fleet: alone) == .again(next: .seconds(5)))
    #expect(
      CanaryRules.active(.inconclusive, pause: .seconds(5), fleet: alone)
        == .again(next: .seconds(10)))
    #expect(CanaryRules.revoked(.inconclusive, pause: .seconds(240)) == .again(next: .seconds(240)))
  }

  @Test func `canaries of a revoked store come ever later, at last every six hours`() {
    var pauses: [Duration] = []
    var pause = Duration.seconds(60)
    for _ in 0..<12 {
      guard case .again(let next) = CanaryRules.revoked(.refused, pause: pause) else { break }
      pauses.append(next)
      pause = next
    }
    #expect(pauses.prefix(3) == [.seconds(120), .seconds(240), .seconds(480)])
    #expect(pauses.last == .seconds(6 * 3600))
    #expect(pauses.count == 12)
  }

  @Test(arguments: [
    // Others installed, others refused, whether this one is held: more than 1 % and at least five.
    (4, 4, true), (5, 3, false), (100, 4, true), (498, 4, true), (499, 4, false), (999, 9, false),
    (998, 9, true),
    (60_000, 599, false), (59_998, 599, true),
  ])
  func `the brake holds at more than one in a hundred and at least five`(
    _ installed: Int, _ refused: Int, _ isHeld: Bool
  ) {
    let fleet = FleetHealth(installed: installed, refused: refused, suspected: 0)
    let step = CanaryRules.active(.refused, pause: .zero, fleet: fleet)
    #expect(step == (isHeld ? .hold(next: .seconds(60)) : .revoke(next: .seconds(60))))
  }

  @Test func `with many suspects the first refusal waits once for their canaries`() {
    let fleet = FleetHealth(installed: 99, refused: 0, suspected: 4)
    #expect(
      CanaryRules.active(.refused, pause: .zero, fleet: fleet) == .postpone(next: .seconds(10)))
    #expect(
      CanaryRules.active(.refused, pause: .seconds(10), fleet: fleet) == .revoke(next: .seconds(60))
    )
  }
}
