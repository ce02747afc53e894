package import Base
package import BigCommerce
package import Storage

/// An installation in a replica's memory; it never changes, a change makes another entry.
package final class StoreEntry: Sendable {
  /// The token as the keyring opened it.
  package enum Token: Sendable {
    case open(Secret<String>)
    /// The installation has none.
    case absent
    /// It cannot be opened: a fixed word says why. Calls are refused, and nothing is sent.
    case unreadable(reason: String)
  }

  package let installation: InstallationID
  package let state: InstallationState
  package let generation: Generation
  package let token: Token
  /// What the store has granted.
  package let scopes: Scopes
  /// What operators call the store; grants may name it so.
  package let labels: Set<StoreLabel>
  /// What is known from calls; it outlives changes of the entry.
  package let activity: StoreActivity
  let changeNumber: Int64

  var isUnreadable: Bool {
    if case .unreadable = token { true } else { false }
  }

  package init(
    installation: InstallationID, state: InstallationState, generation: Generation, token: Token,
    scopes: Scopes, labels: Set<StoreLabel> = [], activity: StoreActivity = StoreActivity(),
    changeNumber: Int64 = 0
  ) {
    self.installation = installation
    self.state = state
    self.generation = generation
    self.token = token
    self.scopes = scopes
    self.labels = labels
    self.activity = activity
    self.changeNumber = changeNumber
  }
}
