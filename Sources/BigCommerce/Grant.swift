package import Base
package import HTTPTypes

/// What a caller may do: stores × BigCommerce scopes × methods × paths × abilities, for one app or
/// all, at a rate, until it expires.
///
/// Pure data; it stands here and not with the keys that carry it, because its scopes and paths are
/// BigCommerce's.
package struct Grant: Hashable, Sendable {
  /// Which stores a caller may name.
  package enum Stores: Hashable, Sendable {
    case all
    /// Those named, and those that have one of the labels at the moment of the call.
    case only(Set<StoreHash>, labels: Set<StoreLabel> = [])
  }

  /// Which endpoints a caller may use on them.
  package enum ScopeLimit: Hashable, Sendable {
    case all
    case only(Scopes)
  }

  /// Which resource paths a caller may use, beside what scopes allow.
  package enum PathLimit: Hashable, Sendable {
    case all
    case only(Set<PathPattern>)
  }

  /// The app whose stores it is for; `nil`: all apps, which only an operator's may be.
  package let app: AppName?
  package let stores: Stores
  package let scopes: ScopeLimit
  package let methods: MethodSet
  package let paths: PathLimit
  package let abilities: Abilities
  /// How many calls to stores it may make; `nil`: any number.
  package let rate: CallRate?
  /// When it ends; `nil`: never.
  package let expiresAt: Timestamp?

  package init(
    app: AppName?, stores: Stores, scopes: ScopeLimit, methods: MethodSet = .all,
    paths: PathLimit = .all, abilities: Abilities, rate: CallRate? = nil,
    expiresAt: Timestamp? = nil
  ) {
    self.app = app
    self.stores = stores
    self.scopes = scopes
    self.methods = methods
    self.paths = paths
    self.abilities = abilities
    self.rate = rate
    self.expiresAt = expiresAt
  }

  /// The same with another end.
  package func ending(_ expiresAt: Timestamp?) -> Grant {
    Grant(
      app: app, stores: stores, scopes: scopes, methods: methods, paths: paths,
      abilities: abilities, rate: rate, expiresAt: expiresAt)
  }

  /// Whether such a grant may be given at all: it has an ability, and an app unless it is an
  /// operator's.
  package var isWellFormed: Bool {
    !abilities.isEmpty && (app != nil || abilities.contains(.operator))
  }

  package func allows(_ ability: Ability) -> Bool { abilities.contains(ability) }

  package func allows(app name: AppName) -> Bool { app == nil || app == name }

  /// Whether the caller may name a store that has these labels now; none when it is unknown.
  package func allows(store: StoreHash, labelled labels: Set<StoreLabel>) -> Bool {
    switch stores {
    case .all: true
    case .only(let hashes, let granted):
      hashes.contains(store) || !granted.isEmpty && !granted.isDisjoint(with: labels)
    }
  }

  package func allows(_ method: HTTPRequest.Method) -> Bool { methods.contains(method) }

  /// Whether the caller may use a path such as `/v3/catalog/products/7`, without its query.
  package func allows(path: Substring) -> Bool {
    switch paths {
    case .all: true
    case .only(let patterns): patterns.contains { $0.matches(path) }
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
}

extension Grant {
  /// Whether everything that `other` allows is allowed here, for as long, whatever labels stores
  /// have now or later.
  ///
  /// A key that may make keys never grants more than it holds. Where patterns of `other` are only
  /// covered by several of these together, the answer is no.
  package func covers(_ other: Grant) -> Bool {
    coversApp(of: other) && coversStores(of: other) && coversScopes(of: other)
      && methods.isSuperset(of: other.methods) && coversPaths(of: other)
      && abilities.isSuperset(of: other.abilities) && coversRate(of: other) && outlives(other)
  }

  private func coversApp(of other: Grant) -> Bool { app == nil || app == other.app }

  private func coversStores(of other: Grant) -> Bool {
    switch (stores, other.stores) {
    case (.all, _): true
    case (.only, .all): false
    case (.only(let mine, let myLabels), .only(let theirs, let theirLabels)):
      mine.isSuperset(of: theirs) && myLabels.isSuperset(of: theirLabels)
    }
  }

  private func coversScopes(of other: Grant) -> Bool {
    switch (scopes, other.scopes) {
    case (.all, _): true
    case (.only, .all): false
    case (.only(let mine), .only(let theirs)): mine.covers(theirs)
    }
  }

  private func coversPaths(of other: Grant) -> Bool {
    switch (paths, other.paths) {
    case (.all, _): true
    case (.only, .all): false
    case (.only(let mine), .only(let theirs)):
      theirs.allSatisfy { pattern in mine.contains { $0.covers(pattern) } }
    }
  }

  private func coversRate(of other: Grant) -> Bool {
    guard let rate else { return true }
    return other.rate.map { $0 <= rate } ?? false
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

  /// The stores' hashes and then their labels as `label:vip`, each in order, `nil` for all.
  package var storeNames: [String]? {
    switch stores {
    case .all: nil
    case .only(let hashes, let labels):
      hashes.sorted().map(\.text) + labels.sorted().map { Stores.labelPrefix + $0.text }
    }
  }

  /// The methods' names, `nil` for all.
  package var methodNames: [String]? { methods == .all ? nil : methods.names }

  /// The patterns in order, `nil` for all.
  package var pathNames: [String]? {
    switch paths {
    case .all: nil
    case .only(let patterns): patterns.map(\.text).sorted()
    }
  }
}

extension Grant.ScopeLimit {
  /// Reads scope names of which `*` means all.
  package init(names: [String]) {
    self = names.contains("*") ? .all : .only(Scopes(names))
  }
}

extension Grant.Stores {
  fileprivate static let labelPrefix = "label:"

  /// Reads store hashes and labels such as `label:vip`.
  /// - Throws: the first name that is neither.
  package init(names: [String]) throws(UnknownStoreName) {
    self.init(knownOf: names)
    let unknown = names.first { StoreHash($0) == nil && Self.label($0) == nil }
    if let unknown { throw UnknownStoreName(name: unknown) }
  }

  /// Reads what it can, and leaves out the rest.
  package init(knownOf names: [String]) {
    self = .only(Set(names.compactMap { StoreHash($0) }), labels: Set(names.compactMap(Self.label)))
  }

  private static func label(_ name: String) -> StoreLabel? {
    name.hasPrefix(labelPrefix) ? StoreLabel(name.dropFirst(labelPrefix.count)) : nil
  }
}

/// A name that is neither a store hash nor a label.
package struct UnknownStoreName: Error, Hashable, Sendable {
  package let name: String

  package init(name: String) {
    self.name = name
  }
}
