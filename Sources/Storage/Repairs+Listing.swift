package import Base
package import BigCommerce
package import Postgres

/// How far a repair is.
package enum RepairState: String, CaseIterable, Hashable, Sendable {
  /// Nothing was compared yet.
  case waiting
  case running
  /// The last step could not be done; it is tried again.
  case failing
  case done
  /// It cannot be done; `failure` says why.
  case skipped
  /// The installation is not active; it goes on when that is over.
  case parked
}

/// One store's repair of one resource: the one to be done, or the last one that was.
package struct RepairRecord: Hashable, Sendable {
  package let installation: InstallationID
  package let resource: ComparedResource
  package let reason: RepairReason
  package let state: RepairState
  package let since: Timestamp
  package let compareFrom: Timestamp
  package let plannedAt: Timestamp
  package let nextStepAt: Timestamp?
  package let finishedAt: Timestamp?
  package let failure: String?
  package let compared: Int64
  package let emitted: Int64

  init(_ row: Row) throws(PostgresError) {
    guard let resource = ComparedResource(rawValue: try row.decode("resource")),
      let reason = RepairReason(rawValue: try row.decode("reason")),
      let state = RepairState(rawValue: try row.decode("state"))
    else { throw .decoding(column: "state", expected: "a repair") }
    installation = try row.installation()
    self.resource = resource
    self.reason = reason
    self.state = state
    since = try row.decode("since")
    compareFrom = try row.decode("compare_from")
    plannedAt = try row.decode("planned_at")
    nextStepAt = try row.decode("next_step_at")
    finishedAt = try row.decode("finished_at")
    failure = try row.decode("failure")
    compared = try row.decode("compared")
    emitted = try row.decode("emitted")
  }
}

/// A place in the list of repairs.
package struct RepairPlace: Hashable, Sendable {
  package let installation: InstallationID
  package let resource: ComparedResource

  package init(installation: InstallationID, resource: ComparedResource) {
    self.installation = installation
    self.resource = resource
  }
}

extension Repairs {
  /// At most `limit` repairs behind `after`, in the order of app, store and resource.
  ///
  /// The filter's state of webhooks does not count; `state` is the repair's.
  package func list(
    _ filter: WebhookFilter, state: RepairState?, after: RepairPlace?, limit: Int
  ) async throws(PostgresError) -> [RepairRecord] {
    let result = try await database.query(
      Statement(
        """
        SELECT r.* FROM (
          SELECT app_id, store_hash, resource, reason, since, compare_from, planned_at, next_step_at, finished_at, failure,
            compared, emitted, i.labels,
            CASE WHEN r.outcome IS NULL AND i.state <> 'active' THEN 'parked' ELSE r.state END AS state
          FROM webhook_repairs r JOIN installations i USING (app_id, store_hash)
        ) r
        WHERE ($1::text IS NULL OR r.app_id = $1)
          AND ($2::text[] IS NULL OR r.store_hash = ANY ($2) OR r.labels && $3)
          AND ($4::text[] IS NULL OR r.store_hash = ANY ($4))
          AND ($5::text IS NULL OR r.state = $5)
          AND (r.app_id, r.store_hash, r.resource) > ($6, $7, $8)
        ORDER BY r.app_id, r.store_hash, r.resource LIMIT $9
        """,
        filter.binds.dropLast() + [
          state?.rawValue, after?.installation.app.text ?? "", after?.installation.store.text ?? "",
          after?.resource.rawValue ?? "", Int64(limit),
        ]))
    return try result.rows.map { row throws(PostgresError) in try RepairRecord(row) }
  }

  /// How many repairs are in each state; all states are there.
  package func counts(
    _ filter: WebhookFilter
  ) async throws(PostgresError) -> [RepairState: Int] {
    let result = try await database.query(
      Statement(
        """
        SELECT CASE WHEN r.outcome IS NULL AND i.state <> 'active' THEN 'parked' ELSE r.state END AS state,
          count(*) AS count
        FROM webhook_repairs r JOIN installations i USING (app_id, store_hash)
        WHERE ($1::text IS NULL OR r.app_id = $1)
          AND ($2::text[] IS NULL OR r.store_hash = ANY ($2) OR i.labels && $3)
          AND ($4::text[] IS NULL OR r.store_hash = ANY ($4))
        GROUP BY 1
        """, Array(filter.binds.dropLast())))
    var counts = Dictionary(uniqueKeysWithValues: RepairState.allCases.map { ($0, 0) })
    for row in result.rows {
      guard let state = RepairState(rawValue: try row.decode("state")) else { continue }
      counts[state] = try row.decode("count")
    }
    return counts
  }
}
