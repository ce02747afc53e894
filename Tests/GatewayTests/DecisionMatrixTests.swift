import Base
import BigCommerce
import Fields
import Gateway
import HTTPTypes
import Storage
import Testing
import Upstream

/// Callers × stores × calls, each cell compared with an oracle that knows nothing of the product's
/// rules.
@Suite struct `Order of refusals` {
  /// What a caller's key may do, in the words of the oracle.
  struct Caller {
    let key: String?
    var isGood = true
    var app: String? = "default"
    var stores: Set<String>?
    var scopes: Set<String>?
    var abilities: Set<String> = []
  }

  struct Store {
    let hash: String
    /// `nil`: there is no such installation.
    let state: String?
    let scopes: Set<String>
    var isReadable = true
  }

  struct Call {
    let method: HTTPRequest.Method
    let path: String
    /// Any one of these; `nil`: no list names the call; empty: any token.
    let need: Set<String>?
    var isAuthoritative = true
    var ability = "proxy"
  }

  static let products: Set<String> = ["store_v2_products", "store_v2_products_read_only"]

  static let calls: [Call] = [
    Call(method: .get, path: "/v3/catalog/products", need: products),
    Call(method: .head, path: "/v3/catalog/products/", need: products),
    Call(method: .post, path: "/v3/catalog/products", need: ["store_v2_products"]),
    Call(method: .put, path: "/v3/catalog/products/7", need: ["store_v2_products"]),
    Call(method: .delete, path: "/v3/catalog/products/7?x=1", need: ["store_v2_products"]),
    Call(method: .post, path: "/v3/pricing/products", need: products),
    Call(method: .get, path: "/v2/products", need: products, isAuthoritative: false),
    Call(method: .post, path: "/v2/products", need: ["store_v2_products"], isAuthoritative: false),
    Call(
      method: .get, path: "/v3/channels",
      need: ["store_channel_settings", "store_channel_settings_read_only"]),
    Call(method: .get, path: "/v3/hooks?limit=1", need: []),
    Call(method: .post, path: "/v3/hooks", need: []),
    Call(method: .patch, path: "/v3/catalog/products", need: nil, ability: "proxy:unlisted"),
    Call(method: .get, path: "/v3/of/the/future", need: nil, ability: "proxy:unlisted"),
    Call(method: .post, path: "/v3/tax/classes", need: nil, ability: "proxy:unlisted"),
    Call(method: .post, path: "/graphql", need: nil, ability: "proxy:graphql"),
  ]

  static let stores: [Store] = [
    Store(
      hash: "active1", state: "active", scopes: ["store_v2_products", "store_channel_settings"]),
    Store(hash: "active2", state: "active", scopes: ["store_v2_products_read_only"]),
    Store(hash: "bare", state: "active", scopes: []),
    Store(hash: "suspended", state: "suspended", scopes: products),
    Store(hash: "revoked", state: "revoked", scopes: []),
    Store(hash: "gone", state: "uninstalled", scopes: products),
    Store(hash: "damaged", state: "active", scopes: products, isReadable: false),
    Store(hash: "nobody", state: nil, scopes: []),
  ]

  private static let abilitySets: [Set<String>] = [
    ["keys", "stores:read"], ["proxy"], ["proxy", "proxy:graphql"], ["proxy", "proxy:unlisted"],
    ["operator"],
  ]
  private static let storeSets: [Set<String>?] = [
    nil, ["active1", "suspended", "nobody", "damaged"], ["active2", "bare", "revoked", "gone"],
  ]
  private static let scopeSets: [Set<String>?] = [
    nil, [], ["store_v2_products_read_only"], ["store_v2_products", "store_v2_orders"],
    ["store_channel_settings"],
  ]

  private let now = Timestamp(seconds: 1_000_000)
  private let callers: [Caller]
  private let snapshot: DirectorySnapshot
  private let rules: DecisionRules

