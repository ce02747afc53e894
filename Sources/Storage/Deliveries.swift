package import Base
package import Postgres

/// One request with which BigCommerce told us of something, after it was found genuine.
package struct Delivery: Hashable, Sendable {
  /// What goes into the feed.
  package struct Content: Hashable, Sendable {
    /// The event's type, such as `store/order/created`.
    package let scope: String
    /// When it happened, by BigCommerce's clock.
    package let occurredAt: Timestamp
    /// The payload's `data`, as JSON text.
    package let data: String

    package init(scope: String, occurredAt: Timestamp, data: String) {
      self.scope = scope
      self.occurredAt = occurredAt
      self.data = data
    }
  }

  /// What becomes of it.
  package enum Fate: Hashable, Sendable {
    case event(Content)
    /// Kept in the log, but not in the feed; the reason is a fixed word.
    case quarantined(reason: String, scope: String?)
  }

  package let installation: InstallationID
  /// What repetitions of it have in common.
  package let key: [UInt8]
  package let receivedAt: Timestamp
  package let webhookID: String?
  /// What became of the check of its signature, a fixed word.
  package let signature: String
  package let fate: Fate
  package let requestID: RequestID
  package let body: [UInt8]

  package init(
    installation: InstallationID, key: [UInt8], receivedAt: Timestamp, webhookID: String?,
    signature: String, fate: Fate, requestID: RequestID, body: [UInt8]
  ) {
    self.installation = installation
    self.key = key
    self.receivedAt = receivedAt
    self.webhookID = webhookID
    self.signature = signature
    self.fate = fate
    self.requestID = requestID
    self.body = body
  }
}

/// Writes deliveries: many in one statement, each once.
package struct Deliveries: Sendable {
  /// How long a repetition is known for one.
  package static let repeatsKnownFor = Duration.seconds(96 * 3600)

  private let database: Database

  package init(database: Database) {
    self.database = database
  }

  /// Puts all of them into the log, and those that are events among the pending ones.
  ///
  /// A repetition only counts at the first's key. It writes all the same: when this returns, the
  /// first is durable, whoever wrote it.
  ///
  /// - Returns: how many were no repetitions.
  @discardableResult
  package func record(_ deliveries: [Delivery]) async throws(PostgresError) -> Int {
    let contents = deliveries.map(\.content)
    let insert = Statement(
      Deliveries.insert,
      [
        deliveries.map(\.installation.app.text), deliveries.map(\.installation.store.text),
        deliveries.map(\.key), deliveries.map(\.receivedAt.microseconds),
        deliveries.map(\.scope), deliveries.map { $0.webhookID ?? "" },
        deliveries.map(\.signature), deliveries.map(\.quarantine),
        deliveries.map(\.requestID.text), deliveries.map(\.body),
        contents.map { $0?.occurredAt.microseconds ?? 0 }, contents.map { $0?.data ?? "" },
      ])
    let signals = DeliverySignals(of: deliveries).statements
    guard !signals.isEmpty else { return try await database.query(insert).affected }
    return try await database.transaction([insert] + signals).first?.affected ?? 0
  }

  /// Empty texts stand for NULL, because arrays hold none.
  ///
  /// Keys are written in their order, so that two batches never wait for each other in a circle.
  private static let insert: StaticString = """
    WITH incoming AS MATERIALIZED (
      SELECT DISTINCT ON (app_id, store_hash, key) *,
        count(*) OVER (PARTITION BY app_id, store_hash, key) AS copies
      FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bigint[], $5::text[], $6::text[], $7::text[],
        $8::text[], $9::text[], $10::bytea[], $11::bigint[], $12::text[]) WITH ORDINALITY
        AS row (app_id, store_hash, key, received_at, scope, webhook_id, signature, quarantine, request_id,
          body, occurred_at, data, number)
      ORDER BY app_id, store_hash, key, number
    ), known AS (
      INSERT INTO delivery_keys AS known (app_id, store_hash, key, repeats)
      SELECT app_id, store_hash, key, copies - 1 FROM incoming ORDER BY 1, 2, 3
      ON CONFLICT (app_id, store_hash, key) DO UPDATE SET repeats = known.repeats + excluded.repeats + 1
      RETURNING app_id, store_hash, key, repeats
    ), fresh AS MATERIALIZED (
      SELECT incoming.*, CASE WHEN quarantine = '' THEN 'evt_' || replace(gen_random_uuid()::text, '-', '') END
        AS event_id
      FROM incoming JOIN known USING (app_id, store_hash, key) WHERE repeats < copies ORDER BY number
    ), queued AS (
      INSERT INTO pending_events (app_id, store_hash, event_id, type, origin, occurred_at, data)
      SELECT app_id, store_hash, event_id, scope, 'platform',
        timestamptz 'epoch' + occurred_at * interval '1 microsecond', data::json
      FROM fresh WHERE event_id IS NOT NULL ORDER BY number
    )
    INSERT INTO deliveries (app_id, store_hash, received_at, scope, webhook_id, signature, quarantine, event_id,
      request_id, body)
    SELECT app_id, store_hash, timestamptz 'epoch' + received_at * interval '1 microsecond', nullif(scope, ''),
      nullif(webhook_id, ''), signature, nullif(quarantine, ''), event_id, request_id, body
    FROM fresh
    """

  /// Forgets keys of deliveries that BigCommerce no longer repeats; a bounded piece.
  ///
  /// - Returns: how many.
  package func forgetKeys() async throws(PostgresError) -> Int {
    try await database.query(
      Statement(
        """
        WITH due AS MATERIALIZED (
          SELECT app_id, store_hash, key FROM delivery_keys
          WHERE first_received_at < now() - $1::bigint * interval '1 microsecond'
          LIMIT $2 FOR UPDATE SKIP LOCKED
        )
        DELETE FROM delivery_keys USING due
        WHERE (delivery_keys.app_id, delivery_keys.store_hash, delivery_keys.key)
          = (due.app_id, due.store_hash, due.key)
        """, [Deliveries.repeatsKnownFor.inMicroseconds, Retention.batch])
    ).affected
  }
}

extension Delivery {
  var content: Content? {
    if case .event(let content) = fate { content } else { nil }
  }

  fileprivate var scope: String {
    switch fate {
    case .event(let content): content.scope
    case .quarantined(_, let scope): scope ?? ""
    }
  }

  fileprivate var quarantine: String {
    if case .quarantined(let reason, _) = fate { reason } else { "" }
  }
}
