package import Base
package import BigCommerce
package import Postgres
import Vault

/// Why webhooks may have told less than happened.
package enum RepairReason: String, CaseIterable, Hashable, Sendable {
  /// A webhook was off: the platform gave up, or somebody switched it off.
  case deactivated
  /// A webhook was removed by somebody else.
  case missing
  /// The platform delivered nothing for a while, because too much failed.
  case blocked
  /// No replica took deliveries.
  case serviceOutage = "service_outage"
  /// An operator asked for it.
  case requested
}

/// A piece of a repair that this replica is to do, under a lease.
package struct RepairClaim: Hashable, Sendable {
  package let installation: InstallationID
  package let resource: ComparedResource
  package let reason: RepairReason
  /// What changed since then is compared.
  package let compareFrom: Timestamp
  package let plannedAt: Timestamp
  /// Behind what was compared.
  package let place: String
  /// Steps in a row that failed before.
  package let failures: Int
  fileprivate let lease: String
}

/// What a step of a repair came to.
package enum RepairProgress: Hashable, Sendable {
  /// Some events were made, and there is more to compare: go on with this.
  case more(RepairClaim, emitted: Int)
  case finished(emitted: Int)
  /// Another replica has it, it was planned anew, or the app is gone.
  case overtaken
}

/// Compares what stores have with what webhooks told, page by page, and tells what they did not.
///
/// All times are the database's, but for ``RepairClaim/compareFrom``, which is compared with the
/// platform's. A page's events and the place behind it are one transaction; whoever does a page again
/// makes the same events, which are not made twice.
package struct Repairs: Sendable {
  let database: Database

  package init(database: Database) {
    self.database = database
  }

  /// Takes repairs that are due, the longest due first, of stores that may be called.
  package func claim(
    apps: [AppName], limit: Int, lease: Duration
  ) async throws(PostgresError) -> [RepairClaim] {
    let result = try await database.query(
      Statement(
        """
        UPDATE webhook_repairs AS claimed
        SET lease_id = gen_random_uuid()::text, lease_until = now() + $3::bigint * interval '1 microsecond'
        FROM (
          SELECT repair.app_id, repair.store_hash, repair.resource FROM webhook_repairs AS repair
          JOIN installations AS installation
            ON installation.app_id = repair.app_id AND installation.store_hash = repair.store_hash
          WHERE repair.next_step_at <= now() AND installation.state = 'active'
            AND repair.app_id = ANY ($1) AND (repair.lease_until IS NULL OR repair.lease_until <= now())
          ORDER BY repair.next_step_at LIMIT $2 FOR UPDATE OF repair SKIP LOCKED
        ) AS due
        WHERE claimed.app_id = due.app_id AND claimed.store_hash = due.store_hash
          AND claimed.resource = due.resource
        RETURNING claimed.*
        """, [apps.map(\.text), Int64(limit), lease.inMicroseconds]))
    return try result.rows.map { row throws(PostgresError) in try RepairClaim(row) }
  }

  /// Makes the events that a page lacks, and moves on behind it; the last page ends the repair.
  ///
  /// Only events of `wanted` scopes are made. The next page may take as long as `lease`.
  package func advance(
    _ claim: RepairClaim, _ page: ComparedPage, wanted: [HookScope], lease: Duration
  ) async throws(PostgresError) -> RepairProgress {
    try await database.committing { transaction throws(PostgresError) in
      guard try await claim.hold(in: transaction) else { return .overtaken }
      let events = try await Repairs.missing(claim, page, wanted, in: transaction)
      let emitted = try await Repairs.emit(events, of: claim, in: transaction)
      FailPoint.reach("repair.in_transaction")
      let counts: [any PostgresBindable] = [Int64(page.records.count), Int64(emitted)]
      if let place = page.place {
        _ = try await transaction.query(
          Statement(
            """
            UPDATE webhook_repairs SET place = $4, pages = pages + 1, compared = compared + $5,
              emitted = emitted + $6, failures = 0, failure = NULL, next_step_at = now(),
              lease_until = now() + $7::bigint * interval '1 microsecond'
            WHERE app_id = $1 AND store_hash = $2 AND resource = $3
            """, claim.key + [place] + counts + [lease.inMicroseconds]))
        return .more(claim.moved(to: place), emitted: emitted)
      }
      _ = try await transaction.query(
        Statement(
          """
          UPDATE webhook_repairs SET place = '', pages = pages + 1, compared = compared + $4,
            emitted = emitted + $5, failures = 0, failure = NULL, next_step_at = NULL, lease_id = NULL,
            lease_until = NULL, outcome = 'done', finished_at = now()
          WHERE app_id = $1 AND store_hash = $2 AND resource = $3
          """, claim.key + counts))
      try await Repairs.conclude(claim.installation, in: transaction)
      return .finished(emitted: emitted)
    }
  }

  /// Ends a repair that cannot be done; the reason is a fixed word.
  package func skip(_ claim: RepairClaim, _ reason: String) async throws(PostgresError) {
    try await database.committing { transaction throws(PostgresError) in
      guard try await claim.hold(in: transaction) else { return }
      _ = try await transaction.query(
        Statement(
          """
          UPDATE webhook_repairs SET failure = $4, next_step_at = NULL, lease_id = NULL, lease_until = NULL,
            outcome = 'skipped', finished_at = now()
          WHERE app_id = $1 AND store_hash = $2 AND resource = $3
          """, claim.key + [reason]))
      try await Repairs.conclude(claim.installation, in: transaction)
    }
  }

  /// Lets go of a repair, to be gone on with after a pause; a failure is a fixed word.
  ///
  /// `fromBeginning` forgets the place, because the platform no longer knows it.
  package func put(
    _ claim: RepairClaim, failure: String?, next: Duration, fromBeginning: Bool = false
  ) async throws(PostgresError) {
    _ = try await database.query(
      Statement(
        """
        UPDATE webhook_repairs SET lease_id = NULL, lease_until = NULL, failure = $5,
          failures = CASE WHEN $5::text IS NULL THEN 0 ELSE failures + 1 END,
          next_step_at = now() + $6::bigint * interval '1 microsecond',
          place = CASE WHEN $7 THEN '' ELSE place END
        WHERE app_id = $1 AND store_hash = $2 AND resource = $3 AND lease_id = $4
        """, claim.key + [claim.lease, failure, next.inMicroseconds, fromBeginning]))
  }

  /// What the page's records lack in the feed.
  private static func missing(
    _ claim: RepairClaim, _ page: ComparedPage, _ wanted: [HookScope], in transaction: Transaction
  ) async throws(PostgresError) -> [SyntheticEvent] {
    guard !page.records.isEmpty else { return [] }
    let types = SyntheticEvent.types(of: page.records, claim.resource)
    // One statement sees an event that the sequencer moves in one of both places. PostgreSQL cannot
    // read fields of a text with an escaped NUL, which JSON allows.
    let result = try await transaction.query(
      Statement(
        """
        SELECT type, coalesce(data->>'id', data->>'order_id') AS resource_id, max(occurred_at) AS newest
        FROM (
          SELECT type, CASE WHEN strpos(data::text, '\\u0000') > 0 THEN '{}' ELSE data END AS data, occurred_at FROM events
          WHERE app_id = $1 AND store_hash = $2 AND recorded_on >= ($3::timestamptz AT TIME ZONE 'UTC')::date - 1
            AND type = ANY ($4)
          UNION ALL
          SELECT type, CASE WHEN strpos(data::text, '\\u0000') > 0 THEN '{}' ELSE data END, occurred_at FROM pending_events
          WHERE app_id = $1 AND store_hash = $2 AND type = ANY ($4)
        ) AS told
        WHERE coalesce(data->>'id', data->>'order_id') = ANY ($5)
        GROUP BY 1, 2
        """,
        [
          claim.installation.app.text, claim.installation.store.text, claim.compareFrom,
          types.sorted(), page.records.map { String($0.id) },
        ]))
    var told: [String: Timestamp] = [:]
    for row in result.rows {
      let type = try row.decode("type", as: String.self)
      let id = try row.decode("resource_id", as: String.self)
      told["\(type) \(id)"] = try row.decode("newest")
    }
    return page.records.flatMap { record in
      SyntheticEvent.missing(
        record, of: claim.resource, wanted: wanted, since: claim.compareFrom,
        fallback: claim.plannedAt
      ) { told["\($0) \(record.id)"] }
    }
  }

  /// - Returns: how many there were not already.
  private static func emit(
    _ events: [SyntheticEvent], of claim: RepairClaim, in transaction: Transaction
  ) async throws(PostgresError) -> Int {
    guard !events.isEmpty else { return 0 }
    return try await transaction.query(
      Statement(
        """
        INSERT INTO pending_events (app_id, store_hash, event_id, type, origin, occurred_at, data, synthetic)
        SELECT $1, $2, event_id, type, 'repair', timestamptz 'epoch' + occurred_at * interval '1 microsecond',
          data::json, $3
        FROM unnest($4::text[], $5::text[], $6::bigint[], $7::text[]) WITH ORDINALITY
          AS made (event_id, type, occurred_at, data, number)
        WHERE NOT EXISTS (SELECT FROM events WHERE events.event_id = made.event_id
            AND recorded_on >= ($8::timestamptz AT TIME ZONE 'UTC')::date - 1)
          AND NOT EXISTS (SELECT FROM pending_events WHERE pending_events.event_id = made.event_id)
        ORDER BY number
        """,
        [
          claim.installation.app.text, claim.installation.store.text, claim.reason.rawValue,
          events.map { $0.eventID(of: claim.installation) }, events.map(\.type),
          events.map(\.occurredAt.microseconds),
          events.map { String(decoding: $0.data.encoded(), as: UTF8.self) },
          claim.compareFrom,
        ])
    ).affected
  }
}