  init() throws {
    var callers = [Caller(key: nil, isGood: false)]
    var keys: [TestKey] = []
    func add(_ grant: Grant, revokedAt: Timestamp? = nil, _ describe: (String) -> Caller) {
      let key = TestKey(grant, revokedAt: revokedAt)
      keys.append(key)
      callers.append(describe(key.text))
    }
    for stores in Self.storeSets {
      for scopes in Self.scopeSets {
        for abilities in Self.abilitySets {
          let grant = Grant(
            app: .default,
            stores: stores.map { .only(Set($0.compactMap { StoreHash($0) })) } ?? .all,
            scopes: scopes.map { .only(Scopes($0)) } ?? .all,
            abilities: try Abilities(names: abilities))
          add(grant) {
            Caller(key: $0, stores: stores, scopes: scopes, abilities: abilities)
          }
        }
      }
    }
    let everything = try Abilities(names: ["operator"])
    func full(_ expiresAt: Timestamp?) -> Grant {
      Grant(app: .default, stores: .all, scopes: .all, abilities: everything, expiresAt: expiresAt)
    }
    add(full(nil), revokedAt: now) { Caller(key: $0, isGood: false) }
    add(full(now)) { Caller(key: $0, isGood: false) }
    add(full(now + .seconds(1))) { Caller(key: $0, abilities: ["operator"]) }
    callers.append(Caller(key: TestKey(full(nil)).text, isGood: false))
    callers.append(Caller(key: "not-a-key", isGood: false))
    let entries = try Self.stores.compactMap { store throws -> StoreEntry? in
      guard let state = store.state.flatMap(InstallationState.init) else { return nil }
      return StoreEntry(
        installation: try Named.installation("default", store.hash), state: state,
        generation: Generation(1),
        token: state == .uninstalled
          ? .absent
          : store.isReadable
            ? .open(Secret("token-" + store.hash)) : .unreadable(reason: "damaged"),
        scopes: Scopes(store.scopes))
    }
    self.callers = callers
    snapshot = DirectorySnapshot(stores: entries, keys: keys.map(\.record))
    rules = DecisionRules(apps: [.default])
  }

  @Test func `every cell of callers, stores and calls is as designed`() throws {
    var cells = 0
    for caller in callers {
      for store in Self.stores {
        for call in Self.calls {
          cells += 1
          let decided = decide(caller, store, call)
          let designed = Self.oracle(caller, store, call)
          #expect(
            decided == designed,
            "\(caller) \(store.hash) \(call.method) \(call.path): \(decided), designed \(designed)")
        }
      }
    }
    #expect(cells >= 7_000, "\(cells) cells")
  }

  private func decide(_ caller: Caller, _ store: Store, _ call: Call) -> String {
    var headers = FieldSection()
    if let key = caller.key { headers.append(.authToken, key) }
    let facts = CallFacts(
      method: call.method, target: "/stores/\(store.hash)\(call.path)", headers: headers,
      contentLength: 0)
    switch rules.decide(facts, snapshot, now: now) {
    case .refuse(let problem): return "\(problem.status) \(problem.code)"
    case .explain: return "explained"
    case .call(let plan):
      return plan.store.installation.store.text == store.hash
        && plan.token.matches("token-" + store.hash)
        ? "call" : "call of another store"
    }
  }

  /// DESIGN 3.2 in the plainest words.
  private static func oracle(_ caller: Caller, _ store: Store, _ call: Call) -> String {
    if caller.key == nil || !caller.isGood { return "401 key_invalid" }
    let isOperator = caller.abilities.contains("operator")
    if !isOperator && !caller.abilities.contains(call.ability) { return "403 grant_missing" }
    if let stores = caller.stores, !stores.contains(store.hash) { return "403 grant_missing" }
    if let need = call.need, !need.isEmpty, let scopes = caller.scopes, !holds(scopes, oneOf: need)
    {
      return "403 grant_missing"
    }
    switch store.state {
    case nil: return "404 store_unknown"
    case "uninstalled": return "410 store_uninstalled"
    case "suspended": return "423 store_suspended"
    case "revoked": return "424 store_revoked"
    default: break
    }
    if !store.isReadable { return "500 token_unreadable" }
    if call.isAuthoritative, let need = call.need, !need.isEmpty, !holds(store.scopes, oneOf: need)
    {
      return "403 scope_missing"
    }
    return "call"
  }

  private static func holds(_ scopes: Set<String>, oneOf need: Set<String>) -> Bool {
    !scopes.isDisjoint(with: need)
      || need.contains {
        $0.hasSuffix("_read_only") && scopes.contains(String($0.dropLast("_read_only".count)))
      }
  }
}
