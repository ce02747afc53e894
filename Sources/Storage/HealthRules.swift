package import Base
package import BigCommerce

/// What is known of a store's health before a look.
package struct HealthStanding: Hashable, Sendable {
  /// `nil`: unknown yet.
  package let health: StoreHealth?
  /// Another one that was seen once, and how long ago.
  package let pending: StoreHealth?
  package let pendingFor: Duration
  /// The pause before this look, zero when it was the usual one.
  package let pause: Duration

  package init(
    health: StoreHealth?, pending: StoreHealth? = nil, pendingFor: Duration = .zero,
    pause: Duration = .zero
  ) {
    self.health = health
    self.pending = pending
    self.pendingFor = pendingFor
    self.pause = pause
  }
}

/// What follows from a look at a store.
package struct HealthStep: Hashable, Sendable {
  package enum Change: Hashable, Sendable {
    /// All is as it was.
    case none
    /// It is healthy, and was unknown.
    case first
    /// Another health, seen for the first time.
    case begins
    /// Another health, seen again.
    case confirmed
  }

  package let change: Change
  /// What the store is taken for from now on; `nil`: still unknown.
  package let health: StoreHealth?
  package let pending: StoreHealth?
  /// The pause until the next look; `nil` for the usual one.
  package let pause: Duration?

  package init(
    change: Change, health: StoreHealth?, pending: StoreHealth?, pause: Duration?
  ) {
    self.change = change
    self.health = health
    self.pending = pending
    self.pause = pause
  }
}

/// When a look changes what a store is taken for: pure, without clock or database.
package enum HealthRules {
  /// From a look that shows another health to the one that confirms it.
  package static let confirmation = Duration.seconds(20)
  /// A look that comes sooner than this after the first confirms nothing.
  package static let settling = Duration.seconds(3)
  /// Between looks at a store that is not healthy, at first; it doubles up to the usual pause.
  package static let firstPause = Duration.seconds(60)

  /// The step after a look; `isRevoked` is the installation's state after the same look.
  ///
  /// What is said of the token follows the installation's state, which has rules and a brake of its
  /// own. All else takes two looks in a row; two that differ, and are both not healthy, are enough
  /// to say that a store is not healthy.
  package static func step(
    _ known: HealthStanding, _ look: StoreHealth, isRevoked: Bool
  ) -> HealthStep {
    if isRevoked {
      // Only a refusal is news of a token that is refused.
      if look == .revoked || known.health == .revoked { return settled(known, .revoked) }
      return HealthStep(
        change: .none, health: known.health, pending: known.pending, pause: nil)
    }
    if look == known.health && look != .revoked { return settled(known, look) }
    if look == .revoked { return begun(known, look) }
    if known.health == .revoked || known.health == nil && look == .healthy {
      return settled(known, look)
    }
    guard let pending = known.pending, isConfirmed(pending, by: look, known) else {
      return begun(known, look)
    }
    guard known.pendingFor >= settling else {
      return HealthStep(change: .none, health: known.health, pending: pending, pause: confirmation)
    }
    return settled(known, look)
  }

  /// Another health than the one that counts; who is seen like that again and again is looked at
  /// ever more rarely.
  private static func begun(_ known: HealthStanding, _ look: StoreHealth) -> HealthStep {
    let pause = known.pending == nil ? confirmation : max(confirmation, known.pause * 2)
    return HealthStep(
      change: look == known.pending ? .none : .begins, health: known.health, pending: look,
      pause: pause)
  }

  private static func isConfirmed(
    _ pending: StoreHealth, by look: StoreHealth, _ known: HealthStanding
  ) -> Bool {
    if pending == look { return true }
    let isBad = pending != .healthy && look != .healthy
    return isBad && known.health ?? .healthy == .healthy
  }

  private static func settled(_ known: HealthStanding, _ look: StoreHealth) -> HealthStep {
    let isNew = look != known.health
    let change: HealthStep.Change =
      isNew ? (known.health == nil && look == .healthy ? .first : .confirmed) : .none
    let pause = isNew ? firstPause : max(firstPause, known.pause * 2)
    return HealthStep(
      change: change, health: look, pending: nil, pause: look == .healthy ? nil : pause)
  }
}

/// When each store's turn comes in the usual round: pure.
///
/// Every store has a moment of its own in the interval, the same on all replicas and after every
/// pause, so that looks stay spread over it whatever made them come together.
package enum HealthRound {
  /// How far from its moment a look may be, as a part of the interval.
  private static let jitter = 20

  /// How long from `now` until the store's next turn: 0.5 to 1.5 intervals, jitter included.
  package static func pause(
    until installation: InstallationID, now: Timestamp, every: Duration,
    _ random: inout some RandomNumberGenerator
  ) -> Duration {
    let length = max(1, every.inMicroseconds)
    let moment = Int64(hash(installation.description) % UInt64(length))
    let elapsed = (now.microseconds - moment) % length
    var pause = length - (elapsed < 0 ? elapsed + length : elapsed)
    if pause < length / 2 { pause += length }
    let spread = length / Int64(jitter)
    return .microseconds(pause + Int64.random(in: -spread...spread, using: &random))
  }

  /// FNV-1a with a final mix; the same on every replica, unlike the standard library's.
  private static func hash(_ text: String) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    hash = (hash ^ (hash >> 33)) &* 0xff51_afd7_ed55_8ccd
    return hash ^ (hash >> 33)
  }
}
