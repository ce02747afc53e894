package import Base
package import BigCommerce
package import Postgres

/// From when on changes are compared.
package enum RepairRules {
  /// The platform gives up on a delivery 48 hours after its first attempt, and on the webhook with
  /// it; what failed in that time was told to nobody.
  package static let ladder = Duration.seconds(49 * 3600)
  /// For clocks that differ, and for what was on its way.
  package static let margin = Duration.seconds(15 * 60)
  /// An operator's repair without a beginning: as long as the platform repeats deliveries.
  package static let usualRequest = Duration.seconds(48 * 3600)

  package static func start(of outage: WebhookOutage, since: Timestamp) -> Timestamp {
    since - (outage.byPlatform ? ladder : margin)
  }

  /// Webhooks of ours that others removed: what listened before to a scope is gone, and another one
  /// was made for it.
  package static func replaced(before: [WebhookFact], after: [WebhookFact]) -> [WebhookFact] {
    let kept = Set(after.map(\.id))
    return before.filter { hook in
      hook.isActive && !kept.contains(hook.id)
        && after.contains { $0.scope == hook.scope && !before.map(\.id).contains($0.id) }
        && !after.contains { $0.scope == hook.scope && before.map(\.id).contains($0.id) }
    }
  }
}

/// What an operator wants compared.
package struct RepairRequest: Hashable, Sendable {
  package var stores: WebhookFilter
  /// `nil`: as long as the platform repeats deliveries.
  package var since: Timestamp?
  /// `nil`: whatever the app's webhooks tell of.
  package var resources: [ComparedResource]?

  package init(stores: WebhookFilter, since: Timestamp? = nil, resources: [ComparedResource]? = nil)
  {
    self.stores = stores
    self.since = since
    self.resources = resources
  }
}

extension Repairs {
  /// One planned repair of some stores.
  struct Plan {
    let reason: RepairReason
    let since: Timestamp
    let compareFrom: Timestamp
    /// Over which the repairs begin.
    var spread: Duration = .zero
    /// Whether it may begin before the app was installed.
    var reachesBeforeInstall = false
  }

  /// Plans what an operator asks for, of stores with webhooks.
  ///
  /// - Returns: how many stores, and how many repairs.
  package func request(
    _ request: RepairRequest, act: Act
  ) async throws(PostgresError) -> (stores: Int, repairs: Int) {
    try await database.committing { transaction throws(PostgresError) in
      let now = try await transaction.query(Statement("SELECT now() AS now"))
      guard let clock = try now.rows.first?.decode("now", as: Timestamp.self) else {
        throw .decoding(column: "now", expected: "the time")
      }
      let since = request.since ?? clock - RepairRules.usualRequest
      let found = try await transaction.query(
        Statement(
          """
          SELECT s.app_id, s.store_hash, a.webhooks
          FROM webhook_states s JOIN apps a USING (app_id) JOIN installations i USING (app_id, store_hash)
          WHERE i.state <> 'uninstalled'
            AND ($1::text IS NULL OR s.app_id = $1)
            AND ($2::text[] IS NULL OR s.store_hash = ANY ($2) OR i.labels && $3)
            AND ($4::text[] IS NULL OR s.store_hash = ANY ($4))
            AND ($5::text IS NULL OR s.state = $5)
          ORDER BY s.app_id, s.store_hash
          """, request.stores.binds))
      let targets = try Repairs.targets(found, only: request.resources)
      let plan = Plan(
        reason: .requested, since: since, compareFrom: since - RepairRules.margin,
        reachesBeforeInstall: true)
      let repairs = try await Repairs.plan(plan, targets, in: transaction)
      let stores = Set(targets.map(\.installation)).count
      let only = request.stores.stores
      _ = try await transaction.query(
        Statement(
          """
          INSERT INTO audit (actor, action, app_id, store_hash, request_id, details)
          VALUES ($1, 'webhooks_repair', $2, $3, $4, $5)
          """,
          [
            act.actor, request.stores.app?.text, only?.count == 1 ? only?.first?.text : nil,
            act.requestID?.text,
            [
              "since_at": .string(since.description), "stores": .integer(stores),
              "repairs": .integer(repairs),
            ] as JSONValue,
          ]))
      return (stores, repairs)
    }
  }

