package import Base
package import BigCommerce
package import Postgres

/// Names one attempt to install: one code of one store.
package struct AttemptID: Hashable, Sendable {
  package let installation: InstallationID
  package let number: Int64

  package init(installation: InstallationID, number: Int64) {
    self.installation = installation
    self.number = number
  }
}

/// Where an attempt stands.
package enum AttemptState: Hashable, Sendable {
  /// The code is being exchanged, or the one who did died.
  case exchanging
  /// The token is stored.
  case done
  /// It ended without a token; the word says why.
  case failed(String)
  /// A token may have been given and was lost.
  case lost
}

/// One attempt as a repetition finds it.
package struct InstallAttempt: Hashable, Sendable {
  package let id: AttemptID
  package let state: AttemptState
  /// How long ago it began.
  package let age: Duration
  /// How long ago it ended; `nil` while it runs.
  package let endedAgo: Duration?
  /// What the store has granted by now.
  package let scopes: Scopes
  /// Whether the store has a token by now, whichever attempt brought it.
  package let isInstalled: Bool
}

/// What the record of a new attempt came to.
package enum AttemptStart: Hashable, Sendable {
  /// Recorded durably; whoever asked, and nobody else, may exchange the code.
  case begun(AttemptID, baseGeneration: Generation)
  /// The code was seen before.
  case repeated(InstallAttempt)
  /// The code was seen before, for another store or app.
  case foreign
  /// The store has had as many attempts in the last minute as are allowed; nothing is recorded.
  case tooMany
}

