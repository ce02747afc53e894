package import Base
package import Postgres

/// A push that this replica may attempt now, until its lease ends.
package struct PushClaim: Sendable {
  package let subscription: String
  package let number: Int64
  /// Names the attempt: only it may say how the attempt ended.
  package let lease: String
  package let url: String
  package let event: EventRecord
  /// This attempt counted.
  package let attempt: Int
  /// Attempts of the subscription that failed since the last that did not.
  package let failures: Int
  /// Of the subscription, for its secrets.
  package let app: AppName?
  /// Sealed, the newest first, with their numbers.
  package let secrets: [(number: Int64, sealed: [UInt8])]
}

/// What a subscription has not seen of the feed.
package struct PushGap: Sendable {
  package let subscription: String
  /// The last position that there was.
  package let through: Int64
  /// The days in which all of it was recorded, counted from the beginning of 2000.
  package let firstDay: Int64
  package let lastDay: Int64

  init(_ row: Row) throws(PostgresError) {
    subscription = try row.decode("subscription_id")
    through = try row.decode("last_position")
    firstDay = try row.decode("first_day")
    lastDay = try row.decode("last_day")
  }
}

/// How an attempt ended, as the log keeps it.
package struct PushAttempt: Hashable, Sendable {
  package let sentAt: Timestamp
  package let url: String
  /// Of the answer, `nil` when there was none.
  package let status: Int?
  /// A fixed word when it failed.
  package let failure: String?
  package let took: Duration
  /// The beginning of the answer's body, as text without control characters.
  package let answer: String

  package init(
    sentAt: Timestamp, url: String, status: Int?, failure: String?, took: Duration, answer: String
  ) {
    self.sentAt = sentAt
    self.url = url
    self.status = status
    self.failure = failure
    self.took = took
    self.answer = answer
  }

  package var document: JSONValue {
    [
      "sent_at": .string(sentAt.description), "url": .string(url),
      "status": status.map { .integer($0) } ?? .null,
      "failure": failure.map { .string($0) } ?? .null,
      "duration_ms": .integer(took.inMilliseconds), "answer": .string(answer),
    ]
  }
}

/// What becomes of a delivery after an attempt.
package enum PushOutcome: Hashable, Sendable {
  case delivered
  /// Not delivered. `retry`: when it is due again, `nil`: it is dead. `pause`: how long the
  /// subscription as a whole rests.
  case failed(retry: Duration?, pause: Duration)
  /// The subscriber wants nothing any more: the subscription ends.
  case gone
}

