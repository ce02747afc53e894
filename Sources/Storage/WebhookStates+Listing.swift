package import Base
package import BigCommerce
package import Postgres

/// How far a store's webhooks are what they should be.
package enum WebhookState: String, CaseIterable, Hashable, Sendable {
  /// A check is wanted and not done yet.
  case pending
  /// The last check left all as it should be.
  case inStep = "in_step"
  /// The last check could not.
  case failed
  /// Nothing is done, because the installation is not active.
  case parked
}

/// What is known of one store's webhooks.
package struct WebhookRecord: Hashable, Sendable {
  package let installation: InstallationID
  package let state: WebhookState
  /// As the newest settings wish them.
  package let wanted: [String]
  /// Ours: `id`, `scope`, `is_active`.
  package let hooks: JSONValue
  package let hooksWanted: Int
  package let hooksActive: Int
  package let unavailable: [String]
  package let lastCheckedAt: Timestamp?
  package let nextCheckAt: Timestamp?
  package let failure: String?
  package let deactivatedSince: Timestamp?
  package let blockedUntil: Timestamp?

  init(_ row: Row) throws(PostgresError) {
    installation = try row.installation()
    guard let state = WebhookState(rawValue: try row.decode("state")) else {
      throw .decoding(column: "state", expected: "a state of webhooks")
    }
    self.state = state
    wanted = try row.decode("webhooks")
    hooks = try row.decode("hooks")
    hooksWanted = try row.decode("hooks_wanted")
    hooksActive = try row.decode("hooks_active")
    unavailable = try row.decode("unavailable")
    lastCheckedAt = try row.decode("last_checked_at")
    nextCheckAt = try row.decode("next_check_at")
    failure = try row.decode("failure")
    deactivatedSince = try row.decode("deactivated_since")
    blockedUntil = try row.decode("blocked_until")
  }
}

/// Which stores' webhooks are meant.
package struct WebhookFilter: Hashable, Sendable {
  /// `nil`: of all apps.
  package var app: AppName?
  /// Only these, by name or by their labels.
  package var granted = Grant.Stores.all
  /// Only these of them; `nil`: all.
  package var stores: [StoreHash]?
  package var state: WebhookState?

  package init() {}

  /// App, granted hashes, granted labels, stores, state.
  var binds: [any PostgresBindable] {
    [
      app?.text, granted.hashes, granted.labels, stores.map { $0.map(\.text) }, state?.rawValue,
    ]
  }
}

extension WebhookStates {
  /// At most `limit` stores behind `after`, in the order of app and store.
  package func list(
    _ filter: WebhookFilter, after: InstallationID?, limit: Int
  ) async throws(PostgresError) -> [WebhookRecord] {
    let result = try await database.query(
      Statement(
        """
        SELECT s.app_id, s.store_hash, s.state, a.webhooks, s.hooks, s.hooks_wanted, s.hooks_active, s.unavailable,
          s.last_checked_at, s.next_check_at, s.failure, s.deactivated_since,
          CASE WHEN a.webhooks_blocked_until > now() THEN a.webhooks_blocked_until END AS blocked_until
        FROM webhook_states s JOIN apps a USING (app_id) JOIN installations i USING (app_id, store_hash)
        WHERE ($1::text IS NULL OR s.app_id = $1)
          AND ($2::text[] IS NULL OR s.store_hash = ANY ($2) OR i.labels && $3)
          AND ($4::text[] IS NULL OR s.store_hash = ANY ($4))
          AND ($5::text IS NULL OR s.state = $5)
          AND (s.app_id, s.store_hash) > ($6, $7)
        ORDER BY s.app_id, s.store_hash LIMIT $8
        """,
        filter.binds + [after?.app.text ?? "", after?.store.text ?? "", Int64(limit)]))
    return try result.rows.map { row throws(PostgresError) in try WebhookRecord(row) }
  }

  /// How many stores are in each state; all states are there.
  package func counts(
    _ filter: WebhookFilter
  ) async throws(PostgresError) -> [WebhookState: Int] {
    let result = try await database.query(
      Statement(
        """
        SELECT s.state, count(*) AS count
        FROM webhook_states s JOIN installations i USING (app_id, store_hash)
        WHERE ($1::text IS NULL OR s.app_id = $1)
          AND ($2::text[] IS NULL OR s.store_hash = ANY ($2) OR i.labels && $3)
          AND ($4::text[] IS NULL OR s.store_hash = ANY ($4))
          AND ($5::text IS NULL OR s.state = $5)
        GROUP BY s.state
        """, filter.binds))
    var counts = Dictionary(uniqueKeysWithValues: WebhookState.allCases.map { ($0, 0) })
    for row in result.rows {
      guard let state = WebhookState(rawValue: try row.decode("state")) else { continue }
      counts[state] = try row.decode("count")
    }
    return counts
  }

  /// Makes stores due now, to be looked at whatever is known of them; parked ones are left out.
  ///
  /// - Returns: how many.
  package func markDue(_ filter: WebhookFilter) async throws(PostgresError) -> Int {
    try await database.query(
      Statement(
        """
        WITH due AS MATERIALIZED (
          SELECT s.app_id, s.store_hash
          FROM webhook_states s JOIN installations i USING (app_id, store_hash)
          WHERE s.next_check_at IS NOT NULL
            AND ($1::text IS NULL OR s.app_id = $1)
            AND ($2::text[] IS NULL OR s.store_hash = ANY ($2) OR i.labels && $3)
            AND ($4::text[] IS NULL OR s.store_hash = ANY ($4))
            AND ($5::text IS NULL OR s.state = $5)
          ORDER BY s.app_id, s.store_hash FOR UPDATE OF s
        )
        UPDATE webhook_states known SET next_check_at = now(), is_thorough = true,
          is_urgent = is_urgent OR $4::text[] IS NOT NULL, wanted_number = wanted_number + 1
        FROM due WHERE known.app_id = due.app_id AND known.store_hash = due.store_hash
        """, filter.binds)
    ).affected
  }
}
