package import Base
package import BigCommerce
import Postgres

/// Whether a subscription gets events.
package enum SubscriptionState: String, CaseIterable, Sendable {
  case active
  /// By an operator, or after days of nothing but failures.
  case disabled
  /// The subscriber answered 410.
  case gone
}

/// Which events a subscription wants; never more than its maker's grant holds.
package struct SubscriptionFilter: Hashable, Sendable {
  /// `nil`: of all apps.
  package var app: AppName?
  package var stores: Grant.Stores
  /// Types, and patterns that end in `/*`; empty: all.
  package var types: [String]

  package init(app: AppName?, stores: Grant.Stores, types: [String]) {
    self.app = app
    self.stores = stores
    self.types = types
  }

  /// The stores as the database keeps them, `nil` for all.
  var storeNames: [String]? { Grant.names(of: stores) }
}

extension Grant {
  /// Hashes and then labels as `label:vip`, each in order, `nil` for all.
  static func names(of stores: Stores) -> [String]? {
    Grant(app: nil, stores: stores, scopes: .all, abilities: Abilities([])).storeNames
  }
}

/// A subscription as operators see it; its secrets are elsewhere.
package struct SubscriptionRecord: Hashable, Sendable {
  /// `sub_` and 32 hex digits.
  package let id: String
  package let name: String
  package let url: String
  package let filter: SubscriptionFilter
  package let concurrency: Int
  package let state: SubscriptionState
  package let stateChangedAt: Timestamp
  /// The ID of the service key that made it.
  package let createdBy: String
  package let createdAt: Timestamp
  /// Everything of the feed up to here has its deliveries.
  package let position: Int64
  /// Attempts that failed since the last one that did not.
  package let failures: Int
  package let failingSince: Timestamp?
  package let lastFailedAt: Timestamp?
  package let lastSucceededAt: Timestamp?
  package let pausedUntil: Timestamp?
  package let pending: Int
  package let dead: Int

  init(_ row: Row) throws(PostgresError) {
    id = try row.decode("subscription_id")
    name = try row.decode("name")
    url = try row.decode("url")
    let app = try row.decode("app_id", as: String?.self)
    filter = SubscriptionFilter(
      app: try app.map { text throws(PostgresError) in
        guard let name = AppName(text) else {
          throw .decoding(column: "app_id", expected: "an app's name")
        }
        return name
      },
      stores: try row.decode("stores", as: [String]?.self).map { .init(knownOf: $0) } ?? .all,
      types: try row.decode("types"))
    concurrency = Int(try row.decode("concurrency", as: Int32.self))
    guard let state = SubscriptionState(rawValue: try row.decode("state", as: String.self)) else {
      throw .decoding(column: "state", expected: "a subscription's state")
    }
    self.state = state
    stateChangedAt = try row.decode("state_changed_at")
    createdBy = try row.decode("created_by")
    createdAt = try row.decode("created_at")
    position = try row.decode("fanned_out_position")
    failures = try row.decode("failures")
    failingSince = try row.decode("failing_since")
    lastFailedAt = try row.decode("last_failed_at")
    lastSucceededAt = try row.decode("last_succeeded_at")
    pausedUntil = try row.decode("paused_until")
    pending = try row.decode("pending")
    dead = try row.decode("dead")
  }
}

/// What of a subscription an operator may change; `nil` stays as it is.
package struct SubscriptionChange: Hashable, Sendable {
  package var name: String?
  package var url: String?
  package var stores: Grant.Stores?
  package var types: [String]?
  package var concurrency: Int?

  package init() {}
}

extension SubscriptionRecord {
  /// Its stores as names, `nil` for all.
  package var storeNames: [String]? { filter.storeNames }
}
