package import Base
package import BigCommerce
package import Storage
import Vault

/// How all webhooks are registered: what the settings say.
package struct WebhookRegistration: Sendable {
  /// One app's part.
  package struct App: Sendable {
    package let name: AppName
    package let clientID: String
    /// Wanted scopes.
    package let scopes: [HookScope]

    package init(name: AppName, clientID: String, scopes: [HookScope]) {
      self.name = name
      self.clientID = clientID
      self.scopes = scopes
    }
  }

  package let apps: [App]
  /// The public one, where deliveries arrive.
  package let origin: Origin
  /// Where deliveries about failed deliveries arrive; `nil`: on another path of ``origin``.
  package let exceptionsOrigin: Origin?

  package init(apps: [App], origin: Origin, exceptionsOrigin: Origin?) {
    self.apps = apps
    self.origin = origin
    self.exceptionsOrigin = exceptionsOrigin
  }

  /// The app of that name, if this deployment has it.
  func app(_ name: AppName) -> App? { apps.first { $0.name == name } }

  /// Whether an app wants to hear of what happened as that scope; of failed deliveries it does while
  /// it wants anything.
  package func wants(_ app: AppName, _ scope: String) -> Bool {
    guard let happened = HookScope(scope), happened.text == scope else { return false }
    return HookPlan.wanted(self.app(app)?.scopes ?? []).contains { $0.covers(happened) }
  }

  /// What the database is told of this replica's wishes.
  package var wishes: [WebhookWish] {
    apps.map { app in
      let scopes = HookPlan.wanted(app.scopes).map(\.text)
      // Another version of these rules makes all stores due as well.
      let facts = ["1", app.clientID, origin.text, exceptionsOrigin?.text ?? ""] + scopes
      let digest = Hex.encode(KeyDigest(of: Array(facts.joined(separator: "\n").utf8)).bytes)
      return WebhookWish(app: app.name, scopes: scopes, digest: scopes.isEmpty ? "" : digest)
    }
  }

  /// The rules for one installation's webhooks; without addresses of its own nothing that it has
  /// can lead to them.
  func addresses(of app: App, _ known: InstallationAddresses?) -> HookAddresses {
    HookAddresses(
      app: app.name, clientID: app.clientID, origin: origin, exceptionsOrigin: exceptionsOrigin,
      current: known?.current.pathToken ?? "none",
      header: HookRecord.Header(
        WebhookAddress.secretHeader, known?.current.secret.expose() ?? ""),
      accepted: known?.accepted ?? [])
  }

  /// Whether a blocked domain is one of ours, however the platform writes it.
  func isOurs(_ destination: String) -> Bool {
    let bare = destination.firstRange(of: "://").map { destination[$0.upperBound...] }
    let authority = (bare ?? destination[...]).prefix { $0 != "/" && $0 != "?" }.lowercased()
    return [origin, exceptionsOrigin].contains { known in
      known.map { [$0.authority, $0.host, "\($0.host):\($0.port)"].contains(authority) } ?? false
    }
  }
}
