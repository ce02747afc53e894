package import Postgres

extension EventFeed {
  /// The events before a position, newest first, at most `limit`; of ``span`` positions at most, so
  /// perhaps none though older ones match.
  ///
  /// - Returns: also the position before which to go on; `nil` when nothing older is kept.
  package func newest(
    before position: Int64?, _ filter: EventFilter, limit: Int
  ) async throws(PostgresError) -> (events: [EventRecord], before: Int64?) {
    let result = try await database.query(
      Statement(
        """
        WITH ends AS MATERIALIZED (
          SELECT least($1, last_position + 1) AS top,
            coalesce((SELECT min(first_position) FROM event_days), 1) AS lowest FROM feed
        ), bounds AS MATERIALIZED (
          SELECT top, lowest, greatest(top - $2, lowest) AS low,
            coalesce((SELECT max(day) FROM event_days WHERE first_position <= greatest(top - $2, lowest)),
              '-infinity') AS day
          FROM ends
        )
        SELECT bounds.low, bounds.lowest, found.* FROM bounds LEFT JOIN LATERAL (
          SELECT position, event_id, app_id, store_hash, type, origin, occurred_at, recorded_at, data, synthetic
          FROM events
          WHERE position < bounds.top AND position >= bounds.low AND recorded_on >= (SELECT day FROM bounds)
            AND ($3::text IS NULL OR app_id = $3) AND ($4::text IS NULL OR store_hash = $4)
            AND ($5::text[] = '{}' AND $6::text[] = '{}' OR type = ANY ($5)
              OR EXISTS (SELECT FROM unnest($6::text[]) AS family WHERE starts_with(type, family)))
            AND ($7::timestamptz IS NULL OR occurred_at >= $7) AND ($8::timestamptz IS NULL OR occurred_at < $8)
          ORDER BY position DESC LIMIT $9
        ) AS found ON true
        ORDER BY found.position DESC
        """, [position ?? Int64.max, EventFeed.span] + filter.binds + [Int64(limit)]))
    guard let first = result.rows.first else {
      throw .decoding(column: "low", expected: "how far was looked")
    }
    let low = try first.decode("low", as: Int64.self)
    let lowest = try first.decode("lowest", as: Int64.self)
    var events: [EventRecord] = []
    // Nothing found is one row without an event.
    if try first.decode("position", as: Int64?.self) != nil {
      for row in result.rows { events.append(try EventRecord(row)) }
    }
    let reached = events.count < limit ? low : events.last?.position ?? low
    return (events, reached > lowest ? reached : nil)
  }
}
