package import Base
package import Postgres

/// How one app's webhooks should be, as the settings of this replica have it.
package struct WebhookWish: Hashable, Sendable {
  package let app: AppName
  /// In order.
  package let scopes: [String]
  /// Of everything that the webhooks are made from; empty when none are wanted.
  package let digest: String

  package init(app: AppName, scopes: [String], digest: String) {
    self.app = app
    self.scopes = scopes
    self.digest = digest
  }
}

/// A store whose webhooks this replica is to look at, under a lease.
package struct WebhookClaim: Hashable, Sendable {
  package let installation: InstallationID
  /// The token to look with, or a later one.
  package let generation: Generation
  /// Which wish for a check it answers; a later one makes another check.
  package let wantedNumber: Int64
  /// Whether to look even where nothing of ours can be.
  package let isThorough: Bool
  /// Checks in a row that failed before.
  package let failures: Int
}

/// A webhook of ours as a check left it.
package struct WebhookFact: Hashable, Sendable {
  package let id: Int64
  package let scope: String
  package let isActive: Bool

  package init(id: Int64, scope: String, isActive: Bool) {
    self.id = id
    self.scope = scope
    self.isActive = isActive
  }
}

/// A webhook that was found switched off.
package struct WebhookOutage: Hashable, Sendable {
  package let id: Int64
  package let scope: String
  /// Whether the platform says that it did that itself.
  package let byPlatform: Bool
  /// Since when, as far as is known.
  package let since: Timestamp?
  /// Whether it is on again.
  package let isOver: Bool

  package init(id: Int64, scope: String, byPlatform: Bool, since: Timestamp?, isOver: Bool) {
    self.id = id
    self.scope = scope
    self.byPlatform = byPlatform
    self.since = since
    self.isOver = isOver
  }
}

/// What a check came to.
package struct WebhookCheckResult: Hashable, Sendable {
  /// A fixed word; `nil` when all is as it should be.
  package var failure: String?
  /// Until the next check, unless another is wanted before.
  package var next: Duration
  package var wanted: Int
  /// Ours; `nil` when the store could not be asked.
  package var hooks: [WebhookFact]?
  package var unavailable: [String] = []
  package var outages: [WebhookOutage] = []

  package init(failure: String? = nil, next: Duration, wanted: Int, hooks: [WebhookFact]? = nil) {
    self.failure = failure
    self.next = next
    self.wanted = wanted
    self.hooks = hooks
  }
}

