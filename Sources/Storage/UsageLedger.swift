import Base
package import Postgres

/// Writes what calls came to, and forgets it when its time is over.
package struct UsageLedger: Sendable {
  /// How many cells one statement takes at most.
  package static let batch = 500
  /// How long minutes are kept at most, in days; hours and days are kept as long as the setting
  /// says.
  package static let minutesKept = 7
  /// How many days beyond today have their partition.
  package static let ahead = 14

  private let database: Database

  package init(database: Database) {
    self.database = database
  }

  /// Counts the cells, at most ``batch``, unless a batch of the writer's with that number or a
  /// higher one was counted before.
  ///
  /// - Returns: whether they were counted now.
  /// - Throws: `checkViolation` when the partition of a cell's day is missing; nothing is counted
  ///   then.
  @discardableResult
  package func add(
    _ cells: [UsageCell], batch number: Int64, of writer: String
  ) async throws(PostgresError) -> Bool {
    let result = try await database.query(
      Statement(
        """
        SELECT add_usage($1, $2, $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::bigint[]) AS counted
        """,
        [
          writer, number, cells.map(\.installation.app.text), cells.map(\.installation.store.text),
          cells.map(\.minute), cells.map(\.key), cells.map(\.family),
          cells.flatMap(\.counts.numbers),
        ]))
    return try result.only("counted")
  }

  /// Makes what is missing of the partitions of so many days back, as far as minutes are kept, of
  /// today and of the next days.
  ///
  /// - Returns: how many.
  @discardableResult
  package func makeDays(keeping days: Int) async throws(PostgresError) -> Int {
    let result = try await database.query(
      Statement(
        "SELECT make_usage_days($1::integer, $2::integer) AS days",
        [min(days, UsageLedger.minutesKept), UsageLedger.ahead]))
    return Int(try result.only("days", as: Int32.self))
  }

  /// Drops minutes that are older than so many days, or than ``minutesKept`` when that is less.
  ///
  /// - Returns: how many days' partitions.
  /// - Throws: `server(sqlState: "55P03", …)` when somebody reads for so long that the next round
  ///   must try again.
  package func dropMinutes(olderThan days: Int) async throws(PostgresError) -> Int {
    let result = try await database.query(
      Statement(
        "SELECT drop_usage_days($1::integer) AS days", [min(days, UsageLedger.minutesKept)]))
    return Int(try result.only("days", as: Int32.self))
  }

  /// Forgets a bounded number of hours and days older than so many days, and of writers that are
  /// gone.
  ///
  /// - Returns: how many hours and days.
  package func forget(olderThan days: Int) async throws(PostgresError) -> Int {
    _ = try await database.query(
      Statement("DELETE FROM usage_writers WHERE written_at < now() - interval '2 days'"))
    let result = try await database.query(
      Statement(
        """
        WITH due AS MATERIALIZED (
          SELECT app_id, store_hash, grain, starts_at, key_id, family FROM usage
          WHERE grain IN ('hour', 'day')
            AND starts_at < date_trunc('day', now(), 'UTC') - make_interval(days => $1::integer)
          LIMIT $2 FOR UPDATE SKIP LOCKED
        )
        DELETE FROM usage USING due
        WHERE (usage.app_id, usage.store_hash, usage.grain, usage.starts_at, usage.key_id, usage.family)
          = (due.app_id, due.store_hash, due.grain, due.starts_at, due.key_id, due.family)
        """, [days, Retention.batch]))
    return result.affected
  }
}

extension QueryResult {
  /// The value of a column in the only row.
  fileprivate func only<Value: PostgresDecodable>(
    _ column: String, as type: Value.Type = Value.self
  ) throws(PostgresError) -> Value {
    guard let row = rows.first else {
      throw .decoding(column: column, expected: "a row")
    }
    return try row.decode(column)
  }
}
