import Base
import NIOCore
import Synchronization

/// What people at a store do with an app: install, open, remove a user, uninstall.
struct Merchant: Sendable {
  let platform: Platform
  let app: AppRegistration
  let store: Store

  private var installed: InstalledApp {
    InstalledApp(clientID: app.clientID, store: store.hash)
  }

  /// The live token, if the app is installed.
  var grant: (token: String, access: Access)? {
    platform.accounts.withLock { $0.token(installed) }
  }

  /// Whether the app asks for other scopes than the store granted.
  var needsConsent: Bool {
    guard let grant else { return false }
    return Set(app.scopes) != grant.access.scopes.subtracting(Merchant.automaticScopes)
  }

  private static let automaticScopes: Set = ["store_v2_default", "users_basic_information"]

  /// Consents: a new code, and the address to which the browser goes with it.
  func consent(user: StoreUser, isExternal: Bool = false, scopes: [String]? = nil) -> Callback {
    let code = GrantCode(
      text: platform.text.word(16), clientID: app.clientID, store: store, user: user,
      scopes: scopes ?? app.scopes)
    platform.accounts.withLock { $0.keep(code) }
    var query = Query()
    query.append("code", code.text)
    query.append("scope", code.scopes.joined(separator: " "))
    query.append("context", store.context)
    query.append("account_uuid", TokenEndpoint.developerAccount)
    if isExternal { query.append("external_install", "1") }
    return Callback(address: app.authCallback, query: query, code: code.text)
  }

  /// A signed payload of this user, and the load callback with it.
  func load(user: StoreUser, url: String = "/", channel: Int64? = nil) -> Callback {
    signed(app.loadCallback, user: user, url: url, channel: channel)
  }

  /// Ends the installation and tells the app.
  ///
  /// The token and the app's hooks are gone whatever the app answers.
  func uninstall(user: StoreUser, client: OutboundClient) -> EventLoopFuture<CallbackResult> {
    platform.accounts.withLock { _ = $0.revoke(installed) }
    store.withData { data in
      data.hooks.removeAll { $0["client_id"]?.string == app.clientID }
      data.answers.clear()
    }
    return tell(app.uninstallCallback, user: user, client: client)
  }

  /// Takes a user's access to the app away and tells the app.
  func removeUser(_ user: StoreUser, client: OutboundClient) -> EventLoopFuture<CallbackResult> {
    tell(app.removeUserCallback, user: user, client: client)
  }

  private func tell(
    _ address: String?, user: StoreUser, client: OutboundClient
  ) -> EventLoopFuture<CallbackResult> {
    guard let address else { return client.loop.makeSucceededFuture(.noCallback) }
    return client.get(signed(address, user: user).url)
      .map { CallbackResult.answered($0) }
      .recover { CallbackResult.failed("\($0)") }
  }

  private func signed(
    _ address: String, user: StoreUser, url: String = "/", channel: Int64? = nil
  ) -> Callback {
    let claims = SignedPayload.claims(
      app: app, store: store.profile, user: user, url: url, channel: channel,
      jti: platform.text.uuid(), at: platform.now)
    var query = Query()
    query.append("signed_payload_jwt", SignedPayload(claims: claims, secret: app.clientSecret).text)
    return Callback(address: address, query: query, code: nil)
  }
}

/// A callback address with its query.
struct Callback: Sendable {
  let address: String
  let query: Query
  let code: String?

  var url: String { address + (address.contains("?") ? "&" : "?") + query.text }
}

/// What came of a call to an app.
enum CallbackResult: Sendable {
  case answered(OutboundResponse)
  /// The app registered no such callback.
  case noCallback
  case failed(String)

  var document: JSONValue {
    switch self {
    case .answered(let response):
      [
        "status": .integer(response.status),
        "headers": .array(
          response.headers.map { .array([.string($0.name), .string($0.value)]) }),
        "body": .string(String(decoding: response.body.readableBytesView, as: UTF8.self)),
      ]
    case .noCallback: ["status": .null, "reason": "no callback registered"]
    case .failed(let reason): ["status": .null, "reason": .string(reason)]
    }
  }
}