  /// What one store's webhooks did not tell, planned in the transaction that found them working
  /// again.
  ///
  /// Nothing that they tell of can be compared: then nothing is kept open.
  static func planOff(
    _ installation: InstallationID, _ plan: Plan, scopes: [String], in transaction: Transaction
  ) async throws(PostgresError) {
    let key: [any PostgresBindable] = [installation.app.text, installation.store.text]
    let resources = ComparedResource.heard(by: scopes.compactMap { HookScope($0) })
    _ = try await transaction.query(
      Statement(
        "UPDATE webhook_states SET is_repair_planned = true WHERE app_id = $1 AND store_hash = $2",
        key))
    _ = try await Repairs.plan(
      plan, resources.map { (installation, $0) }, in: transaction)
    try await conclude(installation, in: transaction)
  }

  /// Plans a piece of an outage of many stores.
  ///
  /// - Returns: whether there may be more.
  package func planOutages() async throws(PostgresError) -> Bool {
    try await database.committing { transaction throws(PostgresError) in
      let found = try await transaction.query(
        Statement(
          """
          SELECT * FROM webhook_outages WHERE due_at <= now() ORDER BY outage_id LIMIT 1
          FOR UPDATE SKIP LOCKED
          """))
      guard let outage = found.rows.first else { return false }
      guard let reason = RepairReason(rawValue: try outage.decode("reason")) else {
        throw .decoding(column: "reason", expected: "a reason for repairs")
      }
      let id = try outage.decode("outage_id", as: Int64.self)
      let stores = try await transaction.query(
        Statement(
          """
          SELECT s.app_id, s.store_hash, a.webhooks FROM webhook_states s JOIN apps a USING (app_id)
          WHERE s.hooks <> '[]' AND (s.app_id, s.store_hash) > ($1, $2) AND ($3::text IS NULL OR s.app_id = $3)
          ORDER BY s.app_id, s.store_hash LIMIT $4
          """,
          [
            try outage.decode("planned_app", as: String.self),
            try outage.decode("planned_store", as: String.self),
            try outage.decode("app_id", as: String?.self), Int64(Repairs.piece),
          ]))
      let plan = Plan(
        reason: reason, since: try outage.decode("since"),
        compareFrom: try outage.decode("compare_from"),
        spread: .seconds(try outage.decode("spread_seconds", as: Double.self)))
      _ = try await Repairs.plan(plan, try Repairs.targets(stores, only: nil), in: transaction)
      guard stores.rows.count == Repairs.piece, let last = stores.rows.last else {
        _ = try await transaction.query(
          Statement("DELETE FROM webhook_outages WHERE outage_id = $1", [id]))
        return true
      }
      let end = try last.installation()
      _ = try await transaction.query(
        Statement(
          "UPDATE webhook_outages SET planned_app = $2, planned_store = $3 WHERE outage_id = $1",
          [id, end.app.text, end.store.text]))
      return true
    }
  }

  /// Stores that one transaction plans for.
  private static let piece = 500

  private static func targets(
    _ stores: QueryResult, only: [ComparedResource]?
  ) throws(PostgresError) -> [(installation: InstallationID, resource: ComparedResource)] {
    var targets: [(installation: InstallationID, resource: ComparedResource)] = []
    var heard: [AppName: [ComparedResource]] = [:]
    for row in stores.rows {
      let installation = try row.installation()
      let known = heard[installation.app]
      let scopes = try known == nil ? row.decode("webhooks", as: [String].self) : []
      let resources =
        known ?? ComparedResource.heard(by: scopes.compactMap { HookScope($0) })
      heard[installation.app] = resources
      for resource in resources where only?.contains(resource) ?? true {
        targets.append((installation, resource))
      }
    }
    return targets
  }

