import Base
import BigCommerce
import Fields
import Gateway
import HTTPTypes
import NIOCore
import Storage
import TestSupport
import Testing
import Upstream

/// Callers × stores × scopes × methods × labels × paths through the whole gateway, each cell
/// compared with an oracle that knows nothing of the product's rules, and with what arrived.
@Suite struct `Matrix of grants` {
  /// A key's grant in plain words; `nil`: no limit.
  struct Caller {
    var key = ""
    let stores: Set<String>?
    let scopes: Set<String>?
    let methods: Set<String>?
    let paths: [String]?
    let abilities: Set<String>
  }

  struct Store {
    let hash: String
    /// `nil`: there is no such installation.
    let state: InstallationState?
    let labels: Set<String>
  }

  struct Call {
    let method: HTTPRequest.Method
    let path: String
    /// Any one of these; empty: any token; `nil`: it is not listed.
    let need: Set<String>?
    var ability = "proxy"
  }

  private static let products: Set<String> = ["store_v2_products", "store_v2_products_read_only"]
  private static let orders: Set<String> = ["store_v2_orders", "store_v2_orders_read_only"]

  private static let calls: [Call] = [
    Call(method: .get, path: "/v3/catalog/products", need: products),
    Call(method: .head, path: "/v3/catalog/products/7/", need: products),
    Call(method: .put, path: "/v3/catalog/products/7", need: ["store_v2_products"]),
    Call(method: .delete, path: "/v3/catalog/products/7/images/8", need: ["store_v2_products"]),
    Call(method: .get, path: "/v2/orders.json?limit=1", need: orders),
    Call(method: .post, path: "/v2/orders", need: ["store_v2_orders"]),
    Call(method: .get, path: "/v3/hooks", need: []),
    Call(method: .patch, path: "/v3/brand-new/thing", need: nil, ability: "proxy:unlisted"),
    Call(method: .post, path: "/graphql", need: nil, ability: "proxy:graphql"),
  ]

  private static let stores: [Store] = [
    Store(hash: "one", state: .active, labels: ["vip", "eu"]),
    Store(hash: "two", state: .active, labels: ["eu"]),
    Store(hash: "three", state: .active, labels: []),
    Store(hash: "gone", state: .uninstalled, labels: ["vip"]),
    Store(hash: "nobody", state: nil, labels: []),
  ]

  private static let storeSets: [Set<String>?] = [
    nil, ["two", "nobody"], ["label:vip"], ["three", "label:eu", "label:trial"], [],
  ]
  private static let scopeSets: [Set<String>?] = [
    nil, ["store_v2_products_read_only"], ["store_v2_products", "store_v2_orders_read_only"],
  ]
  private static let methodSets: [Set<String>?] = [
    nil, ["GET"], ["HEAD", "PUT"], ["POST", "PATCH"],
  ]
  private static let pathSets: [[String]?] = [
    nil, ["/v3/catalog/products", "/v3/catalog/products/*"], ["/v3/**", "/graphql"],
    ["/v2/orders", "/v3/*/products/*/**"],
  ]
  private static let abilitySets: [Set<String>] = [
    ["proxy"], ["proxy", "proxy:graphql", "proxy:unlisted"], ["proxy:graphql", "stores:read"],
  ]

  /// Every combination, with its key.
  private static func callers() throws -> [(Caller, TestKey)] {
    var callers: [(Caller, TestKey)] = []
    for stores in storeSets {
      for scopes in scopeSets {
        for methods in methodSets {
          for paths in pathSets {
            for abilities in abilitySets {
              var caller = Caller(
                stores: stores, scopes: scopes, methods: methods, paths: paths,
                abilities: abilities)
              let key = TestKey(try grant(caller))
              caller.key = key.text
              callers.append((caller, key))
            }
          }
        }
      }
    }
    return callers
  }

  private static func grant(_ caller: Caller) throws -> Grant {
    Grant(
      app: .default,
      stores: try caller.stores.map { try Grant.Stores(names: $0.sorted()) } ?? .all,
      scopes: caller.scopes.map { .only(Scopes($0)) } ?? .all,
      methods: try caller.methods.map { try MethodSet(names: $0) } ?? .all,
      paths: try caller.paths.map { .only(Set(try $0.map { try PathPattern($0) })) } ?? .all,
      abilities: try Abilities(names: caller.abilities))
  }

