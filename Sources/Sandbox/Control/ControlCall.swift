import Base
import NIOCore
import Synchronization

/// One call to the control API with the things that most orders name.
struct ControlCall: Sendable {
  let platform: Platform
  let client: OutboundClient
  let query: Query
  /// The JSON body; an empty object when there was none.
  let body: JSONValue
  /// Path segments after `/control/{noun}`.
  let rest: [String]

  func text(_ name: String) throws(ControlError) -> String {
    guard let text = body[name]?.string else { throw .invalid("\(name) is missing") }
    return text
  }

  /// The app that `client_id` names, or the only one there is.
  func app() throws(ControlError) -> AppRegistration {
    if let clientID = body["client_id"]?.string {
      guard let app = platform.app(clientID) else { throw .notFound("app \(clientID)") }
      return app
    }
    let apps = platform.accounts.withLock { $0.apps }
    guard apps.count == 1 else { throw .invalid("client_id is missing") }
    return apps[0]
  }

  /// The store that `store_hash` names; the first one without it.
  func store() throws(ControlError) -> Store {
    let hash = body["store_hash"]?.string ?? "demo1234"
    guard let store = platform.store(hash) else { throw .notFound("store \(hash)") }
    return store
  }

  /// The user that `user_id` names, or `"user": "owner"` and `"user": "staff"`; the owner without.
  func user(of store: Store) throws(ControlError) -> StoreUser {
    let profile = store.profile
    if let id = body["user_id"]?.integer {
      guard let user = profile.user(id) else { throw .notFound("user \(id)") }
      return user
    }
    guard body["user"]?.string == "staff" else { return profile.owner }
    return profile.users.first { !$0.isOwner } ?? profile.owner
  }

  func merchant() throws(ControlError) -> Merchant {
    Merchant(platform: platform, app: try app(), store: try store())
  }

  /// The scopes that `scope` lists, as text or as an array.
  func scopes() -> [String]? {
    if let list = body["scope"]?.array ?? body["scopes"]?.array { return list.compactMap(\.string) }
    return (body["scope"]?.string ?? body["scopes"]?.string)?.split(separator: " ").map(String.init)
  }
}
