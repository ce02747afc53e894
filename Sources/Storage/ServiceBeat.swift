import Base
package import Postgres

/// When some replica last took deliveries: how an outage of the whole service is known afterwards.
package struct ServiceBeat: Sendable {
  private let database: Database

  package init(database: Database) {
    self.database = database
  }

  /// Says that this replica takes deliveries, and has for some time.
  ///
  /// When nobody did for longer than `threshold` before that, what changed meanwhile is to be
  /// compared in all stores.
  ///
  /// - Returns: how long nobody did, if it was too long.
  package func beat(
    servingFor: Duration, threshold: Duration
  ) async throws(PostgresError) -> Duration? {
    try await database.committing { transaction throws(PostgresError) in
      let found = try await transaction.query(
        Statement(
          """
          SELECT beat_at, greatest(interval '0', now() - $1::bigint * interval '1 microsecond' - beat_at) AS gap
          FROM service_beat FOR UPDATE
          """, [servingFor.inMicroseconds]))
      _ = try await transaction.query(
        Statement("UPDATE service_beat SET beat_at = greatest(beat_at, now())"))
      guard let row = found.rows.first, let last = try row.decode("beat_at", as: Timestamp?.self),
        let gap = try row.decode("gap", as: Duration?.self), gap > threshold
      else { return nil }
      _ = try await transaction.query(Repairs.outage(since: last))
      return gap
    }
  }
}

extension Repairs {
  /// The most time over which the repairs after an outage begin, and what each store adds to it.
  private static let longestSpread = Duration.seconds(600)
  private static let spreadPerStore = Duration.milliseconds(50)
  /// What the platform looks at before it blocks a domain, and for how long it does.
  private static let blockWindow = Duration.seconds(300)
  /// After a block what was held back is delivered first.
  private static let afterBlock = Duration.seconds(60)

  /// No replica took deliveries since then: all stores are to be compared.
  static func outage(since: Timestamp) -> Statement {
    Statement(
      """
      INSERT INTO webhook_outages (reason, since, compare_from, spread_seconds)
      SELECT $1, $2, $2::timestamptz - $3::bigint * interval '1 microsecond', least($4::float8, count(*) * $5::float8)
      FROM webhook_states WHERE hooks <> '[]'
      """,
      [
        RepairReason.serviceOutage.rawValue, since, RepairRules.margin.inMicroseconds,
        longestSpread.inSeconds, spreadPerStore.inSeconds,
      ])
  }

  /// The platform holds deliveries back, and drops some of them: all stores of the app are to be
  /// compared when that is over.
  static func outage(of app: AppName, blockedFor duration: Duration) -> Statement {
    Statement(
      """
      INSERT INTO webhook_outages (app_id, reason, since, compare_from, due_at, spread_seconds)
      SELECT $1, $2, now() - $3::bigint * interval '1 microsecond', now() - $4::bigint * interval '1 microsecond',
        now() + $5::bigint * interval '1 microsecond', least($6::float8, count(*) * $7::float8)
      FROM webhook_states WHERE app_id = $1 AND hooks <> '[]'
      """,
      [
        app.text, RepairReason.blocked.rawValue, blockWindow.inMicroseconds,
        (blockWindow + RepairRules.margin).inMicroseconds, (duration + afterBlock).inMicroseconds,
        longestSpread.inSeconds, spreadPerStore.inSeconds,
      ])
  }
}