  /// Makes them due.
  ///
  /// A repair that is under way begins again, for both reasons, because what it has passed may have
  /// changed since. What it told already is not told twice.
  ///
  /// - Returns: how many.
  private static func plan(
    _ plan: Plan, _ targets: [(installation: InstallationID, resource: ComparedResource)],
    in transaction: Transaction
  ) async throws(PostgresError) -> Int {
    guard !targets.isEmpty else { return 0 }
    return try await transaction.query(
      Statement(
        """
        INSERT INTO webhook_repairs AS known (app_id, store_hash, resource, reason, since, compare_from, next_step_at)
        SELECT wanted.app_id, wanted.store_hash, resource, $4, $5,
          CASE WHEN $8 THEN $6::timestamptz ELSE greatest($6, begun_at) END,
          now() + random() * $7::bigint * interval '1 microsecond'
        FROM unnest($1::text[], $2::text[], $3::text[]) AS wanted (app_id, store_hash, resource)
        JOIN webhook_states s ON s.app_id = wanted.app_id AND s.store_hash = wanted.store_hash
        ORDER BY 1, 2, 3
        ON CONFLICT (app_id, store_hash, resource) DO UPDATE SET
          reason = CASE WHEN known.outcome IS NULL AND known.compare_from <= excluded.compare_from
            THEN known.reason ELSE excluded.reason END,
          since = CASE WHEN known.outcome IS NULL THEN least(known.since, excluded.since) ELSE excluded.since END,
          compare_from = CASE WHEN known.outcome IS NULL THEN least(known.compare_from, excluded.compare_from)
            ELSE excluded.compare_from END,
          next_step_at = least(known.next_step_at, excluded.next_step_at),
          emitted = CASE WHEN known.outcome IS NULL THEN known.emitted ELSE 0 END,
          planned_at = now(), place = '', lease_id = NULL, lease_until = NULL, failures = 0, failure = NULL,
          pages = 0, compared = 0, outcome = NULL, finished_at = NULL, is_told = false
        """,
        [
          targets.map(\.installation.app.text), targets.map(\.installation.store.text),
          targets.map(\.resource.rawValue), plan.reason.rawValue, plan.since, plan.compareFrom,
          plan.spread.inMicroseconds, plan.reachesBeforeInstall,
        ])
    ).affected
  }

  /// When nothing of a store is left to be compared: tells so, and closes what was open.
  static func conclude(
    _ installation: InstallationID, in transaction: Transaction
  ) async throws(PostgresError) {
    let key: [any PostgresBindable] = [installation.app.text, installation.store.text]
    let found = try await transaction.query(
      Statement(
        """
        SELECT resource, reason, since, outcome, failure, compared, emitted FROM webhook_repairs
        WHERE app_id = $1 AND store_hash = $2 AND NOT is_told ORDER BY resource FOR UPDATE
        """, key))
    var results: [JSONValue] = []
    var since: Timestamp?
    for row in found.rows {
      guard let outcome = try row.decode("outcome", as: String?.self) else { return }
      let began = try row.decode("since", as: Timestamp.self)
      since = since.map { min($0, began) } ?? began
      results.append([
        "resource": .string(try row.decode("resource")),
        "reason": .string(try row.decode("reason")), "outcome": .string(outcome),
        "failure": (try row.decode("failure", as: String?.self)).map { .string($0) } ?? .null,
        "compared": .integer(try row.decode("compared", as: Int64.self)),
        "events": .integer(try row.decode("emitted", as: Int64.self)),
      ])
    }
    let closed = try await transaction.query(
      Statement(
        """
        WITH open AS (
          SELECT app_id, store_hash, deactivated_since, off_scopes FROM webhook_states
          WHERE app_id = $1 AND store_hash = $2 AND is_repair_planned
        )
        UPDATE webhook_states s SET deactivated_since = NULL, off_scopes = '{}', repair_reason = NULL,
          repair_from = NULL, is_repair_planned = false
        FROM open WHERE s.app_id = open.app_id AND s.store_hash = open.store_hash
        RETURNING open.deactivated_since, open.off_scopes
        """, key))
    let off = try closed.rows.first?.decode("off_scopes", as: [String].self) ?? []
    let uncompared = off.filter { scope in
      HookScope(scope).map { hook in ComparedResource.allCases.allSatisfy { !$0.isHeard(by: hook) }
      }
        ?? true
    }
    guard !results.isEmpty || !uncompared.isEmpty else { return }
    if let began = try closed.rows.first?.decode("deactivated_since", as: Timestamp?.self) {
      since = since.map { min($0, began) } ?? began
    }
    _ = try await transaction.query(
      Statement(
        "UPDATE webhook_repairs SET is_told = true WHERE app_id = $1 AND store_hash = $2", key))
    _ = try await transaction.query(
      .event(
        "app/webhooks_repaired", installation,
        [
          "since_at": since.map { .string($0.description) } ?? .null, "repairs": .array(results),
          "not_compared": .array(uncompared.map { .string($0) }),
        ]))
  }
}
