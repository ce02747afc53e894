package import Base
package import Install

/// What the public listener needs of the callbacks, so that it can be tested without a database.
package protocol CallbackHandling: Sendable {
  func install(_ request: CallbackRequest) async -> CallbackAnswer
  func load(_ request: CallbackRequest) async -> CallbackAnswer
  func uninstall(_ request: CallbackRequest) async -> CallbackAnswer
  func removeUser(_ request: CallbackRequest) async -> CallbackAnswer
}

/// The kinds of callbacks that BigCommerce makes.
package enum CallbackKind: String, Sendable, CaseIterable {
  case install, load, uninstall
  case removeUser = "remove_user"
}

/// Settings of the public listener.
package struct PublicSettings: Sendable {
  /// The apps by name, and where each one's install link leads.
  package let installLinks: [AppName: String]
  /// Further raw paths of the default app's callbacks.
  package let aliases: [String: CallbackKind]
  /// Origins that may frame a page, as they stand in the policy.
  package let frameAncestors: [String]
  package let brand: Brand

  package init(
    installLinks: [AppName: String], aliases: [String: CallbackKind], frameAncestors: [String],
    brand: Brand
  ) {
    self.installLinks = installLinks
    self.aliases = aliases
    self.frameAncestors = frameAncestors
    self.brand = brand
  }
}

/// Which callback a raw path is, pure.
struct PublicRoutes: Sendable {
  enum Route: Equatable {
    case callback(CallbackKind, AppName)
    case installLink(AppName)
    /// A webhook's address: its app and its path token.
    case webhook(AppName, String)
    case health
    case home
  }

  private static let fixed: [String: CallbackKind] = [
    "/auth/callback": .install, "/auth": .install, "/auth/load": .load, "/load": .load,
    "/auth/uninstall": .uninstall, "/uninstall": .uninstall, "/auth/remove_user": .removeUser,
    "/remove_user": .removeUser,
  ]

  let settings: PublicSettings

  /// The path must be one of ours byte for byte; `nil`: nothing is there.
  func route(_ path: String) -> Route? {
    if let kind = PublicRoutes.fixed[path] ?? settings.aliases[path] {
      return .callback(kind, .default)
    }
    switch path {
    case "/healthz": return .health
    case "/": return .home
    case "/auth/install": return installLink(.default)
    default: break
    }
    if path.hasPrefix("/webhooks/") { return webhook(path) }
    let parts = path.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
    guard parts.count == 4, parts[0].isEmpty, parts[1] == "apps", let app = AppName(parts[2]),
      settings.installLinks[app] != nil
    else { return nil }
    if parts[3] == "auth/install" { return installLink(app) }
    guard parts[3].hasPrefix("auth"), let kind = PublicRoutes.fixed["/" + parts[3]] else {
      return nil
    }
    return .callback(kind, app)
  }

  /// `/webhooks/{app}/{token}`; what BigCommerce tells of failed deliveries comes to `/exceptions`
  /// below it.
  private func webhook(_ path: String) -> Route? {
    var parts = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst(2)
    if parts.count == 3, parts.last == "exceptions" { parts.removeLast() }
    guard parts.count == 2, let app = parts.first.flatMap({ AppName($0) }), let token = parts.last,
      settings.installLinks[app] != nil, (1...64).contains(token.utf8.count)
    else { return nil }
    return .webhook(app, String(token))
  }

  private func installLink(_ app: AppName) -> Route? {
    settings.installLinks[app] == nil ? nil : .installLink(app)
  }
}
