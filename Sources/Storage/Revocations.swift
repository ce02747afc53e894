package import Base
package import Postgres

/// A canary that this replica is to send, under a lease.
package struct CanaryClaim: Sendable {
  package let installation: InstallationID
  package let generation: Generation
  package let state: InstallationState
  package let sealedToken: [UInt8]
  /// The pause before this canary.
  package let pause: Duration
}

/// What a canary's answer changed.
package enum CanaryEffect: Hashable, Sendable {
  case applied(CanaryStep)
  /// The store got another token or state meanwhile; the answer is void.
  case overtaken
}

/// Finds out, one canary at a time, which stores the platform no longer lets us call.
///
/// All times are the database's, so that replicas with different clocks agree. A lease keeps two
/// replicas from sending the same canary; should it run out, the canary is sent twice, which harms
/// nobody.
package struct Revocations: Sendable {
  private let database: Database

  package init(database: Database) {
    self.database = database
  }

  /// Plans the confirming canary of a store whose call was answered 401, unless one is planned.
  ///
  /// The generation is that of the token that was refused: an older one's refusal means nothing.
  package func suspect(
    _ installation: InstallationID, _ generation: Generation
  ) async throws(PostgresError) {
    _ = try await database.query(
      Statement(
        """
        UPDATE installations
        SET next_canary_at = now() + $4 * interval '1 microsecond', canary_delay_seconds = 0
        WHERE app_id = $1 AND store_hash = $2 AND generation = $3 AND state = 'active'
          AND next_canary_at IS NULL
        """,
        [
          installation.app.text, installation.store.text, generation.number,
          CanaryRules.confirmation.inMicroseconds,
        ]))
  }

  /// Takes canaries that are due, the longest due first.
  package func claim(limit: Int, lease: Duration) async throws(PostgresError) -> [CanaryClaim] {
    let result = try await database.query(
      Statement(
        """
        UPDATE installations AS claimed
        SET canary_lease_until = now() + $2 * interval '1 microsecond'
        FROM (
          SELECT app_id, store_hash FROM installations
          WHERE next_canary_at <= now() AND state IN ('active', 'revoked')
            AND (canary_lease_until IS NULL OR canary_lease_until <= now())
          ORDER BY next_canary_at LIMIT $1 FOR UPDATE SKIP LOCKED
        ) AS due
        WHERE claimed.app_id = due.app_id AND claimed.store_hash = due.store_hash
        RETURNING claimed.app_id, claimed.store_hash, generation, state, sealed_token, canary_delay_seconds
        """, [Int64(limit), lease.inMicroseconds]))
    return try CanaryClaim.all(result)
  }

  /// Takes one store's canary at once, due or not; `nil` unless the store is active or revoked.
  package func claim(
    _ installation: InstallationID, lease: Duration
  ) async throws(PostgresError) -> CanaryClaim? {
    let result = try await database.query(
      Statement(
        """
        UPDATE installations SET canary_lease_until = now() + $3 * interval '1 microsecond'
        WHERE app_id = $1 AND store_hash = $2 AND state IN ('active', 'revoked')
        RETURNING app_id, store_hash, generation, state, sealed_token, canary_delay_seconds
        """, [installation.app.text, installation.store.text, lease.inMicroseconds]))
    return try CanaryClaim.all(result).first
  }

  /// Writes down what a canary's answer means; event and audit go with the change of state.
  package func record(
    _ claim: CanaryClaim, _ answer: CanaryAnswer
  ) async throws(PostgresError) -> CanaryEffect {
    try await database.committing { transaction throws(PostgresError) in
      _ = try await transaction.query(.lock(claim.installation))
      let found = try await transaction.query(claim.lockRow)
      guard let row = found.rows.first else { return .overtaken }
      let evidence = GoneEvidence(
        isReported: try row.decode("is_reported"), revokedFor: try row.decode("revoked_for"))
      let step: CanaryStep
      if claim.state == .revoked {
        step = CanaryRules.revoked(answer, pause: claim.pause, evidence)
      } else if answer == .refused {
        let fleet = try await Revocations.fleet(claim.installation, in: transaction)
        step = CanaryRules.active(answer, pause: claim.pause, fleet: fleet, evidence)
        try await Revocations.mark(step, claim.installation, fleet, in: transaction)
      } else {
        let nobody = FleetHealth(installed: 0, refused: 0, suspected: 0)
        step = CanaryRules.active(answer, pause: claim.pause, fleet: nobody)
      }
      let reportedAt = try row.decode("gone_reported_at", as: Timestamp?.self)
      for statement in claim.statements(for: step, answer, reportedAt: reportedAt) {
        _ = try await transaction.query(statement)
      }
      return .applied(step)
    }
  }

  /// How the app's other stores fare, while no other replica decides for the same app.
  private static func fleet(
    _ installation: InstallationID, in transaction: Transaction
  ) async throws(PostgresError) -> FleetHealth {
    _ = try await transaction.query(
      Statement(
        "SELECT app_id FROM apps WHERE app_id = $1 FOR NO KEY UPDATE", [installation.app.text]))
    let result = try await transaction.query(
      Statement(
        """
        SELECT count(*) FILTER (WHERE state <> 'uninstalled') AS installed,
          count(*) FILTER (WHERE canary_refused_at > now() - interval '10 minutes') AS refused,
          count(*) FILTER (WHERE state = 'active' AND next_canary_at IS NOT NULL
            AND (canary_refused_at > now() - interval '10 minutes') IS NOT TRUE) AS suspected
        FROM installations WHERE app_id = $1 AND store_hash <> $2
        """, [installation.app.text, installation.store.text]))
    guard let row = result.rows.first else {
      throw .decoding(column: "installed", expected: "one row of counts")
    }
    return FleetHealth(
      installed: try row.decode("installed"), refused: try row.decode("refused"),
      suspected: try row.decode("suspected"))
  }

  /// Keeps the app's mark that revocations are held; the first hold makes an event, and a
  /// revocation ends it.
  private static func mark(
    _ step: CanaryStep, _ installation: InstallationID, _ fleet: FleetHealth,
    in transaction: Transaction
  ) async throws(PostgresError) {
    switch step {
    case .hold:
      let data: JSONValue = .object([
        .init("refused", .integer(fleet.refused + 1)),
        .init("installed", .integer(fleet.installed + 1)),
      ])
      // Event and audit only when the mark was not set: one of each for all stores that are held
      // together.
      _ = try await transaction.query(
        Statement(
          """
          WITH began AS (
            UPDATE apps SET revocations_held_at = now() WHERE app_id = $1 AND revocations_held_at IS NULL
            RETURNING app_id
          ), told AS (
            INSERT INTO pending_events (app_id, store_hash, type, data)
            SELECT app_id, '', 'app/revocations_held', $2 FROM began
          )
          INSERT INTO audit (actor, action, app_id, details)
          SELECT 'latchkey', 'revocations_held', app_id, $2 FROM began
          """, [installation.app.text, data]))
    case .revoke, .uninstall:
      _ = try await transaction.query(
        Statement(
          "UPDATE apps SET revocations_held_at = NULL WHERE app_id = $1 AND revocations_held_at IS NOT NULL",
          [installation.app.text]))
    case .settled, .reactivate, .postpone, .again: break
    }
  }
}

