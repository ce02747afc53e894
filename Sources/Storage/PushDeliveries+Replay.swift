package import Base
package import Postgres

/// A delivery as its log shows it.
package struct PushRecord: Hashable, Sendable {
  package let number: Int64
  package let event: EventRecord
  /// `pending`, `delivered` or `dead`.
  package let state: String
  /// Since it was made or last replayed.
  package let attempts: Int
  /// When the next attempt is due, or the present one's lease ends.
  package let dueAt: Timestamp
  package let isUnderWay: Bool
  package let createdAt: Timestamp
  package let finishedAt: Timestamp?
  /// The last attempts, the oldest first.
  package let log: JSONValue

  init(_ row: Row) throws(PostgresError) {
    number = try row.decode("push_number")
    event = try EventRecord(row)
    state = try row.decode("state")
    attempts = try row.decode("attempts")
    dueAt = try row.decode("due_at")
    isUnderWay = try row.decode("lease_id", as: String?.self) != nil
    createdAt = try row.decode("created_at")
    finishedAt = try row.decode("finished_at")
    log = try row.decode("log")
  }
}

extension PushDeliveries {
  /// Makes deliveries of these events due again, or for the first time, as new.
  ///
  /// Their attempts are counted anew, their event's ID stays. Each batch has its line in the audit.
  ///
  /// - Returns: how many; an event of which an attempt is under way is left alone.
  package func replay(
    _ subscription: SubscriptionRecord, events: [String], by act: Act
  ) async throws(PostgresError) -> Int {
    try await inBatches(events, of: 1000) { ids in
      Statement(
        """
        WITH again AS (
          UPDATE push_deliveries SET state = 'pending', attempts = 0, due_at = now(), finished_at = NULL
          WHERE subscription_id = $1 AND event_id = ANY ($2) AND lease_id IS NULL RETURNING 1
        ), made AS (
          INSERT INTO push_deliveries (app_id, store_hash, subscription_id, position, event_id, type, origin,
            occurred_at, recorded_at, data, synthetic)
          SELECT events.app_id, store_hash, $1, position, event_id, type, origin, occurred_at, recorded_at, data,
            synthetic
          FROM events WHERE event_id = ANY ($2)
            AND EXISTS (SELECT FROM subscriptions WHERE subscription_id = $1)
          ON CONFLICT ON CONSTRAINT push_deliveries_once DO NOTHING RETURNING 1
        ), counted AS (
          SELECT (SELECT count(*) FROM again) + (SELECT count(*) FROM made) AS number
        ), noted AS (
          INSERT INTO audit (actor, action, app_id, request_id, details)
          SELECT $3, 'subscription_replay', $4, $5,
            jsonb_build_object('subscription_id', $1, 'deliveries', number)
          FROM counted WHERE number > 0
        )
        SELECT number FROM counted
        """, [subscription.id, ids, act.actor, subscription.filter.app?.text, act.requestID?.text])
    }
  }

  /// Forgets the dead letters of these events; the audit names them.
  ///
  /// - Returns: how many there were.
  package func discard(
    _ subscription: SubscriptionRecord, events: [String], by act: Act
  ) async throws(PostgresError) -> Int {
    try await inBatches(events, of: 100) { ids in
      Statement(
        """
        WITH gone AS (
          DELETE FROM push_deliveries WHERE subscription_id = $1 AND event_id = ANY ($2) AND state = 'dead'
          RETURNING event_id
        ), noted AS (
          INSERT INTO audit (actor, action, app_id, request_id, details)
          SELECT $3, 'subscription_discard', $4, $5,
            jsonb_build_object('subscription_id', $1, 'deliveries', count(*), 'event_ids', jsonb_agg(event_id))
          FROM gone HAVING count(*) > 0
        )
        SELECT count(*) AS number FROM gone
        """, [subscription.id, ids, act.actor, subscription.filter.app?.text, act.requestID?.text])
    }
  }

  /// So many events in a transaction, that none is long, nor its line in the audit.
  private func inBatches(
    _ events: [String], of size: Int, _ statement: ([String]) -> Statement
  ) async throws(PostgresError) -> Int {
    var count = 0
    for start in stride(from: 0, to: events.count, by: size) {
      let batch = Array(events[start..<min(events.count, start + size)])
      count += try await database.query(statement(batch)).rows.first?.decode("number") ?? 0
    }
    return count
  }

  /// A subscription's deliveries, the newest first, behind one of them.
  package func list(
    _ subscription: String, state: String?, before number: Int64?, limit: Int
  ) async throws(PostgresError) -> [PushRecord] {
    try await database.query(
      Statement(
        """
        SELECT push_number, app_id, store_hash, position, event_id, type, origin, occurred_at, recorded_at, data,
          synthetic, state, attempts, due_at, lease_id, created_at, finished_at, log
        FROM push_deliveries
        WHERE subscription_id = $1 AND ($2::text IS NULL OR state = $2)
          AND ($3::bigint IS NULL OR push_number < $3)
        ORDER BY push_number DESC LIMIT $4
        """, [subscription, state, number, Int64(limit)])
    ).rows.map { row throws(PostgresError) in try PushRecord(row) }
  }
}
