package import Base
package import BigCommerce
package import Postgres

/// A store that this replica is to look at, under a lease.
package struct HealthClaim: Sendable {
  package let installation: InstallationID
  package let generation: Generation
  package let sealedToken: [UInt8]
  /// Whether nothing speaks against the store so far, nor is waiting to be confirmed.
  package let isQuiet: Bool
}

/// A health that a store has from now on, and was not taken for before.
package struct HealthChange: Hashable, Sendable {
  /// `nil`: unknown.
  package let from: StoreHealth?
  package let to: StoreHealth

  package init(from: StoreHealth?, to: StoreHealth) {
    self.from = from
    self.to = to
  }
}

/// Which stores are looked at when, by whom, and what they are taken for since.
///
/// All times are the database's. A lease keeps two replicas from looking at the same store; should
/// a replica die with one, the store is looked at when the lease is over.
package struct StoreChecks: Sendable {
  private let database: Database
  private let every: Duration

  /// `every` is the time between looks at a store; zero when none is looked at by the clock.
  package init(database: Database, every: Duration) {
    self.database = database
    self.every = every
  }

  /// Brings forward what was planned when the interval was longer.
  package func tighten() async throws(PostgresError) {
    _ = try await database.query(
      Statement(
        """
        UPDATE store_health AS known SET next_check_at = now() + random() * $1::bigint * interval '1 microsecond'
        FROM (SELECT app_id, store_hash FROM store_health
          WHERE next_check_at > now() + 1.6 * $1::bigint * interval '1 microsecond' FOR UPDATE SKIP LOCKED) AS far
        WHERE known.app_id = far.app_id AND known.store_hash = far.store_hash
        """, [every.inMicroseconds]))
  }

  /// Takes stores that are due, the longest due first.
  package func claim(limit: Int, lease: Duration) async throws(PostgresError) -> [HealthClaim] {
    let result = try await database.query(
      Statement(
        """
        UPDATE store_health AS claimed SET lease_until = now() + $2::bigint * interval '1 microsecond'
        FROM (
          SELECT app_id, store_hash FROM store_health
          WHERE next_check_at <= now() AND (lease_until IS NULL OR lease_until <= now())
          ORDER BY next_check_at LIMIT $1 FOR UPDATE SKIP LOCKED
        ) AS due, installations AS installation
        WHERE claimed.app_id = due.app_id AND claimed.store_hash = due.store_hash
          AND installation.app_id = due.app_id AND installation.store_hash = due.store_hash
          AND installation.generation = claimed.generation AND installation.state = 'active'
        RETURNING claimed.app_id, claimed.store_hash, claimed.generation, installation.sealed_token,
          coalesce(health, 'healthy') = 'healthy' AND pending IS NULL AS is_quiet
        """, [Int64(limit), lease.inMicroseconds]))
    return try result.rows.map { row throws(PostgresError) in
      HealthClaim(
        installation: try row.installation(), generation: Generation(try row.decode("generation")),
        sealedToken: try row.decode("sealed_token"), isQuiet: try row.decode("is_quiet"))
    }
  }

  /// Gives a store back that was not looked at; it is due again after that time.
  package func postpone(_ claim: HealthClaim, by pause: Duration) async throws(PostgresError) {
    _ = try await database.query(
      Statement(
        """
        UPDATE store_health SET lease_until = NULL, next_check_at = now() + $4::bigint * interval '1 microsecond'
        WHERE app_id = $1 AND store_hash = $2 AND generation = $3 AND next_check_at IS NOT NULL
        """,
        [
          claim.installation.app.text, claim.installation.store.text, claim.generation.number,
          min(pause, every).inMicroseconds,
        ]))
  }

  /// Writes down what a look told, whoever looked; the event of a change goes with it.
  ///
  /// - Returns: the change; `nil` when there is none, or the store has another token by now.
  @discardableResult
  package func note(
    _ look: HealthLook, of installation: InstallationID, _ generation: Generation
  ) async throws(PostgresError) -> HealthChange? {
    let key: [any PostgresBindable] = [
      installation.app.text, installation.store.text, generation.number,
    ]
    return try await database.committing { transaction throws(PostgresError) in
      let found = try await transaction.query(Statement(StoreChecks.lockRow, key))
      guard let row = found.rows.first else { return nil }
      let known = try HealthStanding(row)
      let step = HealthRules.step(
        known, look.health, isRevoked: try row.decode("state", as: String.self) == "revoked")
      let settled = try await transaction.query(
        Statement(
          StoreChecks.settle,
          key + [
            step.health?.rawValue, look.detail.rawValue, step.pending?.rawValue,
            step.health != known.health, step.pending != known.pending,
            Int32(clamping: step.pause?.components.seconds ?? 0),
            pause(step, installation, try row.decode("now")).inMicroseconds,
          ]))
      guard step.change == .confirmed, let health = step.health else { return nil }
      let since = try settled.rows.first?.decode("since_at", as: Timestamp?.self)
      _ = try await transaction.query(
        .event(
          "app/health_changed", installation,
          [
            "from": .string(known.health?.rawValue ?? "unknown"), "to": .string(health.rawValue),
            "detail": .string(look.detail.rawValue),
            "since_at": since.map { .string($0.description) } ?? .null,
          ]))
      return HealthChange(from: known.health, to: health)
    }
  }

  private static let lockRow: StaticString = """
    SELECT known.health, known.pending, known.pending_since, known.delay_seconds, installation.state, now() AS now
    FROM store_health AS known JOIN installations AS installation
      ON installation.app_id = known.app_id AND installation.store_hash = known.store_hash
        AND installation.generation = known.generation
    WHERE known.app_id = $1 AND known.store_hash = $2 AND known.generation = $3 FOR UPDATE OF known
    """

  /// A health begins with the first look that showed it.
  private static let settle: StaticString = """
    UPDATE store_health SET lease_until = NULL, checked_at = now(), detail = $5, health = $4, pending = $6,
      since_at = CASE WHEN NOT $7 THEN since_at
        WHEN (pending = 'healthy') = ($4 = 'healthy') THEN pending_since ELSE now() END,
      pending_since = CASE WHEN $6::text IS NULL THEN NULL WHEN $8 THEN now() ELSE pending_since END,
      delay_seconds = $9,
      next_check_at = CASE WHEN next_check_at IS NOT NULL THEN now() + $10::bigint * interval '1 microsecond' END
    WHERE app_id = $1 AND store_hash = $2 AND generation = $3 RETURNING since_at
    """

  private func pause(
    _ step: HealthStep, _ installation: InstallationID, _ now: Timestamp
  ) -> Duration {
    // Nobody looks by the clock: what is written only stands for "active".
    guard every > .zero else { return .seconds(3600) }
    var random = SystemRandomNumberGenerator()
    guard let pause = step.pause, pause < every else {
      return HealthRound.pause(until: installation, now: now, every: every, &random)
    }
    let quarter = pause.inMicroseconds / 4
    return pause + .microseconds(Int64.random(in: -quarter...quarter, using: &random))
  }
}

