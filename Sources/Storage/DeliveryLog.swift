package import Base
package import BigCommerce
package import Postgres

/// A delivery as it stands in the intake log; its body is read apart.
package struct DeliveryRecord: Hashable, Sendable {
  package let id: Int64
  package let installation: InstallationID
  /// By the clock of the replica that took it.
  package let receivedAt: Timestamp
  /// `nil` when the body does not say.
  package let scope: String?
  package let webhookID: String?
  /// What became of the check of its signature, a fixed word, perhaps with `:` and a reason.
  package let signature: String
  /// Why it is not in the feed, a fixed word; `nil` when it is an event.
  package let quarantine: String?
  package let eventID: String?
  package let requestID: String
  /// How often it came again; `nil` when that is no longer known.
  package let repeats: Int64?
  /// The length of its body.
  package let bytes: ByteCount

  init(_ row: Row) throws(PostgresError) {
    guard let app = AppName(try row.decode("app_id", as: String.self)),
      let store = StoreHash(try row.decode("store_hash", as: String.self))
    else {
      throw .decoding(column: "store_hash", expected: "a store hash and an app's name")
    }
    id = try row.decode("delivery_id")
    installation = InstallationID(app: app, store: store)
    receivedAt = try row.decode("received_at")
    scope = try row.decode("scope")
    webhookID = try row.decode("webhook_id")
    signature = try row.decode("signature")
    quarantine = try row.decode("quarantine")
    eventID = try row.decode("event_id")
    requestID = try row.decode("request_id")
    repeats = try row.decode("repeats")
    bytes = ByteCount(Int(try row.decode("bytes", as: Int64.self)))
  }
}

/// Which deliveries a list shows.
package struct DeliveryFilter: Hashable, Sendable {
  /// What became of a delivery.
  package enum Status: String, CaseIterable, Sendable {
    case event
    case quarantined
  }

  /// `nil`: of all apps.
  package var app: AppName?
  /// `nil`: of all stores.
  package var store: StoreHash?
  /// Only of these stores, by name or by the labels they have now.
  package var granted = Grant.Stores.all
  /// Scopes, and patterns that end in `/*`; empty: all.
  package var scopes: [String] = []
  package var status: Status?
  /// A word, which also stands for those with a reason behind it.
  package var signature: String?
  package var since: Timestamp?
  package var until: Timestamp?

  package init() {}
}

/// A piece of the intake log, newest first.
package struct DeliveryPage: Sendable {
  package let deliveries: [DeliveryRecord]
  /// All that follow have lower numbers than this; `nil` when none follow.
  package let before: Int64?
}