  private static func installations() throws -> [GatewayRig.Installation] {
    try stores.compactMap { store throws in
      guard let state = store.state else { return nil }
      return GatewayRig.Installation(
        store: try Named.store(store.hash), state: state,
        scopes: ["store_v2_products", "store_v2_orders"],
        labels: Set(store.labels.compactMap { StoreLabel($0) }))
    }
  }

  /// Says in a header what it saw.
  private static let platform: MisbehavingServer.Script = { connection in
    while true {
      let head = try await connection.readHead()
      let line = head.prefix { !$0.isNewline }
      let token = head.split(separator: "X-Auth-Token: ").last?.prefix { !$0.isNewline } ?? "-"
      try await connection.answer("200 OK", "", headers: ["X-Seen: \(line) \(token)"])
    }
  }

  @Test func `every cell is as designed, and what is refused reaches nobody`() async throws {
    let callers = try Self.callers()
    // Every cell in a full run; otherwise every fourth, which has no factor with the 45 of a caller:
    // so each store and call meets a fourth of the callers.
    let step = count(ordinary: 4, full: 1)
    let world = GatewayRig.World(
      installations: try Self.installations(), keys: callers.map(\.1.record))
    try await GatewayRig.run(world: world, script: Self.platform) { rig in
      var (cells, place, passed) = (0, 0, 0)
      for (caller, _) in callers {
        for store in Self.stores {
          for call in Self.calls {
            place += 1
            guard place % step == 0 else { continue }
            cells += 1
            let designed = Self.oracle(caller, store, call)
            let before = rig.server.headCount
            let decided = try await Self.ask(rig, caller, store, call)
            #expect(
              decided == designed, "\(caller) \(store.hash) \(call.method) \(call.path)")
            let arrived = rig.server.headCount - before
            #expect(arrived == (designed.hasPrefix("seen ") ? 1 : 0), "\(designed)")
            passed += arrived
          }
        }
      }
      #expect(cells >= 7_000, "\(cells) cells")
      #expect(passed > 300, "\(passed) cells were calls")
    }
  }

  private static func ask(
    _ rig: GatewayRig, _ caller: Caller, _ store: Store, _ call: Call
  ) async throws -> String {
    let answer = try await rig.send(
      call.method, "/stores/\(store.hash)\(call.path)", key: caller.key)
    if let seen = answer.headers.pairs.first(where: { $0.name == "X-Seen" }) {
      return "seen " + seen.value
    }
    return try await answer.summary
  }

  /// DESIGN 3.2 in the plainest words.
  private static func oracle(_ caller: Caller, _ store: Store, _ call: Call) -> String {
    if !caller.abilities.contains(call.ability) { return "403 grant_missing" }
    if let stores = caller.stores, !stores.contains(store.hash),
      !store.labels.contains(where: { stores.contains("label:\($0)") })
    {
      return "403 grant_missing"
    }
    if let methods = caller.methods, !methods.contains(call.method.rawValue),
      !(call.method == .head && methods.contains("GET"))
    {
      return "403 grant_missing"
    }
    if let paths = caller.paths, !paths.contains(where: { fits(call.path, $0) }) {
      return "403 grant_missing"
    }
    if let need = call.need, !need.isEmpty, let scopes = caller.scopes, !holds(scopes, need) {
      return "403 grant_missing"
    }
    switch store.state {
    case nil: return "404 store_unknown"
    case .uninstalled?: return "410 store_uninstalled"
    default:
      let target = "/stores/\(store.hash)\(call.path)"
      return "seen \(call.method.rawValue) \(target) HTTP/1.1 token-\(store.hash)"
    }
  }

  private static func fits(_ path: String, _ pattern: String) -> Bool {
    var bare = String(path.prefix { $0 != "?" })
    if bare.hasSuffix("/") { bare.removeLast() }
    if bare.hasSuffix(".json") { bare.removeLast(5) }
    let segments = bare.split(separator: "/")
    let words = pattern.split(separator: "/")
    guard words.last == "**" ? segments.count >= words.count : segments.count == words.count else {
      return false
    }
    return zip(words, segments).allSatisfy { $0 == "**" || $0 == "*" || $0 == $1 }
  }

  private static func holds(_ scopes: Set<String>, _ need: Set<String>) -> Bool {
    need.contains { name in
      scopes.contains(name)
        || name.hasSuffix("_read_only") && scopes.contains(String(name.dropLast(10)))
    }
  }
}