extension StoreChecks {
  /// How many installations that are active or revoked have which health; `nil`: unknown yet.
  package func counts() async throws(PostgresError) -> [StoreHealth?: Int] {
    let result = try await database.query(
      Statement(
        """
        SELECT known.health, count(*) AS number FROM store_health AS known
        JOIN installations AS installation
          ON installation.app_id = known.app_id AND installation.store_hash = known.store_hash
        WHERE installation.state IN ('active', 'revoked') GROUP BY known.health
        """))
    var counts: [StoreHealth?: Int] = [:]
    for row in result.rows {
      let health = try row.decode("health", as: String?.self).flatMap(StoreHealth.init)
      counts[health, default: 0] += try row.decode("number", as: Int.self)
    }
    return counts
  }
}

extension HealthStanding {
  fileprivate init(_ row: Row) throws(PostgresError) {
    let now: Timestamp = try row.decode("now")
    let since = try row.decode("pending_since", as: Timestamp?.self)
    self.init(
      health: try row.decode("health", as: String?.self).flatMap(StoreHealth.init),
      pending: try row.decode("pending", as: String?.self).flatMap(StoreHealth.init),
      pendingFor: since.map { now - $0 } ?? .zero,
      pause: .seconds(try row.decode("delay_seconds", as: Int.self)))
  }
}