/// When each store's webhooks are looked at, by whom, and what came of it.
///
/// All times are the database's. A lease keeps two replicas from looking at the same store; should
/// it run out, the store is looked at twice, which harms nobody.
package struct WebhookStates: Sendable {
  let database: Database

  package init(database: Database) {
    self.database = database
  }

  /// Writes down what this replica's settings wish; another wish than before makes every store of
  /// the app due.
  ///
  /// - Returns: whether anything changed.
  @discardableResult
  package func record(_ wish: WebhookWish) async throws(PostgresError) -> Bool {
    try await database.committing { transaction throws(PostgresError) in
      let changed = try await transaction.query(
        Statement(
          """
          UPDATE apps SET webhooks = $2, webhooks_digest = $3
          WHERE app_id = $1 AND (webhooks_digest <> $3 OR webhooks <> $2)
          """, [wish.app.text, wish.scopes, wish.digest])
      ).affected
      guard changed > 0 else { return false }
      _ = try await transaction.query(
        Statement(
          """
          WITH due AS MATERIALIZED (
            SELECT app_id, store_hash FROM webhook_states
            WHERE app_id = $1 AND next_check_at IS NOT NULL ORDER BY app_id, store_hash FOR UPDATE
          )
          UPDATE webhook_states known SET next_check_at = now(), wanted_number = wanted_number + 1
          FROM due WHERE known.app_id = due.app_id AND known.store_hash = due.store_hash
          """, [wish.app.text]))
      return true
    }
  }

  /// Takes stores that are due, the longest due first; only of apps whose wish is this replica's.
  package func claim(
    _ wishes: [WebhookWish], isUrgent: Bool, limit: Int, lease: Duration
  ) async throws(PostgresError) -> [WebhookClaim] {
    let result = try await database.query(
      Statement(
        """
        UPDATE webhook_states AS claimed
        SET lease_until = now() + $4::bigint * interval '1 microsecond'
        FROM (
          SELECT state.app_id, state.store_hash, installation.generation FROM webhook_states AS state
          JOIN installations AS installation
            ON installation.app_id = state.app_id AND installation.store_hash = state.store_hash
          JOIN apps ON apps.app_id = state.app_id
          JOIN unnest($1::text[], $2::text[]) AS wish (app_id, digest)
            ON wish.app_id = apps.app_id AND wish.digest = apps.webhooks_digest
          WHERE state.next_check_at <= now() AND state.is_urgent = $5
            AND (state.lease_until IS NULL OR state.lease_until <= now())
          ORDER BY state.next_check_at LIMIT $3 FOR UPDATE OF state SKIP LOCKED
        ) AS due
        WHERE claimed.app_id = due.app_id AND claimed.store_hash = due.store_hash
        RETURNING claimed.app_id, claimed.store_hash, wanted_number, is_thorough, failures, due.generation
        """,
        [
          wishes.map(\.app.text), wishes.map(\.digest), Int64(limit), lease.inMicroseconds,
          isUrgent,
        ]))
    return try result.rows.map { row throws(PostgresError) in
      WebhookClaim(
        installation: try row.installation(), generation: Generation(try row.decode("generation")),
        wantedNumber: try row.decode("wanted_number"),
        isThorough: try row.decode("is_thorough"), failures: try row.decode("failures"))
    }
  }

  /// Writes down what a check came to, its events with it.
  package func record(
    _ claim: WebhookClaim, _ result: WebhookCheckResult
  ) async throws(PostgresError) {
    let key: [any PostgresBindable] = [
      claim.installation.app.text, claim.installation.store.text,
    ]
    try await database.committing { transaction throws(PostgresError) in
      let before = try await transaction.query(
        Statement(
          """
          SELECT hooks, coalesce(last_checked_at, begun_at) AS looked_at FROM webhook_states
          WHERE app_id = $1 AND store_hash = $2 FOR UPDATE
          """, key))
      let known = try before.rows.first?.decode("hooks", as: JSONValue.self) ?? []
      let kept = try await transaction.query(
        Statement(WebhookStates.settle, key + [claim.wantedNumber] + result.columns))
      // Uninstalled meanwhile: nothing that was seen holds any longer.
      guard kept.affected > 0, let row = before.rows.first else { return }
      for outage in result.outages {
        for statement in outage.events(of: claim.installation, knownBefore: known) {
          _ = try await transaction.query(statement)
        }
      }
      let silences = result.silences(
        before: WebhookFact.all(known), lookedAt: try row.decode("looked_at"))
      try await WebhookStates.note(silences, result, of: claim.installation, in: transaction)
    }
  }

  /// A wish that came meanwhile keeps the row due; a new store that failed stays before others for
  /// a while.
  private static let settle: StaticString = """
    UPDATE webhook_states SET lease_until = NULL, checked_number = $3, last_checked_at = now(),
      failure = $4, failures = CASE WHEN $4::text IS NULL THEN 0 ELSE failures + 1 END,
      next_check_at = CASE WHEN wanted_number = $3 THEN now() + $5::bigint * interval '1 microsecond' ELSE now() END,
      is_urgent = is_urgent AND (wanted_number <> $3 OR $4::text IS NOT NULL AND failures < 6),
      is_thorough = is_thorough AND wanted_number <> $3,
      hooks_wanted = $6, hooks = coalesce($7, hooks), hooks_active = coalesce($8, hooks_active),
      unavailable = CASE WHEN $7::jsonb IS NULL THEN unavailable ELSE $9 END
    WHERE app_id = $1 AND store_hash = $2 AND next_check_at IS NOT NULL
    """

  /// Notes that the platform delivers nothing to us for a while; the first note of a block makes an
  /// event.
  ///
  /// - Returns: whether it was the first.
  package func noteBlock(
    for duration: Duration, destination: String, reasons: [String],
    seenAt installation: InstallationID
  ) async throws(PostgresError) -> Bool {
    try await database.committing { transaction throws(PostgresError) in
      let began = try await transaction.query(
        Statement(
          """
          UPDATE apps SET webhooks_blocked_until = now() + $2::bigint * interval '1 microsecond'
          WHERE app_id = $1 AND (webhooks_blocked_until IS NULL OR webhooks_blocked_until < now())
          """, [installation.app.text, duration.inMicroseconds])
      ).affected
      guard began > 0 else { return false }
      _ = try await transaction.query(Repairs.outage(of: installation.app, blockedFor: duration))
      _ = try await transaction.query(
        .event(
          "app/webhooks_blocked", installation,
          [
            "destination": .string(destination),
            "seconds_left": .integer(duration.components.seconds),
            "reasons": .array(reasons.map { .string($0) }),
          ]))
      return true
    }
  }
}

extension WebhookCheckResult {
  fileprivate var columns: [any PostgresBindable] {
    let facts = hooks.map { hooks in JSONValue.array(hooks.map(\.document)) }
    return [
      failure, next.inMicroseconds, wanted, facts, hooks.map { $0.count(where: \.isActive) },
      unavailable,
    ]
  }
}

extension WebhookFact {
  /// As they were kept; what cannot be read is left out.
  static func all(_ document: JSONValue) -> [WebhookFact] {
    (document.array ?? []).compactMap { hook in
      guard let id = hook["id"]?.integer, let scope = hook["scope"]?.string else { return nil }
      return WebhookFact(id: id, scope: scope, isActive: hook["is_active"]?.bool ?? true)
    }
  }

  package var document: JSONValue {
    ["id": .integer(id), "scope": .string(scope), "is_active": .bool(isActive)]
  }
}

extension WebhookOutage {
  /// The events of it; that it was found is told once, however long it lasts.
  fileprivate func events(
    of installation: InstallationID, knownBefore: JSONValue
  ) -> [Statement] {
    let data: JSONValue = [
      "hook_id": .integer(id), "scope": .string(scope),
      "by": byPlatform ? "bigcommerce" : "unknown",
      "since_at": since.map { .string($0.description) } ?? .null,
    ]
    let wasTold = (knownBefore.array ?? []).contains { hook in
      hook["id"]?.integer == id && hook["is_active"]?.bool == false
    }
    return (wasTold ? [] : [.event("app/webhook_deactivated", installation, data)])
      + (isOver ? [.event("app/webhook_reactivated", installation, data)] : [])
  }
}