/// The attempts to exchange codes for tokens, one per code.
///
/// A code can be exchanged once, and the answer cannot be fetched again. So an attempt is on record
/// before the code leaves this process, and one request alone may use it.
package struct InstallAttempts: Sendable {
  /// How many attempts a store may make in a minute.
  package static let perMinute: Int64 = 5

  /// The failure of an attempt whose code certainly never left: it may be tried again.
  package static let notSent = "not_sent"

  private let database: Database

  package init(database: Database) {
    self.database = database
  }

  /// Records the attempt, or finds the one that the code has already.
  ///
  /// The claim is random and tells this request from others with the same code. When the outcome is
  /// unknown, the call is repeated with the same claim: the answer is then the same.
  package func begin(
    _ installation: InstallationID, codeSHA256: [UInt8], claim: String, requestID: RequestID
  ) async throws(PostgresError) -> AttemptStart {
    let results: [QueryResult]
    do throws(PostgresError) {
      results = try await database.transaction([
        .lock(installation),
        InstallAttempts.begin(installation, codeSHA256, claim, requestID),
      ])
    } catch .uniqueViolation("install_attempts_code_unique") {
      // The lock is per store, so this code came at the same moment for another one.
      return .foreign
    }
    guard let row = results.last?.rows.first else { return .tooMany }
    let owner = try row.installation()
    guard owner == installation else { return .foreign }
    let attempt = try InstallAttempt(row)
    guard try row.decode("claim", as: String.self) == claim, attempt.state == .exchanging else {
      return .repeated(attempt)
    }
    return .begun(attempt.id, baseGeneration: Generation(try row.decode("base_generation")))
  }

  /// The attempt as it stands now.
  package func find(_ id: AttemptID) async throws(PostgresError) -> InstallAttempt? {
    let result = try await database.query(
      Statement(
        """
        SELECT attempt.app_id, attempt.store_hash, attempt.attempt_id, attempt.state, attempt.failure,
          (extract(epoch FROM clock_timestamp() - attempt.started_at) * 1000)::bigint AS age_ms,
          (extract(epoch FROM clock_timestamp() - attempt.finished_at) * 1000)::bigint AS ended_ago_ms,
          coalesce(known.scopes, '{}') AS scopes,
          coalesce(known.state <> 'uninstalled', false) AS is_installed
        FROM install_attempts attempt LEFT JOIN installations known USING (app_id, store_hash)
        WHERE attempt.app_id = $1 AND attempt.store_hash = $2 AND attempt.attempt_id = $3
        """,
        [id.installation.app.text, id.installation.store.text, id.number]))
    guard let row = result.rows.first else { return nil }
    return try InstallAttempt(row)
  }

  /// Ends a running attempt without a token; the installation stays as it is.
  package func fail(_ id: AttemptID, because failure: String) async throws(PostgresError) {
    _ = try await database.query(
      Statement(
        """
        UPDATE install_attempts SET state = 'failed', failure = $4, finished_at = now()
        WHERE app_id = $1 AND store_hash = $2 AND attempt_id = $3 AND state = 'exchanging'
        """,
        [id.installation.app.text, id.installation.store.text, id.number, failure]))
  }

  /// Ends an attempt whose answer never came: BigCommerce may have given a token that nobody has.
  ///
  /// Nothing happens unless it still runs, and has run for that long.
  ///
  /// - Returns: whether it was ended.
  @discardableResult
  package func lose(
    _ id: AttemptID, after age: Duration = .zero
  ) async throws(PostgresError) -> Bool {
    try await database.query(
      Statement(
        """
        WITH due AS MATERIALIZED (
          SELECT app_id, store_hash, attempt_id FROM install_attempts
          WHERE app_id = $1 AND store_hash = $2 AND attempt_id = $3 AND state = 'exchanging'
            AND started_at <= now() - make_interval(secs => $4::bigint)
          FOR UPDATE
        ), lost AS (
          UPDATE install_attempts attempt SET state = 'lost', finished_at = now() FROM due
          WHERE (attempt.app_id, attempt.store_hash, attempt.attempt_id)
            = (due.app_id, due.store_hash, due.attempt_id)
          RETURNING attempt.*
        ), suspected AS (
          UPDATE installations SET next_canary_at = now() FROM lost
          WHERE (installations.app_id, installations.store_hash) = (lost.app_id, lost.store_hash)
            AND installations.state IN ('active', 'revoked')
        ), told AS (
          INSERT INTO pending_events (app_id, store_hash, type, data)
          SELECT app_id, store_hash, 'app/install_lost', jsonb_build_object('attempt_id', attempt_id)
          FROM lost
        )
        INSERT INTO audit (actor, action, app_id, store_hash, request_id, details)
        SELECT 'latchkey', 'install_lost', app_id, store_hash, request_id,
          jsonb_build_object('attempt_id', attempt_id)
        FROM lost
        """,
        [
          id.installation.app.text, id.installation.store.text, id.number, age.components.seconds,
        ])
    ).affected > 0
  }

  /// The oldest attempt that has run for longer than any can, because its replica died.
  package func overdue(after age: Duration) async throws(PostgresError) -> AttemptID? {
    let result = try await database.query(
      Statement(
        """
        SELECT app_id, store_hash, attempt_id FROM install_attempts
        WHERE state = 'exchanging' AND started_at <= now() - make_interval(secs => $1::bigint)
        ORDER BY started_at LIMIT 1
        """,
        [age.components.seconds]))
    guard let row = result.rows.first else { return nil }
    return AttemptID(installation: try row.installation(), number: try row.decode("attempt_id"))
  }

  private static func begin(
    _ installation: InstallationID, _ codeSHA256: [UInt8], _ claim: String, _ requestID: RequestID
  ) -> Statement {
    // A code that certainly never left is claimed anew; every other repetition only counts.
    Statement(
      """
      WITH repeated AS (
        UPDATE install_attempts SET
          repeats = repeats + 1,
          claim = CASE WHEN failure = 'not_sent' THEN $4 ELSE claim END,
          state = CASE WHEN failure = 'not_sent' THEN 'exchanging' ELSE state END,
          started_at = CASE WHEN failure = 'not_sent' THEN now() ELSE started_at END,
          finished_at = CASE WHEN failure = 'not_sent' THEN NULL ELSE finished_at END,
          failure = nullif(failure, 'not_sent')
        WHERE code_sha256 = $3
          AND (failure IS DISTINCT FROM 'not_sent' OR (app_id = $1 AND store_hash = $2))
        RETURNING *
      ), begun AS (
        INSERT INTO install_attempts
          (app_id, store_hash, code_sha256, claim, state, base_generation, request_id)
        SELECT $1, $2, $3, $4, 'exchanging',
          coalesce((SELECT generation FROM installations
            WHERE app_id = $1 AND store_hash = $2), 0), $5
        WHERE NOT EXISTS (SELECT FROM repeated)
          AND (SELECT count(*) FROM install_attempts WHERE app_id = $1 AND store_hash = $2
            AND started_at > now() - interval '1 minute') < $6
        RETURNING *
      )
      SELECT attempt.app_id, attempt.store_hash, attempt.attempt_id, attempt.state, attempt.failure,
        attempt.claim, attempt.base_generation,
        (extract(epoch FROM clock_timestamp() - attempt.started_at) * 1000)::bigint AS age_ms,
        (extract(epoch FROM clock_timestamp() - attempt.finished_at) * 1000)::bigint AS ended_ago_ms,
        coalesce(known.scopes, '{}') AS scopes,
        coalesce(known.state <> 'uninstalled', false) AS is_installed
      FROM (TABLE begun UNION ALL TABLE repeated) AS attempt
      LEFT JOIN installations known USING (app_id, store_hash)
      """,
      [
        installation.app.text, installation.store.text, codeSHA256, claim, requestID.text,
        perMinute,
      ])
  }
}

extension InstallAttempt {
  fileprivate init(_ row: Row) throws(PostgresError) {
    let milliseconds = try row.decode("ended_ago_ms", as: Int64?.self)
    id = AttemptID(installation: try row.installation(), number: try row.decode("attempt_id"))
    age = .milliseconds(try row.decode("age_ms", as: Int64.self))
    endedAgo = milliseconds.map { .milliseconds($0) }
    scopes = Scopes(try row.decode("scopes", as: [String].self))
    isInstalled = try row.decode("is_installed")
    switch try row.decode("state", as: String.self) {
    case "exchanging": state = .exchanging
    case "done": state = .done
    case "lost": state = .lost
    default: state = .failed(try row.decode("failure", as: String?.self) ?? "")
    }
  }
}
