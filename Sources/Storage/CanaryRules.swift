/// What the platform said to a call made only to find out whether it accepts a token.
package enum CanaryAnswer: Hashable, Sendable {
  /// 200.
  case accepted
  /// 401.
  case refused
  /// Anything else, or no answer: it proves nothing. 403 is among these.
  case inconclusive
}

/// What follows from a canary's answer.
package enum CanaryStep: Hashable, Sendable {
  /// The token is good, as was assumed; no further canary.
  case settled
  /// The token is good again.
  case reactivate
  /// The token is refused; canary again after that time.
  case revoke(next: Duration)
  /// It would be revoked, but too many stores of the app would be; canary again after that time.
  case hold(next: Duration)
  /// It may be held; wait for the canaries of other suspects first.
  case postpone(next: Duration)
  /// Nothing changes; canary again after that time.
  case again(next: Duration)
  /// The store is gone: what the uninstall callback does is done.
  case uninstall(GoneSignal)
}

/// What told that a store is gone, or that the app is no longer installed there.
package enum GoneSignal: String, CaseIterable, Hashable, Sendable {
  /// The platform's signed callback: believed as it is.
  case callback
  /// A genuine `store/app/uninstalled` webhook, and a canary that was refused after it.
  case webhook
  /// Canaries that were refused for so long that nobody expects anything else any more.
  case canary
}

/// What else is known of a store whose canary is answered.
package struct GoneEvidence: Hashable, Sendable {
  /// Whether a webhook said that the store is gone, later than the token was given.
  package let isReported: Bool
  /// How long the store has been revoked; zero while it is active.
  package let revokedFor: Duration

  package init(isReported: Bool, revokedFor: Duration) {
    self.isReported = isReported
    self.revokedFor = revokedFor
  }

  package static let none = GoneEvidence(isReported: false, revokedFor: .zero)
}

/// How the stores of an app fare within the brake's window, the store in question not counted.
package struct FleetHealth: Hashable, Sendable {
  /// Stores with a token.
  package let installed: Int
  /// Those whose canary was refused while they were taken for active.
  package let refused: Int
  /// Active ones whose first canary is still due.
  package let suspected: Int

  package init(installed: Int, refused: Int, suspected: Int) {
    self.installed = installed
    self.refused = refused
    self.suspected = suspected
  }
}

/// When a refused token makes a store revoked: a pure state machine without clock or database.
package enum CanaryRules {
  /// From the call that was answered 401 to the confirming canary.
  package static let confirmation = Duration.seconds(5)
  /// Between canaries at first; it doubles up to ``longestPause``.
  package static let firstPause = Duration.seconds(60)
  package static let longestPause = Duration.seconds(6 * 3600)
  /// How long one waits for other suspects before the brake is asked.
  package static let postponement = Duration.seconds(10)
  /// A store that was revoked for so long is gone: the platform accepts no token again that it has
  /// invalidated, and every outage of it that was ever seen was over long before.
  package static let goneAfter = Duration.seconds(7 * 86400)
  /// Fewer stores than this are never held back.
  package static let brakeFloor = 5

  /// The step for an active store, after a pause that is zero for the first canary; `fleet` is the
  /// app's other stores.
  package static func active(
    _ answer: CanaryAnswer, pause: Duration, fleet: FleetHealth, _ evidence: GoneEvidence = .none
  ) -> CanaryStep {
    switch answer {
    case .accepted: return .settled
    case .inconclusive: return .again(next: max(confirmation, grown(pause, from: confirmation)))
    case .refused: break
    }
    if isTooMany(fleet.refused + 1, of: fleet.installed + 1) {
      return .hold(next: grown(pause, from: firstPause))
    }
    if evidence.isReported { return .uninstall(.webhook) }
    // Asked once only: a suspect that never gets its answer must not keep the others waiting.
    if pause < postponement, isTooMany(fleet.refused + fleet.suspected + 1, of: fleet.installed + 1)
    {
      return .postpone(next: postponement)
    }
    return .revoke(next: firstPause)
  }

  /// The step for a revoked store.
  package static func revoked(
    _ answer: CanaryAnswer, pause: Duration, _ evidence: GoneEvidence = .none
  ) -> CanaryStep {
    switch answer {
    case .accepted: .reactivate
    case .refused where evidence.isReported: .uninstall(.webhook)
    case .refused where evidence.revokedFor >= goneAfter: .uninstall(.canary)
    case .refused: .again(next: grown(pause, from: firstPause))
    case .inconclusive: .again(next: max(pause, firstPause))
    }
  }

  /// More than one in a hundred, and at least five.
  package static func isTooMany(_ refused: Int, of installed: Int) -> Bool {
    refused >= brakeFloor && refused * 100 > installed
  }

  private static func grown(_ pause: Duration, from first: Duration) -> Duration {
    min(max(pause * 2, first), longestPause)
  }
}
