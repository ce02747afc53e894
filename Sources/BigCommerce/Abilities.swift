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
