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
    let keep = Statement(
      "SELECT keep_deliveries($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) AS kept",
      [
        deliveries.map(\.installation.app.text), deliveries.map(\.installation.store.text),
        deliveries.map(\.key), deliveries.map(\.receivedAt.microseconds),
        deliveries.map(\.scope), deliveries.map { $0.webhookID ?? "" },
        deliveries.map(\.signature), deliveries.map(\.quarantine),
        deliveries.map(\.requestID.text), deliveries.map(\.body),
        contents.map { $0?.occurredAt.microseconds ?? 0 }, contents.map { $0?.data ?? "" },
      ])
    let signals = DeliverySignals(of: deliveries).statements
    let kept =
      signals.isEmpty
      ? try await database.query(keep)
      : try await database.transaction([keep] + signals).first
    return try kept?.rows.first?.decode("kept") ?? 0
  }

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
