package import Base
package import Postgres

/// What shall be pushed once more.
package enum PushReplay: Hashable, Sendable {
  /// Those events, at most 1000.
  case events([String])
  /// What the subscription wants of the events behind `after`, up to `through`.
  case range(after: Int64, through: Int64)
  /// All dead letters.
  case dead
}

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
  /// At most so many positions are replayed in one call.
  package static let longestReplay: Int64 = 100_000

  /// Makes deliveries due again, or for the first time, as new: their attempts are counted anew,
  /// their event's ID stays.
  ///
  /// Only what lies within the subscription's app and stores; a range also keeps to its types.
  ///
  /// - Returns: how many.
  package func replay(
    _ subscription: String, _ what: PushReplay
  ) async throws(PostgresError) -> Int {
    switch what {
    case .dead: return try await replayDead(subscription)
    case .events(let ids):
      return try await replay(subscription, ids: ids, after: 0, through: 0)
    case .range(let after, let through):
      var count = 0
      var place = after
      while place < through {
        let end = min(through, place + PushDeliveries.span)
        count += try await replay(subscription, ids: nil, after: place, through: end)
        place = end
      }
      return count
    }
  }

  private func replayDead(_ subscription: String) async throws(PostgresError) -> Int {
    var count = 0
    while true {
      let again = try await database.query(
        Statement(
          """
          UPDATE push_deliveries SET state = 'pending', attempts = 0, due_at = now(), finished_at = NULL
          WHERE subscription_id = $1 AND push_number IN (SELECT push_number FROM push_deliveries
            WHERE subscription_id = $1 AND state = 'dead' ORDER BY push_number LIMIT 1000)
          """, [subscription])
      ).affected
      count += again
      if again < 1000 { return count }
    }
  }

  /// What is there already is taken as it is, whatever has become of the event in the feed.
  private func replay(
    _ subscription: String, ids: [String]?, after: Int64, through: Int64
  ) async throws(PostgresError) -> Int {
    let results = try await database.transaction([
      Statement(
        """
        UPDATE push_deliveries SET state = 'pending', attempts = 0, due_at = now(), finished_at = NULL
        WHERE subscription_id = $1 AND lease_id IS NULL
          AND CASE WHEN $2::text[] IS NULL THEN position > $3 AND position <= $4 ELSE event_id = ANY ($2) END
        """, [subscription, ids, after, through]),
      Statement(
        """
        INSERT INTO push_deliveries (app_id, store_hash, subscription_id, position, event_id, type, origin,
          occurred_at, recorded_at, data)
        SELECT events.app_id, store_hash, subscription_id, position, event_id, type, origin, occurred_at,
          recorded_at, data
        FROM subscriptions JOIN events ON
          CASE WHEN $2::text[] IS NULL THEN position > $3 AND position <= $4 AND (types = '{}' OR type = ANY (types)
              OR EXISTS (SELECT FROM unnest(types) AS pattern
                WHERE right(pattern, 2) = '/*' AND starts_with(type, left(pattern, -1))))
            ELSE event_id = ANY ($2) END
          AND (subscriptions.app_id IS NULL OR events.app_id = subscriptions.app_id)
          AND (stores IS NULL OR store_hash = ANY (stores)
            OR EXISTS (SELECT FROM installations AS known, unnest(known.labels) AS label
              WHERE known.app_id = events.app_id AND known.store_hash = events.store_hash
                AND 'label:' || label = ANY (stores)))
        WHERE subscription_id = $1
        ON CONFLICT ON CONSTRAINT push_deliveries_once DO NOTHING
        """, [subscription, ids, after, through]),
    ])
    return results.reduce(0) { $0 + $1.affected }
  }

  /// A subscription's deliveries, the newest first, behind one of them.
  package func list(
    _ subscription: String, state: String?, before number: Int64?, limit: Int
  ) async throws(PostgresError) -> [PushRecord] {
    try await database.query(
      Statement(
        """
        SELECT push_number, app_id, store_hash, position, event_id, type, origin, occurred_at, recorded_at, data,
          state, attempts, due_at, lease_id, created_at, finished_at, log
        FROM push_deliveries
        WHERE subscription_id = $1 AND ($2::text IS NULL OR state = $2)
          AND ($3::bigint IS NULL OR push_number < $3)
        ORDER BY push_number DESC LIMIT $4
        """, [subscription, state, number, Int64(limit)])
    ).rows.map { row throws(PostgresError) in try PushRecord(row) }
  }
}