/// Reads the intake log, and makes events of what it keeps.
package struct DeliveryLog: Sendable {
  /// At most so many numbers are looked at in one query, so that a rare filter costs no more than a
  /// common one.
  package static let span: Int64 = 10_000

  private let database: Database

  package init(database: Database) {
    self.database = database
  }

  /// The newest deliveries with numbers below `before`, at most `limit`; of ``span`` numbers at
  /// most, so perhaps none though older ones match.
  package func read(
    before: Int64?, _ filter: DeliveryFilter, limit: Int
  ) async throws(PostgresError) -> DeliveryPage {
    let result = try await database.query(
      Statement(
        DeliveryLog.select,
        [
          before ?? Int64.max, DeliveryLog.span, filter.app?.text, filter.store?.text,
          filter.granted.hashes, filter.granted.labels ?? [],
          filter.scopes.filter { !$0.hasSuffix("/*") },
          filter.scopes.filter { $0.hasSuffix("/*") }.map { String($0.dropLast()) },
          filter.status.map { $0 == .event }, filter.signature, filter.since, filter.until, limit,
        ]))
    guard let first = result.rows.first else {
      throw .decoding(column: "low", expected: "how far was looked")
    }
    // NULL when nothing at all is kept.
    let low = try first.decode("low", as: Int64?.self)
    let lowest = try first.decode("lowest", as: Int64?.self)
    let isEmpty = try first.decode("delivery_id", as: Int64?.self) == nil
    let deliveries =
      try isEmpty
      ? []
      : result.rows.map { row throws(PostgresError) in
        try DeliveryRecord(row)
      }
    let reached = deliveries.count < limit ? low : deliveries.last?.id
    guard let reached, let lowest, reached > lowest else {
      return DeliveryPage(deliveries: deliveries, before: nil)
    }
    return DeliveryPage(deliveries: deliveries, before: reached)
  }

  /// One row at least, which says how far was looked.
  ///
  /// A delivery is never received on a day after it was written down, so days that ended before
  /// `since` are passed over; one from a spool may be written down long after, so none is for
  /// `until`. The two days in between are for clocks that differ.
  private static let select: StaticString = """
    WITH ends AS MATERIALIZED (
      SELECT least($1, (SELECT max(delivery_id) + 1 FROM deliveries)) AS top,
        (SELECT min(delivery_id) FROM deliveries WHERE received_on
          >= coalesce(($11::timestamptz AT TIME ZONE 'UTC')::date - 2, '-infinity')) AS lowest
    ), bounds AS MATERIALIZED (
      SELECT top, lowest, greatest(top - $2, lowest) AS low FROM ends
    )
    SELECT bounds.low, bounds.lowest, found.*, known.repeats FROM bounds LEFT JOIN LATERAL (
      SELECT delivery_id, app_id, store_hash, received_at, scope, webhook_id, signature, quarantine, event_id,
        request_id, octet_length(body)::bigint AS bytes,
        sha256(CASE WHEN webhook_id IS NULL THEN 'body:'::bytea || body
          ELSE convert_to('id:' || webhook_id, 'UTF8') END) AS key
      FROM deliveries AS delivery
      WHERE delivery_id < bounds.top AND delivery_id >= bounds.low
        AND received_on >= coalesce(($11::timestamptz AT TIME ZONE 'UTC')::date - 2, '-infinity')
        AND ($3::text IS NULL OR app_id = $3) AND ($4::text IS NULL OR store_hash = $4)
        AND ($5::text[] IS NULL OR store_hash = ANY ($5) OR EXISTS (
          SELECT FROM installations WHERE installations.app_id = delivery.app_id
            AND installations.store_hash = delivery.store_hash AND labels && $6))
        AND ($7::text[] = '{}' AND $8::text[] = '{}' OR scope = ANY ($7)
          OR EXISTS (SELECT FROM unnest($8::text[]) AS family WHERE starts_with(scope, family)))
        AND ($9::boolean IS NULL OR (event_id IS NOT NULL) = $9)
        AND ($10::text IS NULL OR signature = $10 OR starts_with(signature, $10 || ':'))
        AND ($11::timestamptz IS NULL OR received_at >= $11)
        AND ($12::timestamptz IS NULL OR received_at < $12)
      ORDER BY delivery_id DESC LIMIT $13
    ) AS found ON true
    LEFT JOIN delivery_keys AS known ON known.app_id = found.app_id AND known.store_hash = found.store_hash
      AND known.key = found.key
    ORDER BY found.delivery_id DESC
    """

  /// One delivery with its body as it arrived; `nil` when it is unknown or its day is over.
  package func find(
    _ id: Int64
  ) async throws(PostgresError) -> (delivery: DeliveryRecord, body: [UInt8])? {
    let result = try await database.query(
      Statement(
        """
        SELECT found.*, known.repeats FROM (
          SELECT delivery_id, app_id, store_hash, received_at, scope, webhook_id, signature, quarantine, event_id,
            request_id, octet_length(body)::bigint AS bytes, body,
            sha256(CASE WHEN webhook_id IS NULL THEN 'body:'::bytea || body
              ELSE convert_to('id:' || webhook_id, 'UTF8') END) AS key
          FROM deliveries WHERE delivery_id = $1
        ) AS found LEFT JOIN delivery_keys AS known ON known.app_id = found.app_id
          AND known.store_hash = found.store_hash AND known.key = found.key
        """, [id]))
    guard let row = result.rows.first else { return nil }
    return (try DeliveryRecord(row), try row.decode("body"))
  }

  /// Makes a new event of what a delivery said, with its audit row.
  ///
  /// The log stays as it is: it tells what was done when the delivery came.
  ///
  /// - Returns: the new event's ID.
  package func replay(
    _ delivery: DeliveryRecord, as content: Delivery.Content, act: Act
  ) async throws(PostgresError) -> String {
    try await database.committing { transaction throws(PostgresError) in
      let made = try await transaction.query(
        Statement(
          """
          INSERT INTO pending_events (app_id, store_hash, type, origin, occurred_at, data)
          VALUES ($1, $2, $3, 'repair', $4, $5::text::json) RETURNING event_id
          """,
          [
            delivery.installation.app.text, delivery.installation.store.text, content.scope,
            content.occurredAt, content.data,
          ]))
      guard let row = made.rows.first else {
        throw .decoding(column: "event_id", expected: "the new event's ID")
      }
      let event = try row.decode("event_id", as: String.self)
      let facts: JSONValue = [
        "delivery_id": .string(String(delivery.id)), "event_id": .string(event),
      ]
      _ = try await transaction.query(
        .audit(act, "replay_delivery", delivery.installation, facts))
      return event
    }
  }
}
