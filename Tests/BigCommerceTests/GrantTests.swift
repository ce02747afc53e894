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
    _ abilities: [Ability] = [.proxy], expires: Int64? = nil
  ) -> Grant {
    Grant(
      app: app, stores: stores, scopes: scopes, abilities: Abilities(abilities),
      expiresAt: expires.map { Timestamp(seconds: $0) })
  }

  @Test func `stores and apps are all or those named`() {
    #expect(grant().allows(store: store))
    #expect(grant(stores: .only([store])).allows(store: store))
    #expect(!grant(stores: .only([store])).allows(store: other))
    #expect(!grant(stores: .only([])).allows(store: store))
    #expect(grant(app: app).allows(app: app))
    #expect(!grant(app: app).allows(app: .default))
    #expect(grant(app: nil).allows(app: app))
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

  @Test func `an expiry ends it at that moment`() {
    #expect(!grant().isExpired(at: Timestamp(seconds: .max / 1_000_000)))
    #expect(!grant(expires: 100).isExpired(at: Timestamp(microseconds: 99_999_999)))
    #expect(grant(expires: 100).isExpired(at: Timestamp(seconds: 100)))
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

  @Test func `an operator's covers every ability but not what else it lacks`() {
    let all = grant(app: nil, [.operator])
    #expect(all.covers(grant(app: app, Ability.allCases)))
    #expect(all.covers(all))
    #expect(!grant(app: app, [.operator]).covers(all))
    #expect(!grant(app: app, stores: .only([store]), [.operator]).covers(grant(app: app)))
  }

  @Test func `what a covered grant allows, the covering one allows`() {
    var random = SeededGenerator()
    var covered = 0
    for _ in 0..<count(ordinary: 5000, full: 100_000) {
      let one = randomGrant(&random)
      let two = randomGrant(&random)
      guard one.covers(two) else { continue }
      covered += 1
      for hash in [store, other] where two.allows(store: hash) { #expect(one.allows(store: hash)) }
      for name in [app, .default] where two.allows(app: name) { #expect(one.allows(app: name)) }
      for ability in Ability.allCases where two.allows(ability) { #expect(one.allows(ability)) }
      for path in ["/v3/catalog/products", "/v3/hooks", "/v2/orders", "/graphql"] {
        for rule in [EndpointTable.shared.rule(method: .post, path: path)].compactMap(\.self)
        where two.allows(rule) { #expect(one.allows(rule), "\(path), seed \(random.seed)") }
      }
      for second: Int64 in [0, 50, 100, 150] where !two.isExpired(at: Timestamp(seconds: second)) {
        #expect(!one.isExpired(at: Timestamp(seconds: second)), "seed \(random.seed)")
      }
    }
    #expect(covered > 50)
  }

  private func randomGrant(_ random: inout SeededGenerator) -> Grant {
    let stores: [Grant.Stores] = [.all, .only([store]), .only([store, other]), .only([])]
    let scopes: [Grant.ScopeLimit] = [
      .all, .only(.none), .only(Scopes(["store_v2_products"])),
      .only(Scopes(["store_v2_products_read_only", "store_v2_orders"])),
    ]
    return grant(
      app: [nil, app, .default].randomElement(using: &random) ?? nil,
      stores: stores.randomElement(using: &random) ?? .all,
      scopes: scopes.randomElement(using: &random) ?? .all,
      Ability.allCases.filter { _ in Int.random(in: 0..<3, using: &random) == 0 },
      expires: [nil, 50, 100, 150].randomElement(using: &random) ?? nil)
  }

  @Test func `names for the API and the database`() {
    let some = grant(stores: .only([other, store]), scopes: .only(Scopes(["b", "a"])))
    #expect(some.storeNames == ["abc", "def"])
    #expect(some.scopeNames == ["a", "b"])
    #expect(grant().storeNames == nil)
    #expect(grant().scopeNames == ["*"])
    #expect(Grant.ScopeLimit(names: ["*"]) == .all)
    #expect(Grant.ScopeLimit(names: []) == .only(.none))
    #expect(Grant.ScopeLimit(names: ["a"]) == .only(Scopes(["a"])))
  }
}
