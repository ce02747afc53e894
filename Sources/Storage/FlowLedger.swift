package import Base
package import Postgres

/// What came in and went out through one replica: numbers that add up.
package struct FlowCounts: Hashable, Sendable {
  /// Requests to webhook addresses that were answered well, repetitions too.
  package var deliveriesTaken: Int64 = 0
  /// The others.
  package var deliveriesRefused: Int64 = 0
  /// Attempts to push that arrived.
  package var pushesMade: Int64 = 0
  /// Attempts that did not.
  package var pushesFailed: Int64 = 0

  package init() {}

  package static func - (all: FlowCounts, told: FlowCounts) -> FlowCounts {
    var rest = all
    rest.deliveriesTaken -= told.deliveriesTaken
    rest.deliveriesRefused -= told.deliveriesRefused
    rest.pushesMade -= told.pushesMade
    rest.pushesFailed -= told.pushesFailed
    return rest
  }
}

/// What a replica tells of a minute: what it counted, and what it saw waiting.
package struct FlowBatch: Hashable, Sendable {
  /// Minutes since 1970.
  package let minute: Int64
  package let counts: FlowCounts
  package let backlog: Backlog
  /// How long the oldest event without a position has been seen to wait.
  package let feedLag: Duration

  package init(minute: Int64, counts: FlowCounts, backlog: Backlog, feedLag: Duration) {
    self.minute = minute
    self.counts = counts
    self.backlog = backlog
    self.feedLag = feedLag
  }

  /// In the order of `add_flow`.
  fileprivate var numbers: [Int64] {
    [
      counts.deliveriesTaken, counts.deliveriesRefused, counts.pushesMade, counts.pushesFailed,
      backlog.position, backlog.pendingEvents, backlog.behind, backlog.pending, backlog.due,
      backlog.dead, feedLag.inMicroseconds, backlog.overdue.inMicroseconds,
    ]
  }
}

/// A minute or an hour of all replicas together.
package struct FlowRow: Hashable, Sendable {
  package let startsAt: Timestamp
  package let counts: FlowCounts
  /// How many came into the feed.
  package let events: Int64
  /// The most that was seen at once of each; subscriptions are not told.
  package let most: Backlog
  package let feedLag: Duration
}

/// Writes down and tells what came in, went out and waited.
package struct FlowLedger: Sendable {
  /// How long the time is that a row stands for.
  package enum Grain: String, CaseIterable, Sendable {
    case minute, hour
  }

  /// In days.
  package static let minutesKept = 7
  package static let hoursKept = 400

  private let database: Database

  package init(database: Database) {
    self.database = database
  }

  /// Counts a batch, unless one of the writer's with that number or a higher one was counted
  /// before.
  ///
  /// - Returns: whether it was counted now.
  @discardableResult
  package func add(
    _ batch: FlowBatch, number: Int64, of writer: String
  ) async throws(PostgresError) -> Bool {
    let result = try await database.query(
      Statement(
        "SELECT add_flow($1, $2, $3, $4::bigint[]) AS counted",
        [writer, number, batch.minute, batch.numbers]))
    guard let row = result.rows.first else {
      throw .decoding(column: "counted", expected: "a row")
    }
    return try row.decode("counted")
  }

  /// The steps from `since` on and before `until`, the oldest first, at most `limit`; those in
  /// which no replica was there are absent.
  ///
  /// Events are told apart by the feed's position at the end of the step before, which may be
  /// before `since`.
  package func read(
    _ grain: Grain, since: Timestamp, until: Timestamp, limit: Int
  ) async throws(PostgresError) -> [FlowRow] {
    let result = try await database.query(
      Statement(
        """
        SELECT * FROM (
          SELECT *, greatest(0, last_position - coalesce(lag(last_position) OVER (ORDER BY starts_at),
            first_position)) AS events
          FROM flow
          WHERE grain = $1 AND starts_at < $3 AND starts_at >= coalesce(
            (SELECT max(starts_at) FROM flow AS earlier WHERE grain = $1 AND starts_at < $2), $2)
        ) AS steps
        WHERE starts_at >= $2 ORDER BY starts_at LIMIT $4
        """, [grain.rawValue, since, until, limit]))
    var rows: [FlowRow] = []
    for row in result.rows { rows.append(try FlowRow(row)) }
    return rows
  }

  /// Forgets what is older than is kept.
  ///
  /// - Returns: how many minutes and hours.
  @discardableResult
  package func forget() async throws(PostgresError) -> Int {
    try await database.query(
      Statement(
        """
        DELETE FROM flow WHERE grain = 'minute' AND starts_at < now() - make_interval(days => $1::integer)
          OR grain = 'hour' AND starts_at < now() - make_interval(days => $2::integer)
        """, [FlowLedger.minutesKept, FlowLedger.hoursKept])
    ).affected
  }
}

extension FlowRow {
  fileprivate init(_ row: Row) throws(PostgresError) {
    startsAt = try row.decode("starts_at")
    events = try row.decode("events")
    feedLag = .microseconds(try row.decode("feed_lag_us", as: Int64.self))
    var counts = FlowCounts()
    counts.deliveriesTaken = try row.decode("deliveries_taken")
    counts.deliveriesRefused = try row.decode("deliveries_refused")
    counts.pushesMade = try row.decode("pushes_made")
    counts.pushesFailed = try row.decode("pushes_failed")
    self.counts = counts
    var most = Backlog()
    most.position = try row.decode("last_position")
    most.pendingEvents = try row.decode("pending_events")
    most.behind = try row.decode("behind_events")
    most.pending = try row.decode("pushes_pending")
    most.due = try row.decode("pushes_due")
    most.dead = try row.decode("pushes_dead")
    most.overdue = .microseconds(try row.decode("push_lag_us", as: Int64.self))
    self.most = most
  }
}
