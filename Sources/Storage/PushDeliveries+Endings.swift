import Base
package import Postgres

extension PushDeliveries {
  /// Writes down how an attempt ended.
  ///
  /// - Returns: whether it was still this attempt's to say; not when its lease had ended and
  ///   another attempt began.
  package func finish(
    _ claim: PushClaim, _ attempt: PushAttempt, _ outcome: PushOutcome
  ) async throws(PostgresError) -> Bool {
    var entry = attempt.document.members ?? []
    entry.append(.init("attempt", .integer(claim.attempt)))
    let log = JSONValue.object(entry)
    let results: [QueryResult]
    switch outcome {
    case .delivered:
      results = try await database.transaction([
        ended(claim, log, state: "delivered", retry: nil), Self.succeeded(claim),
      ])
    case .failed(let retry, let pause):
      results = try await database.transaction([
        ended(claim, log, state: retry == nil ? "dead" : "pending", retry: retry),
        Self.failed(claim, pause: pause),
      ])
    case .gone:
      results = try await database.transaction(
        [ended(claim, log, state: "dead", retry: nil)] + Self.gone(claim))
    }
    return results.first?.affected == 1
  }

  /// The log keeps the last 20 attempts, for replays add to it.
  private func ended(
    _ claim: PushClaim, _ log: JSONValue, state: String, retry: Duration?
  ) -> Statement {
    Statement(
      """
      UPDATE push_deliveries SET state = $4, lease_id = NULL,
        due_at = CASE WHEN $4 = 'pending' THEN now() + $5 * interval '1 microsecond' ELSE due_at END,
        finished_at = CASE WHEN $4 = 'pending' THEN NULL ELSE now() END,
        log = CASE WHEN jsonb_array_length(log) >= 20 THEN log - 0 ELSE log END || $6::jsonb
      WHERE subscription_id = $1 AND push_number = $2 AND lease_id = $3 AND state = 'pending'
      """,
      [
        claim.subscription, claim.number, claim.lease, state, (retry ?? .zero).inMicroseconds,
        JSONValue.array([log]),
      ])
  }

  /// Written seldom while all goes well: the row is every attempt's.
  private static func succeeded(_ claim: PushClaim) -> Statement {
    Statement(
      """
      UPDATE subscriptions SET failures = 0, failing_since = NULL, paused_until = NULL, last_succeeded_at = now()
      WHERE subscription_id = $1
        AND (failures > 0 OR coalesce(last_succeeded_at < now() - interval '5 seconds', true))
      """, [claim.subscription])
  }

  private static func failed(_ claim: PushClaim, pause: Duration) -> Statement {
    Statement(
      """
      UPDATE subscriptions SET failures = failures + 1, failing_since = coalesce(failing_since, now()),
        last_failed_at = now(), paused_until = greatest(paused_until, now() + $2 * interval '1 microsecond')
      WHERE subscription_id = $1 AND state = 'active'
      """, [claim.subscription, pause.inMicroseconds])
  }

  private static func gone(_ claim: PushClaim) -> [Statement] {
    [
      Statement(
        """
        WITH ended AS (
          UPDATE subscriptions SET state = 'gone', state_changed_at = now()
          WHERE subscription_id = $1 AND state = 'active' RETURNING subscription_id, app_id
        ), told AS (
          INSERT INTO pending_events (app_id, store_hash, type, data)
          SELECT apps.app_id, '', 'app/subscription_gone', json_build_object('subscription_id', subscription_id)
          FROM ended JOIN apps ON ended.app_id IS NULL OR apps.app_id = ended.app_id
        )
        INSERT INTO audit (actor, action, app_id, details)
        SELECT 'latchkey', 'subscription_gone', app_id, jsonb_build_object('subscription_id', subscription_id)
        FROM ended
        """, [claim.subscription]),
      Statement(
        """
        UPDATE push_deliveries SET state = 'dead', lease_id = NULL, finished_at = now()
        WHERE subscription_id = $1 AND state = 'pending'
          AND EXISTS (SELECT FROM subscriptions WHERE subscription_id = $1 AND state = 'gone')
        """, [claim.subscription]),
    ]
  }

  /// Disables subscriptions that have had nothing but failures for so long, and tells the feed.
  ///
  /// - Returns: their IDs.
  package func disable(failingFor time: Duration) async throws(PostgresError) -> [String] {
    try await database.query(
      Statement(
        """
        WITH ended AS (
          UPDATE subscriptions SET state = 'disabled', state_changed_at = now()
          WHERE subscription_id IN (SELECT subscription_id FROM subscriptions
            WHERE state = 'active' AND last_failed_at - failing_since >= $1 * interval '1 microsecond'
            FOR UPDATE SKIP LOCKED)
          RETURNING subscription_id, app_id, failing_since
        ), told AS (
          INSERT INTO pending_events (app_id, store_hash, type, data)
          SELECT apps.app_id, '', 'app/subscription_disabled', json_build_object(
            'subscription_id', subscription_id, 'failing_since',
            to_char(failing_since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
          FROM ended JOIN apps ON ended.app_id IS NULL OR apps.app_id = ended.app_id
        ), audited AS (
          INSERT INTO audit (actor, action, app_id, details)
          SELECT 'latchkey', 'subscription_disable', app_id, jsonb_build_object('subscription_id', subscription_id)
          FROM ended
        )
        SELECT subscription_id FROM ended
        """, [time.inMicroseconds])
    ).rows.map { row throws(PostgresError) in try row.decode("subscription_id") }
  }

  /// Forgets what was delivered longer ago than that; dead letters stay.
  ///
  /// - Returns: how many, at most ``Retention/batch``.
  package func forget(after days: Int) async throws(PostgresError) -> Int {
    try await database.query(
      Statement(
        """
        DELETE FROM push_deliveries WHERE (subscription_id, push_number) IN (
          SELECT subscription_id, push_number FROM push_deliveries
          WHERE state = 'delivered' AND finished_at < now() - make_interval(days => $1::integer)
          LIMIT $2 FOR UPDATE SKIP LOCKED)
        """, [days, Retention.batch])
    ).affected
  }
}