extension CanaryClaim {
  fileprivate static func all(_ result: QueryResult) throws(PostgresError) -> [CanaryClaim] {
    var claims: [CanaryClaim] = []
    for row in result.rows {
      guard let state = InstallationState(rawValue: try row.decode("state")) else {
        throw .decoding(column: "state", expected: "an installation state")
      }
      claims.append(
        CanaryClaim(
          installation: try row.installation(),
          generation: Generation(try row.decode("generation")),
          state: state, sealedToken: try row.decode("sealed_token"),
          pause: .seconds(try row.decode("canary_delay_seconds", as: Int.self))))
    }
    return claims
  }

  private var key: [any PostgresBindable] {
    [installation.app.text, installation.store.text, generation.number, state.rawValue]
  }

  /// The row, if it still holds the token and the state that the canary was for.
  fileprivate var lockRow: Statement {
    Statement(
      """
      SELECT gone_reported_at, coalesce(gone_reported_at + $5::bigint * interval '1 microsecond' >= authorized_at, false)
          AS is_reported,
        CASE WHEN state = 'revoked' THEN make_interval(secs => extract(epoch FROM now() - state_changed_at))
          ELSE interval '0' END AS revoked_for
      FROM installations
      WHERE app_id = $1 AND store_hash = $2 AND generation = $3 AND state = $4 FOR UPDATE
      """, key + [CallbackRules.slack.inMicroseconds])
  }

  /// The writes of a step, the row that the change counter follows last.
  fileprivate func statements(
    for step: CanaryStep, _ answer: CanaryAnswer, reportedAt: Timestamp?
  ) -> [Statement] {
    switch step {
    case .uninstall(let signal):
      Statement.uninstall(
        installation, signal, userID: nil, act: .latchkey,
        issuedAt: signal == .webhook ? reportedAt : nil)
    case .settled:
      [
        Statement(
          """
          UPDATE installations
          SET next_canary_at = NULL, canary_delay_seconds = 0, canary_lease_until = NULL,
            canary_refused_at = NULL, token_verified_at = now(), gone_reported_at = NULL
          WHERE app_id = $1 AND store_hash = $2 AND generation = $3 AND state = $4
          """, key)
      ]
    case .reactivate:
      [
        .event("app/reactivated", installation), .audit(.latchkey, "reactivate", installation),
        Statement(
          """
          UPDATE installations
          SET state = 'active', state_changed_at = now(), next_canary_at = NULL, canary_delay_seconds = 0,
            canary_lease_until = NULL, canary_refused_at = NULL, token_verified_at = now(),
            gone_reported_at = NULL
          WHERE app_id = $1 AND store_hash = $2 AND generation = $3 AND state = $4
          """, key),
      ]
    case .revoke(let next):
      [
        .event("app/revoked", installation), .audit(.latchkey, "revoke", installation),
        Statement(
          """
          UPDATE installations
          SET state = 'revoked', state_changed_at = now(), canary_refused_at = now(),
            next_canary_at = now() + $5 * interval '1 second', canary_delay_seconds = $5,
            canary_lease_until = NULL
          WHERE app_id = $1 AND store_hash = $2 AND generation = $3 AND state = $4
          """, key + [Int32(clamping: next.components.seconds)]),
      ]
    case .hold(let next), .postpone(let next): [plan(next, refused: true)]
    case .again(let next): [plan(next, refused: answer == .refused && state == .active)]
    }
  }

  private func plan(_ next: Duration, refused: Bool) -> Statement {
    Statement(
      """
      UPDATE installations
      SET next_canary_at = now() + $5 * interval '1 second', canary_delay_seconds = $5, canary_lease_until = NULL,
        canary_refused_at = CASE WHEN $6 THEN now() ELSE canary_refused_at END
      WHERE app_id = $1 AND store_hash = $2 AND generation = $3 AND state = $4
      """, key + [Int32(clamping: next.components.seconds), refused])
  }
}
