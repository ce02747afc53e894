import Base
package import Postgres

/// Moves pending events into the feed and gives them their positions: without gaps, in one order.
///
/// One replica does it at a time, under a short lease. The lease only spares work: the row of the
/// feed is locked by each batch, so two that believe to hold it still take turns.
package struct Sequencer: Sendable {
  /// How long a holder may be silent before another takes over.
  package static let lease = Duration.seconds(3)
  /// At most so many events in one transaction.
  package static let batch = 1000

  /// What one transaction moved.
  package struct Moved: Sendable {
    package let count: Int
    /// The highest number among the pending events that moved; `nil` when none did.
    package let last: Int64?

    /// Whether more may wait behind ``last``.
    package var isFull: Bool { count == Sequencer.batch }
  }

  private let database: Database
  private let holder: String

  /// `holder` names this replica, differently from every other.
  package init(database: Database, holder: String) {
    self.database = database
    self.holder = holder
  }

  /// Takes or keeps the lease; notices when the feed stands on another history than before.
  ///
  /// - Returns: whether this replica holds it now.
  package func claim() async throws(PostgresError) -> Bool {
    let results = try await database.transaction([
      Statement(
        """
        UPDATE feed SET lease_holder = $1, lease_until = now() + $2 * interval '1 microsecond'
        WHERE lease_holder IS NULL OR lease_holder = $1 OR lease_until < now()
        """, [holder, Sequencer.lease.inMicroseconds]),
      // Another server, or another timeline of it: events that somebody has read may be lost, and
      // their positions are given again.
      Statement(
        """
        WITH here AS (
          SELECT system_identifier || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8) || '/'
            || (SELECT oid FROM pg_database WHERE datname = current_database()) AS server
          FROM pg_control_system()
        ), was AS (
          SELECT server FROM feed
        ), moved AS (
          UPDATE feed SET server = here.server FROM here
          WHERE lease_holder = $1 AND feed.server <> here.server RETURNING last_position
        )
        INSERT INTO feed_epochs (epoch, begins_after)
        SELECT (SELECT max(epoch) + 1 FROM feed_epochs), last_position FROM moved, was WHERE was.server <> ''
        """, [holder]),
    ])
    return (results.first?.affected ?? 0) > 0
  }

  /// Gives the lease up, so that another replica need not wait for its end.
  package func release() async throws(PostgresError) {
    _ = try await database.query(
      Statement("UPDATE feed SET lease_holder = NULL WHERE lease_holder = $1", [holder]))
  }

  /// The newest pending event's number, `nil` when there is none.
  package func newestPending() async throws(PostgresError) -> Int64? {
    try await database.query(Statement("SELECT max(pending_id) AS newest FROM pending_events"))
      .rows.first?.decode("newest")
  }

  /// Moves at most ``batch`` pending events above a number into the feed.
  ///
  /// Numbers are given before commits, so a lower one may still come: `above` must lie so far back
  /// that no transaction from then is open, or be where a full batch ended, and from time to time be
  /// 0. That it is given at all keeps a batch from walking over all rows that are deleted but not
  /// cleaned up yet.
  ///
  /// A connection may lead to another history from one statement to the next (a standby took over, a
  /// backup took the database's place), and the lease is in that one, too. So nothing moves until
  /// ``claim()`` has noticed.
  ///
  /// - Returns: what moved; nothing also when another replica holds the lease.
  package func step(above: Int64) async throws(PostgresError) -> Moved {
    let results = try await database.transaction([
      Statement(
        "UPDATE feed SET lease_until = now() + $2 * interval '1 microsecond' WHERE lease_holder = $1",
        [holder, Sequencer.lease.inMicroseconds]),
      // A day never goes back, whatever the server's clock does: readers look for a position from
      // its day on.
      Statement(
        """
        WITH here AS MATERIALIZED (
          SELECT system_identifier || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8) || '/'
            || (SELECT oid FROM pg_database WHERE datname = current_database()) AS server
          FROM pg_control_system()
        ), taken AS (
          DELETE FROM pending_events WHERE pending_id IN (
            SELECT pending_id FROM pending_events WHERE pending_id > $2
              AND EXISTS (SELECT FROM feed, here WHERE lease_holder = $1 AND feed.server = here.server)
            ORDER BY pending_id LIMIT $3)
          RETURNING *
        ), numbered AS (
          SELECT *, row_number() OVER (ORDER BY pending_id) AS number FROM taken
        ), moved AS (
          UPDATE feed SET last_position = last_position + (SELECT count(*) FROM taken)
          WHERE EXISTS (SELECT FROM taken)
          RETURNING last_position - (SELECT count(*) FROM taken) AS before
        ), today AS (
          SELECT greatest((now() AT TIME ZONE 'UTC')::date, (SELECT max(day) FROM event_days)) AS day
        ), marked AS (
          INSERT INTO event_days (day, first_position) SELECT day, before + 1 FROM today, moved
          ON CONFLICT DO NOTHING
        ), placed AS (
          INSERT INTO events (app_id, store_hash, position, recorded_on, recorded_at, event_id, type, origin,
            occurred_at, data, synthetic)
          SELECT app_id, store_hash, before + number, day, now(), event_id, type, origin, occurred_at, data, synthetic
          FROM numbered, moved, today
        )
        SELECT count(*) AS count, max(pending_id) AS last FROM taken
        """, [holder, above, Int64(Sequencer.batch)]),
    ])
    guard let row = results.last?.rows.first else {
      throw .decoding(column: "count", expected: "how many events moved")
    }
    return Moved(count: Int(try row.decode("count", as: Int64.self)), last: try row.decode("last"))
  }
}