extension RepairClaim {
  fileprivate init(_ row: Row) throws(PostgresError) {
    guard let resource = ComparedResource(rawValue: try row.decode("resource")),
      let reason = RepairReason(rawValue: try row.decode("reason"))
    else { throw .decoding(column: "resource", expected: "a resource and a reason") }
    installation = try row.installation()
    self.resource = resource
    self.reason = reason
    compareFrom = try row.decode("compare_from")
    plannedAt = try row.decode("planned_at")
    place = try row.decode("place")
    failures = try row.decode("failures")
    lease = try row.decode("lease_id")
  }

  private init(_ claim: RepairClaim, place: String) {
    installation = claim.installation
    resource = claim.resource
    reason = claim.reason
    compareFrom = claim.compareFrom
    plannedAt = claim.plannedAt
    self.place = place
    failures = 0
    lease = claim.lease
  }

  fileprivate func moved(to place: String) -> RepairClaim { RepairClaim(self, place: place) }

  fileprivate var key: [any PostgresBindable] {
    [installation.app.text, installation.store.text, resource.rawValue]
  }

  /// Locks the repair, if it still is this one; the store's row first, as everybody does.
  fileprivate func hold(in transaction: Transaction) async throws(PostgresError) -> Bool {
    _ = try await transaction.query(
      Statement(
        "SELECT app_id FROM webhook_states WHERE app_id = $1 AND store_hash = $2 FOR UPDATE",
        [installation.app.text, installation.store.text]))
    let held = try await transaction.query(
      Statement(
        """
        SELECT app_id FROM webhook_repairs
        WHERE app_id = $1 AND store_hash = $2 AND resource = $3 AND lease_id = $4 AND place = $5 FOR UPDATE
        """, key + [lease, place]))
    return !held.rows.isEmpty
  }
}

extension SyntheticEvent {
  /// The same for the same change of the same record, however often it is found.
  fileprivate func eventID(of installation: InstallationID) -> String {
    let facts = [
      "repair", installation.app.text, installation.store.text, type, String(resourceID),
      String(occurredAt.microseconds),
    ]
    let digest = KeyDigest(of: Array(facts.joined(separator: "\n").utf8)).bytes
    return "evt_" + Hex.encode(digest.prefix(16))
  }
}
