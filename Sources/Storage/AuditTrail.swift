package import Base
package import Postgres

/// One act of the audit trail.
package struct AuditRecord: Hashable, Sendable {
  package let id: Int64
  package let at: Timestamp
  /// `bigcommerce`, `latchkey`, `bootstrap` or the ID of a key.
  package let actor: String
  /// The name of the actor's key, if there is such a key still.
  package let actorName: String?
  /// What was done, a fixed word such as `key_create`.
  package let action: String
  package let app: String?
  package let store: String?
  package let requestID: String?
  /// A JSON object with identifiers only.
  package let details: String

  init(_ row: Row) throws(PostgresError) {
    id = try row.decode("audit_id")
    at = try row.decode("at")
    actor = try row.decode("actor")
    actorName = try row.decode("name")
    action = try row.decode("action")
    app = try row.decode("app_id")
    store = try row.decode("store_hash")
    requestID = try row.decode("request_id")
    details = try row.decode("details")
  }
}

/// Which acts a list shows.
package struct AuditFilter: Hashable, Sendable {
  package var app: AppName?
  package var store: StoreHash?
  package var actor: String?
  package var action: String?
  package var since: Timestamp?
  package var until: Timestamp?

  package init() {}
}

/// Reads the audit trail, which nothing but inserts changes.
package struct AuditTrail: Sendable {
  /// At most so many acts are looked at in one query, so that a rare filter costs no more than a
  /// common one.
  private static let span: Int64 = 20_000

  private let database: Database

  package init(database: Database) {
    self.database = database
  }

  /// The newest acts before that one, at most `limit`.
  ///
  /// - Returns: also how far was looked; `nil` when nothing older is kept.
  package func read(
    before: Int64?, _ filter: AuditFilter, limit: Int
  ) async throws(PostgresError) -> (acts: [AuditRecord], before: Int64?) {
    let result = try await database.query(
      Statement(
        """
        WITH ends AS MATERIALIZED (
          SELECT least($1, (SELECT max(audit_id) + 1 FROM audit)) AS top, (SELECT min(audit_id) FROM audit) AS lowest
        )
        SELECT greatest(top - $2, lowest) AS low, lowest, found.* FROM ends LEFT JOIN LATERAL (
          SELECT audit_id, at, actor, name, action, audit.app_id, store_hash, request_id, details::text AS details
          FROM audit LEFT JOIN service_keys ON key_id = actor
          WHERE audit_id < top AND audit_id >= greatest(top - $2, lowest)
            AND ($3::text IS NULL OR audit.app_id = $3) AND ($4::text IS NULL OR store_hash = $4)
            AND ($5::text IS NULL OR actor = $5) AND ($6::text IS NULL OR action = $6)
            AND ($7::timestamptz IS NULL OR at >= $7) AND ($8::timestamptz IS NULL OR at < $8)
          ORDER BY audit_id DESC LIMIT $9
        ) AS found ON true
        """,
        [
          before ?? Int64.max, AuditTrail.span, filter.app?.text, filter.store?.text, filter.actor,
          filter.action, filter.since, filter.until, limit,
        ]))
    guard let first = result.rows.first else {
      throw .decoding(column: "low", expected: "how far was looked")
    }
    // NULL when nothing at all is kept.
    let low = try first.decode("low", as: Int64?.self)
    let lowest = try first.decode("lowest", as: Int64?.self)
    var acts: [AuditRecord] = []
    if try first.decode("audit_id", as: Int64?.self) != nil {
      for row in result.rows { acts.append(try AuditRecord(row)) }
    }
    let reached = acts.count < limit ? low : acts.last?.id
    guard let reached, let lowest, reached > lowest else { return (acts, nil) }
    return (acts, reached)
  }
}
