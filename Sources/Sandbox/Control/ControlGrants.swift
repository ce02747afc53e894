import Base
import BigCommerce
import NIOHTTP1
import Synchronization

/// Commands on codes, signed payloads and tokens.
enum ControlGrants {
  static let commands: [ControlAPI.Command] = [
    .init(
      .POST, "codes",
      "a code as a consent makes it: client_id, store_hash, user_id, scope, external", makeCode),
    .init(
      .POST, "signed_payloads",
      "a signed_payload_jwt: client_id, store_hash, user_id, url, channel_id, claims, secret, "
        + "algorithm", makePayload),
    .init(.GET, "tokens", "the live tokens") { call in
      .json(
        .array(
          call.platform.accounts.withLock { $0.tokens }.map { document($0.access, token: $0.token) }
        ))
    },
    .init(
      .POST, "tokens", "issues a token without the OAuth flow: client_id, store_hash, scope",
      makeToken),
    .init(.POST, "revoke", "kills the token of client_id on store_hash") {
      call throws(ControlError) in
      let installed = InstalledApp(clientID: try call.app().clientID, store: try call.store().hash)
      guard call.platform.accounts.withLock({ $0.revoke(installed) }) else {
        throw .notFound("token of \(installed.clientID) on \(installed.store)")
      }
      return .done
    },
  ]

  private static func makeCode(_ call: ControlCall) throws(ControlError) -> Outcome {
    let merchant = try call.merchant()
    let callback = merchant.consent(
      user: try call.user(of: merchant.store), isExternal: call.body["external"]?.bool ?? false,
      scopes: call.scopes())
    return .json(document(callback), status: .created)
  }

  private static func makePayload(_ call: ControlCall) throws(ControlError) -> Outcome {
    let app = try call.app()
    let store = try call.store()
    var claims = SignedPayload.claims(
      app: app, store: store.profile, user: try call.user(of: store),
      url: call.body["url"]?.string ?? "/", channel: call.body["channel_id"]?.integer,
      jti: call.platform.text.uuid(), at: call.platform.now)
    for member in call.body["claims"]?.members ?? [] {
      claims = claims.setting(member.name, member.value)
    }
    let payload = SignedPayload(
      claims: claims, secret: call.body["secret"]?.string ?? app.clientSecret,
      algorithm: call.body["algorithm"]?.string ?? "HS256")
    return .json(
      [
        "signed_payload_jwt": .string(payload.text), "claims": claims,
        "callback_query": .string("signed_payload_jwt=" + payload.text),
      ], status: .created)
  }

  private static func makeToken(_ call: ControlCall) throws(ControlError) -> Outcome {
    let merchant = try call.merchant()
    let scopes = (call.scopes() ?? merchant.app.scopes) + ["store_v2_default"]
    let access = Access(
      clientID: merchant.app.clientID, store: merchant.store, granted: Scopes(scopes),
      scopeText: scopes.joined(separator: " "), userID: merchant.store.profile.owner.id,
      issued: call.platform.now)
    let token = call.body["access_token"]?.string ?? call.platform.text.word(31)
    call.platform.accounts.withLock { $0.keep(access, token: token) }
    return .json(document(access, token: token), status: .created)
  }

  static func document(_ callback: Callback) -> JSONValue {
    .object(
      callback.query.items.map { .init($0.name, .string($0.value)) } + [
        .init("callback_query", .string(callback.query.text)),
        .init("callback_url", .string(callback.url)),
      ])
  }

  private static func document(_ access: Access, token: String) -> JSONValue {
    [
      "access_token": .string(token), "client_id": .string(access.clientID),
      "store_hash": access.store.map { .string($0.hash) } ?? .null,
      "scope": .string(access.scopeText), "user_id": .integer(access.userID),
      "issued_at": .string(access.issued.description),
    ]
  }
}
