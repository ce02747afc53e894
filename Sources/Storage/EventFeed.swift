package import Base
package import Postgres

/// One thing that happened, at its place in the feed.
package struct EventRecord: Hashable, Sendable {
  package let position: Int64
  /// `evt_` and 32 hex digits; the same wherever the event is shown or pushed.
  package let id: String
  package let app: AppName
  /// `nil` for an event of the app as a whole.
  package let store: StoreHash?
  package let type: String
  /// `platform`, `lifecycle`, or `repair` for one that was found out later.
  package let origin: String
  package let occurredAt: Timestamp
  package let recordedAt: Timestamp
  package let data: JSONValue
  /// Why it was made from a comparison with the store, a fixed word; `nil` when it was told.
  package let synthetic: String?

  package init(_ row: Row) throws(PostgresError) {
    let store = try row.decode("store_hash", as: String.self)
    guard let app = AppName(try row.decode("app_id", as: String.self)),
      store.isEmpty || StoreHash(store) != nil
    else {
      throw .decoding(column: "store_hash", expected: "a store hash and an app's name")
    }
    position = try row.decode("position")
    id = try row.decode("event_id")
    self.app = app
    self.store = StoreHash(store)
    type = try row.decode("type")
    origin = try row.decode("origin")
    occurredAt = try row.decode("occurred_at")
    recordedAt = try row.decode("recorded_at")
    data = try row.decode("data")
    synthetic = try row.decode("synthetic")
  }
}

/// Where the feed begins and ends.
package struct FeedState: Hashable, Sendable {
  /// Random; tells this feed's cursors from another's.
  package let id: Int64
  package let epoch: Int64
  /// The position behind which each epoch began, the first epoch first.
  package let epochs: [Int64: Int64]
  /// The position of the newest event, 0 when there has been none.
  package let last: Int64
  /// The position of the oldest event that is kept.
  package let oldest: Int64

  package init(id: Int64, epoch: Int64, epochs: [Int64: Int64], last: Int64, oldest: Int64) {
    self.id = id
    self.epoch = epoch
    self.epochs = epochs
    self.last = last
    self.oldest = oldest
  }
}

/// Which events a reader wants.
package struct EventFilter: Hashable, Sendable {
  /// `nil`: of all apps.
  package var app: AppName?
  /// `nil`: of all stores, and those of the app as a whole.
  package var store: StoreHash?
  /// Types, and patterns that end in `/*`; empty: all.
  package var types: [String] = []
  package var since: Timestamp?
  package var until: Timestamp?

  package init() {}

  /// App, store, types, beginnings of families, and the times: six parameters.
  var binds: [any PostgresBindable] {
    [
      app?.text, store?.text, types.filter { !$0.hasSuffix("/*") },
      types.filter { $0.hasSuffix("/*") }.map { String($0.dropLast()) }, since, until,
    ]
  }
}

/// A piece of the feed.
package struct EventPage: Sendable {
  package let events: [EventRecord]
  /// Everything up to here was looked at.
  package let position: Int64
}

