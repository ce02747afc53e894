import Base
import NIOHTTP1
import Synchronization

/// Commands on apps: what the Developer Portal does.
enum ControlApps {
  static let commands: [ControlAPI.Command] = [
    .init(.GET, "apps", "the registered apps") { call in
      .json(.array(call.platform.accounts.withLock { $0.apps }.map(document)))
    },
    .init(
      .POST, "apps",
      "registers or replaces an app: client_id, client_secret, name, origin or …_callback, scopes",
      register),
    .init(.PUT, "apps", arguments: 1, "changes fields of an app, for example its scopes", change),
    .init(.DELETE, "apps", arguments: 1, "deletes an app with its tokens") {
      call throws(ControlError) in
      guard call.platform.accounts.withLock({ $0.remove(clientID: call.rest[0]) }) else {
        throw .notFound("app \(call.rest[0])")
      }
      return .done
    },
  ]

  private static func register(_ call: ControlCall) throws(ControlError) -> Outcome {
    let app = try AppRegistration(reading: call.body)
    call.platform.accounts.withLock { $0.register(app) }
    return .json(document(app), status: .created)
  }

  private static func change(_ call: ControlCall) throws(ControlError) -> Outcome {
    guard var app = call.platform.app(call.rest[0]) else { throw .notFound("app \(call.rest[0])") }
    if let name = call.body["name"]?.string { app.name = name }
    if let secret = call.body["client_secret"]?.string { app.clientSecret = secret }
    if let scopes = call.scopes() { app.scopes = scopes }
    if let url = call.body["auth_callback"]?.string { app.authCallback = url }
    if let url = call.body["load_callback"]?.string { app.loadCallback = url }
    if let url = call.body["uninstall_callback"] { app.uninstallCallback = url.string }
    if let url = call.body["remove_user_callback"] { app.removeUserCallback = url.string }
    let changed = app
    call.platform.accounts.withLock { $0.register(changed) }
    return .json(document(changed))
  }

  static func document(_ app: AppRegistration) -> JSONValue {
    [
      "client_id": .string(app.clientID), "name": .string(app.name),
      "auth_callback": .string(app.authCallback), "load_callback": .string(app.loadCallback),
      "uninstall_callback": app.uninstallCallback.map { .string($0) } ?? .null,
      "remove_user_callback": app.removeUserCallback.map { .string($0) } ?? .null,
      "scopes": .array(app.scopes.map { .string($0) }),
    ]
  }
}

extension AppRegistration {
  /// Reads `client_id`, `client_secret` and either `origin` or the four `…_callback` addresses.
  init(reading document: JSONValue) throws(ControlError) {
    guard let clientID = document["client_id"]?.string, !clientID.isEmpty else {
      throw .invalid("client_id is missing")
    }
    guard let secret = document["client_secret"]?.string, !secret.isEmpty else {
      throw .invalid("client_secret is missing")
    }
    let origin = document["origin"]?.string
    guard let auth = document["auth_callback"]?.string ?? origin.map({ $0 + "/auth/callback" }),
      let load = document["load_callback"]?.string ?? origin.map({ $0 + "/auth/load" })
    else { throw .invalid("origin, or auth_callback and load_callback, are missing") }
    let scopes =
      document["scopes"]?.array?.compactMap(\.string)
      ?? document["scopes"]?.string?.split(separator: " ").map(String.init)
    self.init(
      clientID: clientID, clientSecret: secret, name: document["name"]?.string ?? "Demo app",
      authCallback: auth, loadCallback: load,
      uninstallCallback: document["uninstall_callback"]?.string
        ?? origin.map { $0 + "/auth/uninstall" },
      removeUserCallback: document["remove_user_callback"]?.string
        ?? origin.map { $0 + "/auth/remove_user" },
      scopes: scopes ?? AppRegistration.demoScopes)
  }
}
