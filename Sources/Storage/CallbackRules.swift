package import Base

/// Who wins when callbacks arrive late, twice or in another order than they were issued.
///
/// All moments are BigCommerce's own (`iat` of a signed payload, `Date` of the token's answer). Two
/// of its hosts may disagree by a few seconds; within that slack the later arrival wins.
package enum CallbackRules {
  /// How far two of BigCommerce's clocks may be apart.
  package static let slack: Duration = .seconds(5)

  /// Whether an uninstall was issued before the token that the store has now, and so must not
  /// destroy it.
  package static func uninstallIsStale(issuedAt: Timestamp, authorizedAt: Timestamp) -> Bool {
    issuedAt + slack < authorizedAt
  }

  /// Whether a load was issued to an installation that has since been replaced.
  package static func loadIsStale(issuedAt: Timestamp, authorizedAt: Timestamp) -> Bool {
    issuedAt + slack < authorizedAt
  }

  /// Whether a user's load is refused because the user was removed after it was issued, or in the
  /// same second.
  package static func userIsRemoved(issuedAt: Timestamp, removedAt: Timestamp?) -> Bool {
    guard let removedAt else { return false }
    return issuedAt <= removedAt
  }

  /// Whether a token may become the installation's, and in which state.
  ///
  /// `baseGeneration` is the installation's when the attempt began (0: none), `current` what is
  /// there now, locked, and `newestUninstall` the moment when the newest uninstall known for this
  /// store was issued.
  package static func install(
    authorizedAt: Timestamp, baseGeneration: Generation, current: CurrentInstallation?,
    newestUninstall: Timestamp?
  ) -> InstallDecision {
    if let newestUninstall, newestUninstall > authorizedAt + slack {
      return .superseded(.uninstalledSince)
    }
    guard let current else { return .store(Generation(1), suspended: false) }
    // A token that came in between is compared by date; else the attempt began after all others and
    // is the newest whatever the clocks say.
    if current.generation != baseGeneration, current.authorizedAt > authorizedAt {
      return .superseded(.installedSince)
    }
    return .store(current.generation.next, suspended: current.isSuspended)
  }
}

/// What an installation's row says that decides about a new token.
package struct CurrentInstallation: Hashable, Sendable {
  package let generation: Generation
  package let authorizedAt: Timestamp
  /// An operator suspended the store; that outlives uninstalling and installing again.
  package let isSuspended: Bool

  package init(generation: Generation, authorizedAt: Timestamp, isSuspended: Bool) {
    self.generation = generation
    self.authorizedAt = authorizedAt
    self.isSuspended = isSuspended
  }
}

/// What becomes of a token that BigCommerce gave.
package enum InstallDecision: Hashable, Sendable {
  /// It is kept as that generation.
  case store(Generation, suspended: Bool)
  /// Something newer has happened; the token is dead and is dropped.
  case superseded(Superseded)
}

/// What happened after a token was given and before it could be stored.
///
/// The raw value is the attempt's `failure` word.
package enum Superseded: String, Hashable, Sendable {
  case uninstalledSince = "uninstalled_since"
  case installedSince = "installed_since"
}