/// Reads the feed.
package struct EventFeed: Sendable {
  /// At most so many positions are looked at in one query, so that a rare filter costs no more than
  /// a common one.
  package static let span: Int64 = 10_000

  let database: Database

  package init(database: Database) {
    self.database = database
  }

  package func state() async throws(PostgresError) -> FeedState {
    let result = try await database.query(
      Statement(
        """
        SELECT feed_id, last_position, coalesce((SELECT min(first_position) FROM event_days), 1) AS oldest,
          coalesce((SELECT array_agg(epoch ORDER BY epoch) FROM feed_epochs), '{}') AS epochs,
          coalesce((SELECT array_agg(begins_after ORDER BY epoch) FROM feed_epochs), '{}') AS begins
        FROM feed
        """))
    guard let row = result.rows.first else {
      throw .decoding(column: "feed_id", expected: "the feed's row")
    }
    let epochs = try row.decode("epochs", as: [Int64].self)
    let begins = try row.decode("begins", as: [Int64].self)
    return FeedState(
      id: try row.decode("feed_id"), epoch: epochs.last ?? 0,
      epochs: Dictionary(uniqueKeysWithValues: zip(epochs, begins)),
      last: try row.decode("last_position"), oldest: try row.decode("oldest"))
  }

  /// The position of the newest event.
  package func lastPosition() async throws(PostgresError) -> Int64 {
    let result = try await database.query(Statement("SELECT last_position FROM feed"))
    guard let row = result.rows.first else {
      throw .decoding(column: "last_position", expected: "the feed's row")
    }
    return try row.decode("last_position")
  }

  /// The position behind which the feed has what was recorded from that time on.
  ///
  /// Halves the feed until it is found, because no index is by time.
  package func position(before time: Timestamp) async throws(PostgresError) -> Int64 {
    let result = try await database.query(
      Statement(
        """
        WITH RECURSIVE search (low, high) AS (
          SELECT coalesce((SELECT min(first_position) FROM event_days), 1), last_position + 1 FROM feed
          UNION ALL
          SELECT CASE WHEN is_before THEN middle + 1 ELSE low END, CASE WHEN is_before THEN high ELSE middle END
          FROM (
            SELECT low, high, (low + high) / 2 AS middle,
              coalesce((SELECT recorded_at < $1 FROM events WHERE position >= (low + high) / 2
                ORDER BY position LIMIT 1), false) AS is_before
            FROM search WHERE low < high
          ) AS half
        )
        SELECT low - 1 AS position FROM search WHERE low >= high
        """, [time]))
    guard let row = result.rows.first else {
      throw .decoding(column: "position", expected: "a place in the feed")
    }
    return try row.decode("position")
  }

  /// The events behind a position and up to another, in order, at most `limit`; of ``span``
  /// positions at most.
  package func read(
    after position: Int64, upTo end: Int64, _ filter: EventFilter, limit: Int
  ) async throws(PostgresError) -> EventPage {
    let result = try await database.query(
      Statement(
        EventFeed.select, [position, EventFeed.span] + filter.binds + [Int64(limit), end]))
    guard let first = result.rows.first else {
      throw .decoding(column: "seen", expected: "how far was looked")
    }
    let seen = try first.decode("seen", as: Int64.self)
    // Nothing found is one row without an event.
    let isEmpty = try first.decode("position", as: Int64?.self) == nil
    let events =
      try isEmpty
      ? []
      : result.rows.map { row throws(PostgresError) in
        try EventRecord(row)
      }
    return EventPage(
      events: events, position: events.count < limit ? seen : events.last?.position ?? seen)
  }

  /// One row at least, which says how far was looked.
  private static let select: StaticString = """
    WITH bounds AS MATERIALIZED (
      SELECT greatest($1, least($1 + $2, $10)) AS seen,
        coalesce((SELECT max(day) FROM event_days WHERE first_position <= $1 + 1), '-infinity') AS day
    )
    SELECT bounds.seen, found.* FROM bounds LEFT JOIN LATERAL (
      SELECT position, event_id, app_id, store_hash, type, origin, occurred_at, recorded_at, data, synthetic
      FROM events
      WHERE position > $1 AND position <= bounds.seen AND recorded_on >= (SELECT day FROM bounds)
        AND ($3::text IS NULL OR app_id = $3) AND ($4::text IS NULL OR store_hash = $4)
        AND ($5::text[] = '{}' AND $6::text[] = '{}' OR type = ANY ($5)
          OR EXISTS (SELECT FROM unnest($6::text[]) AS family WHERE starts_with(type, family)))
        AND ($7::timestamptz IS NULL OR occurred_at >= $7) AND ($8::timestamptz IS NULL OR occurred_at < $8)
      ORDER BY position LIMIT $9
    ) AS found ON true
    """

  /// One event by its ID, `nil` when it is unknown or its day is over.
  package func find(_ id: String) async throws(PostgresError) -> EventRecord? {
    let result = try await database.query(
      Statement(
        """
        SELECT position, event_id, app_id, store_hash, type, origin, occurred_at, recorded_at, data, synthetic
        FROM events WHERE event_id = $1
        """, [id]))
    return try result.rows.first.map { row throws(PostgresError) in try EventRecord(row) }
  }
}
