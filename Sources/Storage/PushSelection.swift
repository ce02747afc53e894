import Base
package import Postgres

/// Which events of a subscription an operator means.
package struct PushSelection: Hashable, Sendable {
  /// Only these, `nil`: what the feed has between ``after`` and ``through``.
  package var events: [String]?
  /// The position behind which to begin.
  package var after: Int64 = 0
  /// The last position.
  package var through = Int64.max
  /// Only dead letters, which may be of events that the feed no longer has.
  package var isDeadOnly = false
  package var filter = EventFilter()

  package init() {}
}

extension PushDeliveries {
  /// At most so many events are chosen in one call.
  package static let mostChosen = 100_000
  /// At most so many positions of the feed are looked at in one call.
  package static let longestLook: Int64 = 5_000_000

  /// Events that are meant, those left out of which an attempt is under way.
  ///
  /// Only what lies within the subscription's app and stores; `keepsToTypes` says whether events
  /// that are named must also be of its types, as all others must.
  ///
  /// - Returns: their IDs, in the order of the feed or of the deliveries; more than ``mostChosen``
  ///   when there are more.
  package func choose(
    _ subscription: String, _ selection: PushSelection, keepsToTypes: Bool = false
  ) async throws(PostgresError) -> [String] {
    if selection.isDeadOnly { return try await chooseDead(subscription, selection) }
    if let ids = selection.events {
      return try await chooseNamed(subscription, ids, keepsToTypes: keepsToTypes)
    }
    var found: [String] = []
    var place = selection.after
    while place < selection.through, found.count <= Self.mostChosen {
      let end = min(selection.through, place + EventFeed.span)
      found += try await chooseInFeed(subscription, after: place, through: end, selection.filter)
      place = end
    }
    return found
  }

  private func chooseDead(
    _ subscription: String, _ selection: PushSelection
  ) async throws(PostgresError) -> [String] {
    try await ids(
      Statement(
        """
        SELECT event_id FROM push_deliveries
        WHERE subscription_id = $1 AND state = 'dead' AND position > $2 AND position <= $3
          AND ($4::text[] IS NULL OR event_id = ANY ($4))
          AND ($5::text IS NULL OR app_id = $5) AND ($6::text IS NULL OR store_hash = $6)
          AND ($7::text[] = '{}' AND $8::text[] = '{}' OR type = ANY ($7)
            OR EXISTS (SELECT FROM unnest($8::text[]) AS family WHERE starts_with(type, family)))
          AND ($9::timestamptz IS NULL OR occurred_at >= $9) AND ($10::timestamptz IS NULL OR occurred_at < $10)
        ORDER BY push_number LIMIT $11
        """,
        [subscription, selection.after, selection.through, selection.events]
          + selection.filter.binds + [Int64(Self.mostChosen + 1)]))
  }

  /// What is there already is taken as it is, whatever has become of the event in the feed.
  private func chooseNamed(
    _ subscription: String, _ ids: [String], keepsToTypes: Bool
  ) async throws(PostgresError) -> [String] {
    try await self.ids(
      Statement(
        """
        SELECT push.event_id FROM push_deliveries AS push JOIN subscriptions USING (subscription_id)
        WHERE subscription_id = $1 AND push.event_id = ANY ($2) AND lease_id IS NULL
          AND (NOT $3 OR types = '{}' OR type = ANY (types)
            OR EXISTS (SELECT FROM unnest(types) AS pattern
              WHERE right(pattern, 2) = '/*' AND starts_with(type, left(pattern, -1))))
        UNION ALL
        SELECT events.event_id FROM subscriptions JOIN events ON events.event_id = ANY ($2)
          AND (NOT $3 OR types = '{}' OR type = ANY (types)
            OR EXISTS (SELECT FROM unnest(types) AS pattern
              WHERE right(pattern, 2) = '/*' AND starts_with(type, left(pattern, -1))))
          AND (subscriptions.app_id IS NULL OR events.app_id = subscriptions.app_id)
          AND (stores IS NULL OR store_hash = ANY (stores)
            OR EXISTS (SELECT FROM installations AS known, unnest(known.labels) AS label
              WHERE known.app_id = events.app_id AND known.store_hash = events.store_hash
                AND 'label:' || label = ANY (stores)))
        WHERE subscription_id = $1 AND NOT EXISTS (SELECT FROM push_deliveries AS push
          WHERE push.subscription_id = $1 AND push.event_id = events.event_id)
        """, [subscription, ids, keepsToTypes]))
  }

  private func chooseInFeed(
    _ subscription: String, after: Int64, through: Int64, _ filter: EventFilter
  ) async throws(PostgresError) -> [String] {
    try await ids(
      Statement(
        """
        SELECT events.event_id FROM subscriptions JOIN events ON position > $2 AND position <= $3
          AND recorded_on >= (SELECT coalesce(max(day), '-infinity') FROM event_days WHERE first_position <= $2 + 1)
          AND (types = '{}' OR type = ANY (types)
            OR EXISTS (SELECT FROM unnest(types) AS pattern
              WHERE right(pattern, 2) = '/*' AND starts_with(type, left(pattern, -1))))
          AND (subscriptions.app_id IS NULL OR events.app_id = subscriptions.app_id)
          AND (stores IS NULL OR store_hash = ANY (stores)
            OR EXISTS (SELECT FROM installations AS known, unnest(known.labels) AS label
              WHERE known.app_id = events.app_id AND known.store_hash = events.store_hash
                AND 'label:' || label = ANY (stores)))
          AND ($4::text IS NULL OR events.app_id = $4) AND ($5::text IS NULL OR store_hash = $5)
          AND ($6::text[] = '{}' AND $7::text[] = '{}' OR type = ANY ($6)
            OR EXISTS (SELECT FROM unnest($7::text[]) AS family WHERE starts_with(type, family)))
          AND ($8::timestamptz IS NULL OR occurred_at >= $8) AND ($9::timestamptz IS NULL OR occurred_at < $9)
        WHERE subscription_id = $1 AND NOT EXISTS (SELECT FROM push_deliveries AS push
          WHERE push.subscription_id = $1 AND push.event_id = events.event_id AND lease_id IS NOT NULL)
        ORDER BY position
        """, [subscription, after, through] + filter.binds))
  }

  private func ids(_ statement: Statement) async throws(PostgresError) -> [String] {
    try await database.query(statement).rows.map { row throws(PostgresError) in
      try row.decode("event_id")
    }
  }
}
