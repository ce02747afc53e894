package import Base

/// One thing a caller may be allowed to do; the names are those of the API and the database.
package enum Ability: String, CaseIterable, Sendable {
  /// Call stores through the gateway.
  case proxy
  case proxyGraphQL = "proxy:graphql"
  /// Call methods and paths that the endpoint table does not list.
  case proxyUnlisted = "proxy:unlisted"
  case storesRead = "stores:read"
  case storesWrite = "stores:write"
  case ticketsRedeem = "tickets:redeem"
  case eventsRead = "events:read"
  /// Make, list, revoke and rotate keys.
  case keys
  case metrics
  /// All of the others.
  case `operator`
}

/// A set of abilities; one that holds `operator` contains every other.
package struct Abilities: Hashable, Sendable {
  private let bits: UInt16

  package init(_ abilities: some Sequence<Ability>) {
    bits = abilities.reduce(0) { $0 | Abilities.bit($1) }
  }

  /// Reads names as the API and the database write them.
  /// - Throws: the first name that is none.
  package init(names: some Sequence<String>) throws(UnknownAbility) {
    var abilities: [Ability] = []
    for name in names {
      guard let ability = Ability(rawValue: name) else { throw UnknownAbility(name: name) }
      abilities.append(ability)
    }
    self.init(abilities)
  }

  package func contains(_ ability: Ability) -> Bool {
    bits & (Abilities.bit(ability) | Abilities.bit(.operator)) != 0
  }

  package func isSuperset(of other: Abilities) -> Bool {
    Ability.allCases.allSatisfy { !other.holds($0) || contains($0) }
  }

  package var isEmpty: Bool { bits == 0 }

  /// The names that were given, in the order of ``Ability``.
  package var names: [String] { Ability.allCases.filter(holds).map(\.rawValue) }

  private func holds(_ ability: Ability) -> Bool { bits & Abilities.bit(ability) != 0 }

  private static func bit(_ ability: Ability) -> UInt16 {
    switch ability {
    case .proxy: 1 << 0
    case .proxyGraphQL: 1 << 1
    case .proxyUnlisted: 1 << 2
    case .storesRead: 1 << 3
    case .storesWrite: 1 << 4
    case .ticketsRedeem: 1 << 5
    case .eventsRead: 1 << 6
    case .keys: 1 << 7
    case .metrics: 1 << 8
    case .operator: 1 << 9
    }
  }
}

/// A name that is no ability.
package struct UnknownAbility: Error, Hashable, Sendable {
  package let name: String

  package init(name: String) {
    self.name = name
  }
}

/// What a caller may do: stores × BigCommerce scopes × abilities, for one app or all, until it
/// expires.
///
/// Pure data; it stands here and not with the keys that carry it, because its scopes are
/// BigCommerce's.
package struct Grant: Hashable, Sendable {
  /// Which stores a caller may name.
  package enum Stores: Hashable, Sendable {
    case all
    case only(Set<StoreHash>)
  }

  /// Which endpoints a caller may use on them.
  package enum ScopeLimit: Hashable, Sendable {
    case all
    case only(Scopes)
  }

  /// The app whose stores it is for; `nil`: all apps, which only an operator's may be.
  package let app: AppName?
  package let stores: Stores
  package let scopes: ScopeLimit
  package let abilities: Abilities
  /// When it ends; `nil`: never.
  package let expiresAt: Timestamp?

  package init(
    app: AppName?, stores: Stores, scopes: ScopeLimit, abilities: Abilities,
    expiresAt: Timestamp? = nil
  ) {
    self.app = app
    self.stores = stores
    self.scopes = scopes
    self.abilities = abilities
    self.expiresAt = expiresAt
  }

  /// Whether such a grant may be given at all: it has an ability, and an app unless it is an
  /// operator's.
  package var isWellFormed: Bool {
    !abilities.isEmpty && (app != nil || abilities.contains(.operator))
  }

  package func isExpired(at now: Timestamp) -> Bool { expiresAt.map { $0 <= now } ?? false }

  package func allows(_ ability: Ability) -> Bool { abilities.contains(ability) }

  package func allows(app name: AppName) -> Bool { app == nil || app == name }

  package func allows(store: StoreHash) -> Bool {
    switch stores {
    case .all: true
    case .only(let hashes): hashes.contains(store)
    }
  }

  /// Whether the caller's scopes cover an endpoint, whatever the source of its rule.
  ///
  /// An unknown need is never covered by scopes: it takes the ability `proxy:unlisted` or
  /// `proxy:graphql`.
  package func allows(_ rule: EndpointRule) -> Bool {
    switch (scopes, rule.need) {
    case (_, .unknown): false
    case (.all, _): true
    case (.only(let scopes), _): rule.isMet(by: scopes)
    }
  }

  /// Whether everything that `other` allows is allowed here, for as long.
  ///
  /// A key that may make keys never grants more than it holds.
  package func covers(_ other: Grant) -> Bool {
    coversApp(of: other) && coversStores(of: other) && coversScopes(of: other)
      && abilities.isSuperset(of: other.abilities) && outlives(other)
  }

  private func coversApp(of other: Grant) -> Bool { app == nil || app == other.app }

  private func coversStores(of other: Grant) -> Bool {
    switch (stores, other.stores) {
    case (.all, _): true
    case (.only, .all): false
    case (.only(let mine), .only(let theirs)): mine.isSuperset(of: theirs)
    }
  }

  private func coversScopes(of other: Grant) -> Bool {
    switch (scopes, other.scopes) {
    case (.all, _): true
    case (.only, .all): false
    case (.only(let mine), .only(let theirs)): mine.covers(theirs)
    }
  }

  private func outlives(_ other: Grant) -> Bool {
    guard let expiresAt else { return true }
    return other.expiresAt.map { $0 <= expiresAt } ?? false
  }
}

extension Grant {
  /// The scopes as names, `["*"]` for all: the form of the API and the database.
  package var scopeNames: [String] {
    switch scopes {
    case .all: ["*"]
    case .only(let scopes): scopes.names
    }
  }

  /// The stores' hashes in order, `nil` for all.
  package var storeNames: [String]? {
    switch stores {
    case .all: nil
    case .only(let hashes): hashes.map(\.text).sorted()
    }
  }
}

extension Grant.ScopeLimit {
  /// Reads scope names of which `*` means all.
  package init(names: [String]) {
    self = names.contains("*") ? .all : .only(Scopes(names))
  }
}
