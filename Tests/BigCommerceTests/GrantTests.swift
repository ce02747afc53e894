import Base
import BigCommerce
import HTTPTypes
import TestSupport
import Testing

@Suite struct `Grants` {
  private let store: StoreHash
  private let other: StoreHash
  private let app: AppName

  init() throws {
    store = try #require(StoreHash("abc"))
    other = try #require(StoreHash("def"))
    app = try #require(AppName("shop"))
  }

  private func grant(
    app: AppName? = .default, stores: Grant.Stores = .all, scopes: Grant.ScopeLimit = .all,
    methods: MethodSet = .all, paths: Grant.PathLimit = .all, _ abilities: [Ability] = [.proxy],
    expires: Int64? = nil
  ) -> Grant {
    Grant(
      app: app, stores: stores, scopes: scopes, methods: methods, paths: paths,
      abilities: Abilities(abilities), expiresAt: expires.map { Timestamp(seconds: $0) })
  }

  private func labels(_ texts: String...) throws -> Set<StoreLabel> {
    Set(try texts.map { try #require(StoreLabel($0)) })
  }

  private func patterns(_ texts: String...) throws -> Grant.PathLimit {
    .only(Set(try texts.map { try PathPattern($0) }))
  }

  @Test func `stores and apps are all or those named`() {
    #expect(grant().allows(store: store, labelled: []))
    #expect(grant(stores: .only([store])).allows(store: store, labelled: []))
    #expect(!grant(stores: .only([store])).allows(store: other, labelled: []))
    #expect(!grant(stores: .only([])).allows(store: store, labelled: []))
    #expect(grant(app: app).allows(app: app))
    #expect(!grant(app: app).allows(app: .default))
    #expect(grant(app: nil).allows(app: app))
  }

  @Test func `a label grants the stores that have it now`() throws {
    let vip = grant(stores: .only([], labels: try labels("vip", "eu")))
    #expect(vip.allows(store: store, labelled: try labels("x", "vip")))
    #expect(!vip.allows(store: store, labelled: try labels("x")))
    #expect(!vip.allows(store: store, labelled: []))
    let mixed = grant(stores: .only([other], labels: try labels("vip")))
    #expect(mixed.allows(store: other, labelled: []))
    #expect(mixed.allows(store: store, labelled: try labels("vip")))
    #expect(!mixed.allows(store: store, labelled: try labels("eu")))
  }

  @Test func `methods and paths are all or those named`() throws {
    let limited = grant(
      methods: try MethodSet(names: ["GET"]),
      paths: try patterns("/v3/catalog/**", "/v2/orders"))
    #expect(limited.allows(.get) && limited.allows(.head) && !limited.allows(.post))
    #expect(limited.allows(path: "/v3/catalog/products") && limited.allows(path: "/v2/orders/"))
    #expect(!limited.allows(path: "/v2/orders/7") && !limited.allows(path: "/graphql"))
    #expect(grant().allows(.delete) && grant().allows(path: "/graphql"))
  }

  @Test func `an ability allows itself, and operator all`() {
    for ability in Ability.allCases {
      #expect(Abilities([ability]).contains(ability))
      #expect(Abilities([.operator]).contains(ability))
      for another in Ability.allCases where another != ability && ability != .operator {
        #expect(!Abilities([ability]).contains(another))
      }
    }
    #expect(!Abilities([]).contains(.proxy))
  }

  @Test func `abilities are read and written by name`() throws {
    let names = Ability.allCases.map(\.rawValue)
    #expect(try Abilities(names: names.reversed()).names == names)
    #expect(try Abilities(names: ["operator"]).names == ["operator"])
    #expect(throws: UnknownAbility(name: "Proxy")) { try Abilities(names: ["keys", "Proxy"]) }
    #expect(throws: UnknownAbility(name: "")) { try Abilities(names: [""]) }
  }

  @Test func `scopes cover rules of every source, unknown ones never`() throws {
    let products = try #require(
      EndpointTable.shared.rule(method: .get, path: "/v3/catalog/products"))
    let brands = try #require(EndpointTable.shared.rule(method: .get, path: "/v2/brands"))
    let hooks = try #require(EndpointTable.shared.rule(method: .get, path: "/v3/hooks"))
    let graphQL = try #require(EndpointTable.shared.rule(method: .post, path: "/graphql"))
    let none = grant(scopes: .only(.none))
    let reader = grant(scopes: .only(Scopes(["store_v2_products_read_only"])))
    #expect(brands.source == .inferred)
    for rule in [products, brands] {
      #expect(!none.allows(rule))
      #expect(reader.allows(rule))
      #expect(grant().allows(rule))
    }
    for grant in [none, reader, grant()] {
      #expect(grant.allows(hooks))
      #expect(!grant.allows(graphQL))
    }
  }

  @Test func `a grant without app is an operator's`() {
    #expect(grant().isWellFormed)
    #expect(!grant(app: nil).isWellFormed)
    #expect(grant(app: nil, [.operator]).isWellFormed)
    #expect(!grant(app: app, []).isWellFormed)
  }

  @Test func `each single thing more is not covered`() {
    let mine = grant(
      app: app, stores: .only([store]), scopes: .only(Scopes(["store_v2_products"])),
      [.proxy, .keys], expires: 100)
    func changed(
      app: AppName? = AppName("shop"), stores: Grant.Stores? = nil,
      scopes: Grant.ScopeLimit? = nil, _ abilities: [Ability] = [.proxy], expires: Int64? = 100
    ) -> Grant {
      grant(
        app: app, stores: stores ?? .only([store]),
        scopes: scopes ?? .only(Scopes(["store_v2_products_read_only"])), abilities,
        expires: expires)
    }
    #expect(mine.covers(mine))
    #expect(mine.covers(changed()))
    #expect(mine.covers(changed(stores: .only([]), scopes: .only(.none), [], expires: 99)))
    #expect(!mine.covers(changed(app: nil)))
    #expect(!mine.covers(changed(app: .default)))
    #expect(!mine.covers(changed(stores: .all)))
    #expect(!mine.covers(changed(stores: .only([store, other]))))
    #expect(!mine.covers(changed(scopes: .all)))
    #expect(!mine.covers(changed(scopes: .only(Scopes(["store_v2_orders_read_only"])))))
    #expect(!mine.covers(changed([.proxy, .metrics])))
    #expect(!mine.covers(changed([.operator])))
    #expect(!mine.covers(changed(expires: 101)))
    #expect(!mine.covers(changed(expires: nil)))
  }

  @Test func `a label, method or path more is not covered`() throws {
    let mine = grant(
      stores: .only([store], labels: try labels("vip", "eu")),
      methods: try MethodSet(names: ["GET", "PUT"]),
      paths: try patterns("/v3/catalog/**", "/v3/*/x"))
    func changed(
      stores: Grant.Stores? = nil, methods: [String] = ["HEAD"], paths: Grant.PathLimit? = nil
    ) throws -> Grant {
      grant(
        stores: try stores ?? .only([], labels: labels("vip")),
        methods: try MethodSet(names: methods),
        paths: try paths ?? patterns("/v3/catalog/*", "/v3/a/x"))
    }
    #expect(try mine.covers(changed()))
    #expect(try mine.covers(changed(stores: .only([store]))))
    #expect(try !mine.covers(changed(stores: .only([], labels: labels("vip", "trial")))))
    #expect(try !mine.covers(changed(stores: .only([other]))), "though it may have the label today")
    #expect(try !grant(stores: .only([store])).covers(changed()))
    #expect(try !mine.covers(changed(methods: ["POST"])))
    #expect(try !mine.covers(changed(methods: ["*"])))
    #expect(try !grant(methods: MethodSet(names: ["HEAD"])).covers(changed(methods: ["GET"])))
    #expect(try !mine.covers(changed(paths: .all)))
    #expect(try !mine.covers(changed(paths: patterns("/v3/catalog/a", "/v3/catalog"))))
    #expect(try !mine.covers(changed(paths: patterns("/v3/*/*"))))
    #expect(try !mine.covers(changed(paths: patterns("/graphql"))))
  }

  @Test func `a higher rate, or none, is not covered by a rate`() throws {
    func limited(_ calls: Int64?) -> Grant {
      Grant(
        app: .default, stores: .all, scopes: .all, abilities: Abilities([.proxy]),
        rate: calls.flatMap { CallRate(callsPerMinute: $0) })
    }
    #expect(limited(60).covers(limited(60)) && limited(60).covers(limited(1)))
    #expect(!limited(60).covers(limited(61)) && !limited(60).covers(limited(nil)))
    #expect(limited(nil).covers(limited(600_000)))
    #expect(limited(60).ending(nil).rate == limited(60).rate)
    for none: Int64 in [0, -1, 600_001, .min, .max] {
      #expect(CallRate(callsPerMinute: none) == nil)
    }
  }

  @Test func `an operator's covers every ability but not what else it lacks`() {
    let all = grant(app: nil, [.operator])
    #expect(all.covers(grant(app: app, Ability.allCases)))
    #expect(all.covers(all))
    #expect(!grant(app: app, [.operator]).covers(all))
    #expect(!grant(app: app, stores: .only([store]), [.operator]).covers(grant(app: app)))
  }

  @Test func `what a covered grant allows, the covering one allows`() throws {
    var random = SeededGenerator()
    var covered = 0
    for _ in 0..<count(ordinary: 8_000, full: 400_000) {
      let two = try randomGrant(&random)
      // Most pairs have nothing to do with each other; some begin as the same grant.
      let one = try randomGrant(&random, near: Bool.random(using: &random) ? two : nil)
      guard one.covers(two) else { continue }
      covered += 1
      let excess = try excess(of: two, over: one)
      #expect(excess == nil, "\(one) covers \(two), seed \(random.seed)")
    }
    #expect(covered > 400)
  }

  /// Something that the second grant allows and the first does not, whatever labels a store has.
  private func excess(of two: Grant, over one: Grant) throws -> String? {
    for hash in [store, other] {
      for labelled in [[], try labels("vip"), try labels("eu"), try labels("vip", "eu")]
      where two.allows(store: hash, labelled: labelled) {
        guard one.allows(store: hash, labelled: labelled) else { return "\(hash) \(labelled)" }
      }
    }
    for name in [app, .default] where two.allows(app: name) && !one.allows(app: name) {
      return name.text
    }
    for ability in Ability.allCases where two.allows(ability) && !one.allows(ability) {
      return ability.rawValue
    }
    for path in [
      "/v3/catalog/products", "/v3/catalog/products/7", "/v3/catalog/products/7/images",
      "/v3/hooks",
      "/v3/catalog", "/v2/orders", "/v2/orders.json", "/graphql",
    ] {
      if two.allows(path: path[...]) && !one.allows(path: path[...]) { return path }
      for method in [HTTPRequest.Method.get, .head, .post, .put, .patch, .delete] {
        if two.allows(method) && !one.allows(method) { return method.rawValue }
        guard let rule = EndpointTable.shared.rule(method: method, path: path) else { continue }
        if two.allows(rule) && !one.allows(rule) { return "scopes of \(path)" }
      }
    }
    for calls: Int64 in [1, 2, 60, 61, 600_000]
    where two.rate.map({ $0.callsPerMinute >= calls }) ?? true {
      guard one.rate.map({ $0.callsPerMinute >= calls }) ?? true else { return "\(calls) calls" }
    }
    for second: Int64 in [0, 50, 100, 150] {
      let moment = Timestamp(seconds: second)
      let ends = [one, two].map { $0.expiresAt.map { $0 <= moment } ?? false }
      if ends == [true, false] { return "\(second) s" }
    }
    return nil
  }

  /// Any grant, or one that differs from another in about one thing.
  private func randomGrant(
    _ random: inout SeededGenerator, near other: Grant? = nil
  ) throws -> Grant {
    func pick<Value>(_ values: [Value], _ same: Value?) -> Value? {
      if let same, Int.random(in: 0..<8, using: &random) > 0 { return same }
      return values.randomElement(using: &random)
    }
    let stores: [Grant.Stores] = [
      .all, .only([store]), .only([store, self.other]), .only([]),
      .only([], labels: try labels("vip")), .only([store], labels: try labels("vip", "eu")),
    ]
    let scopes: [Grant.ScopeLimit] = [
      .all, .only(.none), .only(Scopes(["store_v2_products"])),
      .only(Scopes(["store_v2_products_read_only", "store_v2_orders"])),
    ]
    let methods = try [["*"], ["GET"], ["HEAD"], ["GET", "PUT"], ["POST", "DELETE"], []].map {
      try MethodSet(names: $0)
    }
    let paths: [Grant.PathLimit] = [
      .all, .only([]), try patterns("/v3/**"), try patterns("/v3/catalog/**", "/v2/orders"),
      try patterns("/v3/catalog/products"), try patterns("/v3/*/products/*", "/graphql"),
      try patterns("/v3/catalog/products/*/**", "/v3/catalog/*"),
    ]
    let ends: [Timestamp?] = [nil] + [50, 100, 150].map { Timestamp(seconds: $0) }
    let some = Ability.allCases.filter { _ in Int.random(in: 0..<3, using: &random) == 0 }
    let rates: [CallRate?] = [nil, CallRate(callsPerMinute: 1), CallRate(callsPerMinute: 60)]
    return Grant(
      app: pick([nil, app, .default], other?.app) ?? nil,
      stores: pick(stores, other?.stores) ?? .all, scopes: pick(scopes, other?.scopes) ?? .all,
      methods: pick(methods, other?.methods) ?? .all, paths: pick(paths, other?.paths) ?? .all,
      abilities: pick([Abilities(some)], other?.abilities) ?? Abilities([]),
      rate: pick(rates, other?.rate) ?? nil,
      expiresAt: pick(ends, other?.expiresAt) ?? nil)
  }

  @Test func `names for the API and the database`() throws {
    let some = grant(stores: .only([other, store]), scopes: .only(Scopes(["b", "a"])))
    #expect(some.storeNames == ["abc", "def"])
    #expect(some.scopeNames == ["a", "b"])
    let labelled = grant(stores: .only([store], labels: try labels("vip", "eu")))
    #expect(labelled.storeNames == ["abc", "label:eu", "label:vip"])
    #expect(try Grant.Stores(names: ["label:vip", "abc", "label:eu"]) == labelled.stores)
    for wrong in ["*", "label:", "label:VIP", "Label:vip", "vip!", "label:*", ""] {
      #expect(throws: UnknownStoreName(name: wrong)) { try Grant.Stores(names: ["abc", wrong]) }
    }
    #expect(Grant.Stores(knownOf: ["abc", "team:7"]) == .only([store]))
    let limited = grant(
      methods: try MethodSet(names: ["GET"]), paths: try patterns("/v3/b", "/v3/a"))
    #expect(limited.methodNames == ["GET", "HEAD"] && limited.pathNames == ["/v3/a", "/v3/b"])
    #expect(grant().methodNames == nil && grant().pathNames == nil)
    #expect(grant().storeNames == nil)
    #expect(grant().scopeNames == ["*"])
    #expect(Grant.ScopeLimit(names: ["*"]) == .all)
    #expect(Grant.ScopeLimit(names: []) == .only(.none))
    #expect(Grant.ScopeLimit(names: ["a"]) == .only(Scopes(["a"])))
  }
}
