package import Base
package import Postgres

/// Which part of the usage is asked for, and how it is summed up.
package struct UsageQuestion: Hashable, Sendable {
  /// How long the time is that one row stands for, and the counters that answer it.
  package enum Grain: String, CaseIterable, Sendable {
    case minute, hour, day
  }

  package var app: AppName
  /// `nil`: all stores of the app.
  package var store: StoreHash?
  /// The ID of a caller's key; `nil`: all callers.
  package var caller: String?
  /// The name of a family of endpoints; `nil`: all.
  package var family: String?
  /// The counters that are read.
  package var grain: Grain
  package var since: Timestamp
  /// Not included.
  package var until: Timestamp
  /// Whether there is a row for each minute, hour or day, or one for the whole time.
  package var byTime = true
  package var byStore = false
  package var byCaller = false
  package var byFamily = false

  package init(app: AppName, grain: Grain, since: Timestamp, until: Timestamp) {
    self.app = app
    self.grain = grain
    self.since = since
    self.until = until
  }
}

/// A row of the answer; what is summed up over is `nil`.
package struct UsageRow: Sendable {
  /// Names the row within its answer, and gives it its place there.
  package struct Key: Hashable, Sendable {
    package var store: String?
    package var startsAt: Timestamp?
    package var caller: String?
    package var family: String?

    package init(store: String?, startsAt: Timestamp?, caller: String?, family: String?) {
      self.store = store
      self.startsAt = startsAt
      self.caller = caller
      self.family = family
    }
  }

  package let key: Key
  /// The name that the caller's key has, if there is such a key still.
  package let callerName: String?
  package let counts: UsageCounts
}

/// Reads what calls came to.
package struct UsageReading: Sendable {
  private let database: Database

  package init(database: Database) {
    self.database = database
  }

  /// At most `limit` rows behind `after`, by store, time, caller and family.
  ///
  /// The sum over all stores has rows of its own, so that it is not made of each store's. The server
  /// plans with the values, so what is not asked for is not in its plan.
  package func read(
    _ question: UsageQuestion, after: UsageRow.Key?, limit: Int
  ) async throws(PostgresError) -> [UsageRow] {
    let result = try await database.query(
      Statement(
        UsageReading.sums,
        [
          question.app.text, question.store?.text ?? "", question.byStore && question.store == nil,
          question.grain.rawValue, question.since, question.until, question.caller, question.family,
          question.byStore, question.byTime, question.byCaller, question.byFamily,
          after != nil, after?.store ?? "", after?.startsAt ?? question.since, after?.caller ?? "",
          after?.family ?? "", limit,
        ]))
    var rows: [UsageRow] = []
    for row in result.rows { rows.append(try UsageRow(row, question)) }
    return rows
  }

  private static let sums: StaticString = """
    WITH summed AS (
      SELECT CASE WHEN $9 THEN store_hash ELSE '' END AS store_hash,
        CASE WHEN $10 THEN starts_at ELSE $5 END AS starts_at,
        CASE WHEN $11 THEN key_id ELSE '' END AS key_id, CASE WHEN $12 THEN family ELSE '' END AS family,
        ARRAY[sum(calls), sum(rejected), sum(throttled), sum(failed), sum(refused), sum(abandoned), sum(waited),
          sum(waited_us), sum(sent_bytes), sum(received_bytes), sum(latency_us), sum(within_10ms), sum(within_25ms),
          sum(within_50ms), sum(within_100ms), sum(within_250ms), sum(within_500ms), sum(within_1s),
          sum(within_2500ms), sum(within_5s), sum(within_10s), sum(within_30s), sum(longer)]::bigint[] AS counts
      FROM usage
      WHERE app_id = $1 AND (CASE WHEN $3 THEN store_hash > '' ELSE store_hash = $2 END)
        AND grain = $4 AND starts_at >= $5 AND starts_at < $6
        AND ($7::text IS NULL OR key_id = $7) AND ($8::text IS NULL OR family = $8)
        AND (NOT $13 OR NOT $3 OR store_hash >= $14)
      GROUP BY 1, 2, 3, 4
    )
    SELECT summed.*, name FROM summed LEFT JOIN service_keys USING (key_id)
    WHERE NOT $13 OR (store_hash, starts_at, summed.key_id, family) > ($14, $15, $16, $17)
    ORDER BY store_hash, starts_at, summed.key_id, family
    LIMIT $18
    """
}

extension UsageRow {
  fileprivate init(_ row: Row, _ question: UsageQuestion) throws(PostgresError) {
    let store = try row.decode("store_hash", as: String.self)
    let startsAt = try row.decode("starts_at", as: Timestamp.self)
    let caller = try row.decode("key_id", as: String.self)
    let family = try row.decode("family", as: String.self)
    key = Key(
      store: question.byStore ? store : nil, startsAt: question.byTime ? startsAt : nil,
      caller: question.byCaller ? caller : nil, family: question.byFamily ? family : nil)
    callerName = try row.decode("name")
    guard let counts = UsageCounts(try row.decode("counts", as: [Int64].self)) else {
      throw .decoding(column: "counts", expected: "23 numbers")
    }
    self.counts = counts
  }
}
