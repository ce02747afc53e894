package import Base

/// The places at which one installation's webhooks may arrive, and how to tell them from others'.
package struct HookAddresses: Sendable {
  /// Where and with what all of the store's webhooks are to be registered.
  package struct Registration: Sendable {
    package let destination: String
    package let header: HookRecord.Header
  }

  private let app: AppName
  private let clientID: String
  private let origin: String
  private let exceptionsOrigin: String?
  private let current: String
  private let header: HookRecord.Header
  private let accepted: Set<String>

  /// The path token to register, with the name and the secret of its header, and the tokens from
  /// before a rotation.
  ///
  /// What tells of failed deliveries goes to an origin of its own, or without one to another path.
  package init(
    app: AppName, clientID: String, origin: Origin, exceptionsOrigin: Origin?, current: String,
    header: HookRecord.Header, accepted: Set<String> = []
  ) {
    self.app = app
    self.clientID = clientID
    self.origin = origin.text
    self.exceptionsOrigin = exceptionsOrigin?.text
    self.current = current
    self.header = header
    self.accepted = accepted
  }

  /// What a webhook of that scope should say.
  package func registration(for scope: HookScope) -> Registration {
    let path = "/webhooks/\(app)/\(current)"
    let destination =
      scope == .deliveryException
      ? "\(exceptionsOrigin ?? origin)\(path)/exceptions" : origin + path
    return Registration(destination: destination, header: header)
  }

  /// Whether the webhook is ours to change.
  ///
  /// Its path holds one of the installation's tokens, which nobody else can know; or it leads to
  /// this app's place at our origin and belongs to our client. All others are somebody else's.
  package func owns(_ hook: HookRecord) -> Bool {
    if let token = token(in: hook.destination), token == current || accepted.contains(token) {
      return true
    }
    guard hook.clientID ?? clientID == clientID else { return false }
    return [origin, exceptionsOrigin].contains { known in
      known.map { hook.destination.hasPrefix("\($0)/webhooks/\(app)/") } ?? false
    }
  }

  /// Whether the webhook leads to the token that is to be registered.
  func leadsToCurrent(_ hook: HookRecord) -> Bool { token(in: hook.destination) == current }

  /// The segment behind `/webhooks/{app}/`, whatever the origin.
  private func token(in destination: String) -> String? {
    guard let place = destination.firstRange(of: "/webhooks/\(app)/") else { return nil }
    return String(destination[place.upperBound...].prefix { $0 != "/" && $0 != "?" })
  }
}
