package import Base
package import Postgres

/// A call of a store that came to nothing good.
package struct FailedCall: Hashable, Sendable {
  package enum Outcome: String, CaseIterable, Sendable {
    /// By BigCommerce.
    case answered
    case notSent = "not_sent"
    /// A write may have happened.
    case unknown
  }

  /// The longest path that is noted, in bytes.
  package static let longestPath = 200

  package let installation: InstallationID
  /// When the call came.
  package let at: Timestamp
  package let requestID: String
  /// The ID of the caller's key.
  package let key: String
  package let method: String
  /// Below the store, without its query, which may hold what is nobody else's business.
  package let path: String
  /// The status that the caller got.
  package let status: Int
  /// Of the gateway's refusal; `nil` when BigCommerce answered.
  package let code: String?
  package let outcome: Outcome
  package let duration: Duration

  package init(
    installation: InstallationID, at: Timestamp, requestID: String, key: String, method: String,
    path: String, status: Int, code: String?, outcome: Outcome, duration: Duration
  ) {
    self.installation = installation
    self.at = at
    self.requestID = requestID
    self.key = key
    self.method = method
    self.path = path
    self.status = status
    self.code = code
    self.outcome = outcome
    self.duration = duration
  }

  /// Of each kind the newest few are kept, so that many of one never push out another's.
  package var kind: String { code ?? String(status) }
}

/// A failed call as operators see it.
package struct CallFailure: Hashable, Sendable {
  package let call: FailedCall
  /// The name that the caller's key has, if there is such a key still.
  package let callerName: String?
}

/// Keeps the newest failed calls of each store.
package struct CallFailures: Sendable {
  /// How many of a store and kind are kept.
  package static let kept = 10
  /// In days.
  package static let daysKept = 7
  /// How many calls one statement takes at most.
  package static let batch = 500
  /// How many are read of a store at most.
  package static let mostRead = 1000

  private let database: Database

  package init(database: Database) {
    self.database = database
  }

  /// Notes some failed calls; those that are noted already change nothing.
  package func add(_ calls: [FailedCall]) async throws(PostgresError) {
    _ = try await database.query(
      Statement(
        """
        SELECT add_call_failures($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[],
          $8::bigint[]::integer[], $9::text[], $10::text[], $11::bigint[], $12::integer)
        """,
        [
          calls.map(\.installation.app.text), calls.map(\.installation.store.text),
          calls.map(\.at.microseconds), calls.map(\.requestID), calls.map(\.key),
          calls.map(\.method), calls.map(\.path), calls.map { Int64($0.status) },
          calls.map { $0.code ?? "" }, calls.map(\.outcome.rawValue),
          calls.map(\.duration.inMicroseconds), CallFailures.kept,
        ]))
  }

  /// The failed calls of a store that are kept, the newest first.
  package func read(
    of installation: InstallationID
  ) async throws(PostgresError) -> [CallFailure] {
    let result = try await database.query(
      Statement(
        """
        SELECT at, request_id, key_id, name, method, path, status, code, outcome, duration_us
        FROM call_failures LEFT JOIN service_keys USING (key_id)
        WHERE call_failures.app_id = $1 AND store_hash = $2
        ORDER BY at DESC, request_id DESC LIMIT $3
        """, [installation.app.text, installation.store.text, CallFailures.mostRead]))
    var failures: [CallFailure] = []
    for row in result.rows { failures.append(try CallFailure(row, of: installation)) }
    return failures
  }

  /// Forgets a bounded number of those that are too old.
  ///
  /// - Returns: how many.
  package func forget() async throws(PostgresError) -> Int {
    try await database.query(
      Statement(
        """
        WITH due AS MATERIALIZED (
          SELECT app_id, store_hash, kind, at, request_id FROM call_failures
          WHERE at < now() - make_interval(days => $1::integer) LIMIT $2 FOR UPDATE SKIP LOCKED
        )
        DELETE FROM call_failures AS known USING due
        WHERE (known.app_id, known.store_hash, known.kind, known.at, known.request_id)
          = (due.app_id, due.store_hash, due.kind, due.at, due.request_id)
        """, [CallFailures.daysKept, Retention.batch])
    ).affected
  }
}

extension CallFailure {
  fileprivate init(_ row: Row, of installation: InstallationID) throws(PostgresError) {
    guard let outcome = FailedCall.Outcome(rawValue: try row.decode("outcome")) else {
      throw .decoding(column: "outcome", expected: "how a call ended")
    }
    call = FailedCall(
      installation: installation, at: try row.decode("at"),
      requestID: try row.decode("request_id"), key: try row.decode("key_id"),
      method: try row.decode("method"), path: try row.decode("path"),
      status: Int(try row.decode("status", as: Int32.self)), code: try row.decode("code"),
      outcome: outcome,
      duration: .microseconds(try row.decode("duration_us", as: Int64.self)))
    callerName = try row.decode("name")
  }
}
