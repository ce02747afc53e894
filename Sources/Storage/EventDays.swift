package import Postgres

/// The daily partitions of deliveries and events.
package struct EventDays: Sendable {
  /// How many days beyond today have their partition, so that a database whose replicas are all
  /// away does not run out of them.
  package static let ahead = 14

  private let database: Database

  package init(database: Database) {
    self.database = database
  }

  /// Makes what is missing of today's and the next days'.
  ///
  /// - Returns: how many partitions.
  @discardableResult
  package func make() async throws(PostgresError) -> Int {
    try await one(Statement("SELECT make_event_days($1::integer) AS days", [EventDays.ahead]))
  }

  /// Drops what is older than so many days; it waits for readers only a moment.
  ///
  /// - Returns: how many partitions.
  /// - Throws: `server(sqlState: "55P03", …)` when somebody reads for so long that the next round
  ///   must try again.
  @discardableResult
  package func drop(
    eventsOlderThan events: Int, deliveriesOlderThan deliveries: Int
  ) async throws(PostgresError) -> Int {
    try await one(
      Statement(
        "SELECT drop_event_days($1::integer, $2::integer) AS days", [events, deliveries]))
  }

  private func one(_ statement: Statement) async throws(PostgresError) -> Int {
    let result = try await database.query(statement)
    guard let row = result.rows.first else {
      throw .decoding(column: "days", expected: "a number of days")
    }
    return Int(try row.decode("days", as: Int32.self))
  }
}
