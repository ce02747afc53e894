package import Postgres

/// What the feed and the pushes have before them.
package struct Backlog: Hashable, Sendable {
  /// At most so many are counted: events in all, deliveries of each subscription.
  package static let mostCounted: Int64 = 10_000

  /// The position of the feed's newest event.
  package var position: Int64 = 0
  /// Events without a position.
  package var pendingEvents: Int64 = 0
  /// The numbers of the oldest and the newest of them.
  package var oldestPending: Int64?
  package var newestPending: Int64?
  /// How many there are of each state.
  package var subscriptions: [SubscriptionState: Int64] = [:]
  /// Deliveries that are not made, those of them that are due now, and dead letters.
  package var pending: Int64 = 0
  package var due: Int64 = 0
  package var dead: Int64 = 0
  /// For how long the one that is due longest has been.
  package var overdue: Duration = .zero
  /// Events that the last active subscription has not been given yet.
  package var behind: Int64 = 0

  package init() {}
}

/// Counts what waits, in a time that does not grow with what was done before.
package struct BacklogCount: Sendable {
  private let database: Database

  package init(database: Database) {
    self.database = database
  }

  package func read() async throws(PostgresError) -> Backlog {
    var backlog = Backlog()
    try await readFeed(into: &backlog)
    try await readPushes(into: &backlog)
    return backlog
  }

  private func readFeed(into backlog: inout Backlog) async throws(PostgresError) {
    let result = try await database.query(
      Statement(
        """
        SELECT last_position, number, oldest, (SELECT max(pending_id) FROM pending_events) AS newest
        FROM feed, (SELECT count(*) AS number, min(pending_id) AS oldest
          FROM (SELECT pending_id FROM pending_events ORDER BY pending_id LIMIT $1) AS first) AS waiting
        """, [Backlog.mostCounted]))
    guard let row = result.rows.first else {
      throw .decoding(column: "last_position", expected: "the feed's row")
    }
    backlog.position = try row.decode("last_position")
    backlog.pendingEvents = try row.decode("number")
    backlog.oldestPending = try row.decode("oldest")
    backlog.newestPending = try row.decode("newest")
  }

  /// Subscription by subscription, in the order of the indexes of what is pending and what is dead:
  /// so the limit ends the walk.
  private func readPushes(into backlog: inout Backlog) async throws(PostgresError) {
    let result = try await database.query(
      Statement(
        """
        SELECT state, count(*) AS number, sum(pending)::bigint AS pending, sum(due)::bigint AS due,
          sum(dead)::bigint AS dead, max(last_position - fanned_out_position) AS behind,
          coalesce(extract(epoch FROM now() - min(oldest)) * 1000000, 0)::bigint AS overdue
        FROM subscriptions AS known, feed,
          LATERAL (SELECT count(*) AS pending, count(*) FILTER (WHERE is_due) AS due,
              min(due_at) FILTER (WHERE is_due) AS oldest FROM (
            SELECT due_at, due_at <= now() AND known.state = 'active' AS is_due FROM push_deliveries AS push
            WHERE push.subscription_id = known.subscription_id AND push.state = 'pending'
            ORDER BY due_at LIMIT $1) AS counted) AS waiting,
          LATERAL (SELECT count(*) AS dead FROM (
            SELECT FROM push_deliveries AS push
            WHERE push.subscription_id = known.subscription_id AND push.state = 'dead'
            ORDER BY push_number LIMIT $1) AS counted) AS lost
        GROUP BY state
        """, [Backlog.mostCounted]))
    for row in result.rows {
      guard let state = SubscriptionState(rawValue: try row.decode("state")) else { continue }
      backlog.subscriptions[state] = try row.decode("number")
      backlog.pending += try row.decode("pending", as: Int64.self)
      backlog.due += try row.decode("due", as: Int64.self)
      backlog.dead += try row.decode("dead", as: Int64.self)
      guard state == .active else { continue }
      backlog.behind = try row.decode("behind")
      backlog.overdue = .microseconds(try row.decode("overdue", as: Int64.self))
    }
  }
}
