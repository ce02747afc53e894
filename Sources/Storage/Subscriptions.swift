package import Base
package import BigCommerce
package import Postgres
package import Vault

/// Why nothing was done about a subscription.
package enum SubscriptionError: Error, Equatable {
  /// There is none of that ID, or none that the asker may know of.
  case unknown
  /// It names an app that this deployment does not have.
  case unknownApp
  /// So many secrets sign already that no further one may come before one of them ends.
  case tooManySecrets
  /// The keyring cannot seal or open a secret.
  case vault(VaultError)
  case database(PostgresError)
}

/// Whose subscriptions an act may touch: those of the app and of the stores of a grant.
package struct SubscriptionReach: Hashable, Sendable {
  package let app: AppName?
  package let stores: Grant.Stores

  package init(app: AppName?, stores: Grant.Stores) {
    self.app = app
    self.stores = stores
  }

  /// Whether a subscription with that filter lies within.
  package func covers(_ filter: SubscriptionFilter) -> Bool {
    func grant(_ app: AppName?, _ stores: Grant.Stores) -> Grant {
      Grant(app: app, stores: stores, scopes: .all, abilities: Abilities([]))
    }
    return grant(app, stores).covers(grant(filter.app, filter.stores))
  }
}

/// Makes, shows, changes and ends subscriptions, each act with its audit row in one transaction.
package struct Subscriptions: Sendable {
  /// At most so many secrets of one subscription sign at a time.
  package static let mostSecrets = 5

  let database: Database
  let keyring: Keyring
  let random: RandomSource

  package init(database: Database, keyring: Keyring, random: RandomSource = .system) {
    self.database = database
    self.keyring = keyring
    self.random = random
  }

  /// Makes one that gets what happens from now on.
  ///
  /// - Returns: its ID and its secret, which is shown once.
  package func create(
    name: String, url: String, filter: SubscriptionFilter, concurrency: Int, by act: Act
  ) async throws(SubscriptionError) -> (id: String, secret: Secret<String>) {
    let id = "sub_" + Hex.encode(random.bytes(16))
    let secret = try await newSecret(filter.app)
    let details: JSONValue = [
      "subscription_id": .string(id), "url": .string(url),
      "types": .array(filter.types.map { .string($0) }),
      "stores": .array((filter.storeNames ?? ["*"]).map { .string($0) }),
    ]
    _ = try await run { () throws(PostgresError) in
      try await database.transaction([
        Statement(
          """
          INSERT INTO subscriptions
            (subscription_id, app_id, stores, types, name, url, concurrency, created_by, fanned_out_position)
          SELECT $1, $2, $3, $4, $5, $6, $7::integer, $8, last_position FROM feed
          """,
          [
            id, filter.app?.text, filter.storeNames, filter.types, name, url, concurrency,
            act.actor,
          ]),
        secret.insertion(of: id, overlap: nil),
        Subscriptions.audit(act, "subscription_create", filter.app, details),
      ])
    }
    return (id, secret.text)
  }

  /// In the order of their IDs, those within reach.
  package func list(
    within reach: SubscriptionReach, after id: String? = nil, limit: Int
  ) async throws(SubscriptionError) -> [SubscriptionRecord] {
    var found: [SubscriptionRecord] = []
    var after = id
    // Stores of a reach are compared here, so a page of rows may hold few that count.
    while found.count < limit {
      let rows = try await records(after: after, id: nil, limit: 1000)
      found += rows.filter { reach.covers($0.filter) }
      guard rows.count == 1000, let last = rows.last else { break }
      after = last.id
    }
    return Array(found.prefix(limit))
  }

  package func find(
    _ id: String, within reach: SubscriptionReach
  ) async throws(SubscriptionError) -> SubscriptionRecord {
    guard let record = try await records(after: nil, id: id, limit: 1).first,
      reach.covers(record.filter)
    else { throw .unknown }
    return record
  }

  private func records(
    after: String?, id: String?, limit: Int
  ) async throws(SubscriptionError) -> [SubscriptionRecord] {
    try await run { () throws(PostgresError) in
      let result = try await database.query(
        Statement(
          """
          SELECT subscription_id, name, url, app_id, stores, types, concurrency, state, state_changed_at,
            created_by, created_at, fanned_out_position, failures, failing_since, last_failed_at,
            last_succeeded_at, paused_until,
            (SELECT count(*) FROM push_deliveries AS push
              WHERE push.subscription_id = known.subscription_id AND push.state = 'pending') AS pending,
            (SELECT count(*) FROM push_deliveries AS push
              WHERE push.subscription_id = known.subscription_id AND push.state = 'dead') AS dead
          FROM subscriptions AS known
          WHERE ($1::text IS NULL OR subscription_id > $1) AND ($2::text IS NULL OR subscription_id = $2)
          ORDER BY subscription_id LIMIT $3
          """, [after, id, Int64(limit)]))
      return try result.rows.map { row throws(PostgresError) in try SubscriptionRecord(row) }
    }
  }

  /// Changes what is given; deliveries that are on their way go where it then leads.
  package func change(
    _ id: String, _ change: SubscriptionChange, by act: Act
  ) async throws(SubscriptionError) {
    let names = change.stores.map { Grant.names(of: $0) }
    try await audited(
      Statement(
        """
        WITH changed AS (
          UPDATE subscriptions SET name = coalesce($4, name), url = coalesce($5, url),
            stores = CASE WHEN $6 THEN $7 ELSE stores END, types = coalesce($8, types),
            concurrency = coalesce($9::integer, concurrency)
          WHERE subscription_id = $1 RETURNING app_id, url
        )
        INSERT INTO audit (actor, action, app_id, request_id, details)
        SELECT $2, 'subscription_change', app_id, $3,
          jsonb_build_object('subscription_id', $1, 'url', url) FROM changed
        """,
        [
          id, act.actor, act.requestID?.text, change.name, change.url, names != nil, names ?? nil,
          change.types, change.concurrency,
        ]))
  }

  /// Ends one and forgets its deliveries, dead ones included.
  package func delete(_ id: String, by act: Act) async throws(SubscriptionError) {
    try await audited(
      Statement(
        """
        WITH ended AS (
          DELETE FROM subscriptions WHERE subscription_id = $1 RETURNING app_id, url
        )
        INSERT INTO audit (actor, action, app_id, request_id, details)
        SELECT $2, 'subscription_delete', app_id, $3,
          jsonb_build_object('subscription_id', $1, 'url', url) FROM ended
        """, [id, act.actor, act.requestID?.text]))
  }

  /// Enabling forgets failures: what is due goes out at once, and fan-out goes on where it stopped.
  package func set(
    _ id: String, enabled: Bool, by act: Act
  ) async throws(SubscriptionError) {
    try await audited(
      Statement(
        """
        WITH changed AS (
          UPDATE subscriptions SET state = $4, failures = 0, failing_since = NULL, paused_until = NULL,
            state_changed_at = CASE WHEN state = $4 THEN state_changed_at ELSE now() END
          WHERE subscription_id = $1 RETURNING app_id
        )
        INSERT INTO audit (actor, action, app_id, request_id, details)
        SELECT $2, CASE $4 WHEN 'active' THEN 'subscription_enable' ELSE 'subscription_disable' END, app_id, $3,
          jsonb_build_object('subscription_id', $1) FROM changed
        """,
        [
          id, act.actor, act.requestID?.text,
          (enabled ? SubscriptionState.active : .disabled).rawValue,
        ]))
  }

  /// A statement that writes one line of the audit, or none when there is no such subscription.
  private func audited(_ statement: Statement) async throws(SubscriptionError) {
    let result = try await run { () throws(PostgresError) in try await database.query(statement) }
    guard result.affected == 1 else { throw .unknown }
  }

  func run<Value: Sendable>(
    _ body: () async throws(PostgresError) -> Value
  ) async throws(SubscriptionError) -> Value {
    do throws(PostgresError) {
      return try await body()
    } catch .foreignKeyViolation {
      throw .unknownApp
    } catch {
      throw .database(error)
    }
  }

  static func audit(
    _ act: Act, _ action: String, _ app: AppName?, _ details: JSONValue
  ) -> Statement {
    Statement(
      "INSERT INTO audit (actor, action, app_id, request_id, details) VALUES ($1, $2, $3, $4, $5)",
      [act.actor, action, app?.text, act.requestID?.text, details])
  }
}