/// Pushes: made from the feed, claimed, and brought to an end.
package struct PushDeliveries: Sendable {
  /// How long an attempt may take before another replica makes it again.
  package static let lease = Duration.seconds(60)
  /// At most so many positions of the feed in one transaction.
  package static let span: Int64 = 1000

  let database: Database

  package init(database: Database) {
    self.database = database
  }

  /// What active subscriptions have not seen of the feed, the furthest behind first.
  package func gaps() async throws(PostgresError) -> [PushGap] {
    try await database.query(
      Statement(
        """
        SELECT subscription_id, last_position,
          coalesce((SELECT max(day) FROM event_days WHERE first_position <= fanned_out_position + 1) - date '2000-01-01',
            0)::bigint AS first_day,
          coalesce((SELECT max(day) FROM event_days) - date '2000-01-01', 0)::bigint AS last_day
        FROM subscriptions, feed
        WHERE state = 'active' AND fanned_out_position < last_position
        ORDER BY fanned_out_position
        """)
    ).rows.map { row throws(PostgresError) in try PushGap(row) }
  }

  /// Makes the deliveries of the next ``span`` positions of a gap, and moves the subscription's
  /// place: exactly once, because both are one statement and the feed has no gaps.
  ///
  /// - Returns: its place now; `nil` when another replica is at it, or has been.
  package func fanOut(_ gap: PushGap) async throws(PostgresError) -> Int64? {
    // The days are constants to the planner: it looks at no other partition.
    try await database.query(
      Statement(
        """
        WITH target AS MATERIALIZED (
          SELECT subscription_id, app_id, stores, types, fanned_out_position AS place,
            least(fanned_out_position + $2, $3) AS seen
          FROM subscriptions WHERE subscription_id = $1 AND state = 'active' AND fanned_out_position < $3
          FOR UPDATE SKIP LOCKED
        ), made AS (
          INSERT INTO push_deliveries (app_id, store_hash, subscription_id, position, event_id, type, origin,
            occurred_at, recorded_at, data, synthetic)
          SELECT happened.app_id, store_hash, subscription_id, position, event_id, type, origin, occurred_at,
            recorded_at, data, synthetic
          FROM target JOIN LATERAL (
            SELECT * FROM events
            WHERE position > place AND position <= seen
              AND recorded_on >= date '2000-01-01' + $4::integer AND recorded_on <= date '2000-01-01' + $5::integer
              AND (target.app_id IS NULL OR events.app_id = target.app_id)
              AND (types = '{}' OR type = ANY (types)
                OR EXISTS (SELECT FROM unnest(types) AS pattern
                  WHERE right(pattern, 2) = '/*' AND starts_with(type, left(pattern, -1))))
              AND (stores IS NULL OR store_hash = ANY (stores)
                OR EXISTS (SELECT FROM installations AS known, unnest(known.labels) AS label
                  WHERE known.app_id = events.app_id AND known.store_hash = events.store_hash
                    AND 'label:' || label = ANY (stores)))
            ORDER BY position
          ) AS happened ON true
          ON CONFLICT ON CONSTRAINT push_deliveries_once DO NOTHING
        )
        UPDATE subscriptions AS known SET fanned_out_position = seen FROM target
        WHERE known.subscription_id = target.subscription_id
        RETURNING seen
        """, [gap.subscription, PushDeliveries.span, gap.through, gap.firstDay, gap.lastDay])
    ).rows.first?.decode("seen")
  }

  /// Takes deliveries that are due, in turn over the subscriptions, each within its concurrency.
  ///
  /// A subscription whose last attempt failed is tried with one delivery at a time. `healthy` and
  /// `failing` say how many of either kind this replica has room for.
  package func claim(
    healthy: Int, failing: Int, id: String
  ) async throws(PostgresError) -> [PushClaim] {
    let results = try await database.transaction([
      Statement(
        """
        UPDATE subscriptions SET claim_id = $1, claimed_at = clock_timestamp() WHERE subscription_id IN (
          SELECT subscription_id FROM subscriptions AS known
          WHERE state = 'active' AND coalesce(paused_until <= now(), true)
            AND CASE WHEN failures = 0 THEN $2 > 0 ELSE $3 > 0 END
            AND EXISTS (SELECT FROM push_deliveries AS push
              WHERE push.subscription_id = known.subscription_id AND state = 'pending' AND due_at <= now())
          ORDER BY claimed_at LIMIT 100 FOR UPDATE SKIP LOCKED)
        """, [id, healthy, failing]),
      // A statement of its own, so that it sees what others took before the locks were ours.
      Statement(
        """
        WITH room AS MATERIALIZED (
          SELECT subscription_id, failures > 0 AS fails,
            CASE WHEN failures > 0 THEN 1 ELSE concurrency END - (
              SELECT count(*) FROM push_deliveries AS push
              WHERE push.subscription_id = known.subscription_id AND lease_id IS NOT NULL AND due_at > now()
            ) AS places
          FROM subscriptions AS known WHERE claim_id = $1
        ), ranked AS (
          SELECT subscription_id, push_number, fails,
            row_number() OVER (PARTITION BY fails ORDER BY turn, due_at) AS place
          FROM room JOIN LATERAL (
            -- The index has this order, and the limit ends the walk, however much is due.
            SELECT push_number, due_at, row_number() OVER (ORDER BY due_at) AS turn FROM (
              SELECT push_number, due_at FROM push_deliveries AS push
              WHERE push.subscription_id = room.subscription_id AND state = 'pending' AND due_at <= now()
              ORDER BY due_at LIMIT greatest(0, places)) AS first
          ) AS due ON true
        )
        UPDATE push_deliveries AS push
        SET lease_id = $1, due_at = now() + $4 * interval '1 microsecond', attempts = attempts + 1
        FROM ranked JOIN subscriptions AS known USING (subscription_id)
        WHERE push.subscription_id = ranked.subscription_id AND push.push_number = ranked.push_number
          AND ranked.place <= CASE WHEN fails THEN $3 ELSE $2 END
          AND push.state = 'pending' AND push.due_at <= now()
        RETURNING push.subscription_id, push.push_number, push.attempts, known.url, known.failures,
          known.app_id AS subscription_app, push.app_id, store_hash, position, event_id, type, origin,
          occurred_at, recorded_at, data, synthetic,
          (SELECT array_agg(secret_number ORDER BY secret_number DESC) FROM subscription_secrets AS live
            WHERE live.subscription_id = known.subscription_id AND coalesce(ends_at > now(), true)) AS numbers,
          (SELECT array_agg(encode(sealed_secret, 'base64') ORDER BY secret_number DESC)
            FROM subscription_secrets AS live
            WHERE live.subscription_id = known.subscription_id AND coalesce(ends_at > now(), true)) AS secrets
        """,
        [id, healthy, failing, PushDeliveries.lease.inMicroseconds]),
    ])
    return try (results.last?.rows ?? []).map { row throws(PostgresError) in
      try PushClaim(row, lease: id)
    }
  }
}

extension PushClaim {
  init(_ row: Row, lease: String) throws(PostgresError) {
    subscription = try row.decode("subscription_id")
    number = try row.decode("push_number")
    self.lease = lease
    url = try row.decode("url")
    event = try EventRecord(row)
    attempt = try row.decode("attempts")
    failures = try row.decode("failures")
    app = AppName(try row.decode("subscription_app", as: String?.self) ?? "")
    let numbers = try row.decode("numbers", as: [Int64]?.self) ?? []
    let texts = try row.decode("secrets", as: [String]?.self) ?? []
    // PostgreSQL breaks base 64 into lines.
    secrets = zip(numbers, texts).map { number, text in
      (number, Base64.decode(text.filter { $0 != "\n" }) ?? [])
    }
  }
}
