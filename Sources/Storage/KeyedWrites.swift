package import Base
package import Postgres
package import Vault

/// The ledger of writes that have an `Idempotency-Key`.
///
/// A row is committed before its write is sent, so that at most one request ever sends it, whatever
/// dies. The sender renews its lease while it waits; a write whose lease has passed is of unknown
/// outcome from then on, and is never sent again.
package struct KeyedWrites: Sendable {
  /// How long a key is known, from its first request.
  package static let keptFor = Duration.seconds(86_400)
  /// How long a sender may be silent before it is taken for dead.
  package static let lease = Duration.seconds(15)
  /// The largest answer body that is kept.
  package static let largestAnswer = ByteCount.mebibytes(1)

  /// How much of it one caller may have for one store.
  package struct Limits: Hashable, Sendable {
    package var keys = 100_000
    /// Of answers.
    package var bytes = ByteCount.mebibytes(256)

    package init() {}
  }

  private let database: Database
  private let keyring: Keyring
  private let limits: Limits

  package init(database: Database, keyring: Keyring, limits: Limits = Limits()) {
    self.database = database
    self.keyring = keyring
    self.limits = limits
  }

  /// Records the write as in flight, or finds what is on record under its key.
  ///
  /// A record with the write's own claim, in flight: it is durable, and this request alone may send
  /// it. After an unknown outcome the call may be repeated with the same claim.
  ///
  /// - Returns: `nil` when the caller has as many keys or answers of that store as it may; nothing is
  ///   recorded.
  package func begin(_ write: KeyedWrite) async throws(PostgresError) -> KeyedWriteRecord? {
    let results = try await database.transaction([
      .forgetExpired(write.id), .begin(write, limits),
    ])
    guard let row = results.last?.rows.first else { return nil }
    return try record(row, write.id)
  }

  /// Says that the sender lives.
  package func renew(_ write: KeyedWrite) async throws(PostgresError) {
    _ = try await database.query(
      Statement(
        """
        UPDATE keyed_writes SET lease_until = now() + $6
        WHERE app_id = $1 AND store_hash = $2 AND caller = $3 AND key_sha256 = $4 AND claim = $5
          AND state = 'in_flight'
        """, write.owned + [KeyedWrites.lease]))
  }

  /// Seals an answer for the write that it belongs to.
  package func seal(_ answer: KeptAnswer, for write: KeyedWrite) throws(VaultError) -> Sealed {
    try keyring.seal(Secret(answer.encoded), for: write.id.place)
  }

  /// Ends the write with its answer, which every repetition gets from now on; `nil`: it is not kept.
  ///
  /// The sender's word replaces what was assumed when its lease had passed. May be repeated.
  package func end(
    _ write: KeyedWrite, status: Int, _ answer: Sealed?
  ) async throws(PostgresError) {
    _ = try await database.query(
      Statement(
        """
        UPDATE keyed_writes SET state = 'done', cause = NULL, status = $6, answer_key_id = $7, sealed_answer = $8
        WHERE app_id = $1 AND store_hash = $2 AND caller = $3 AND key_sha256 = $4 AND claim = $5
        """, write.owned + [Int64(status), answer?.keyID.text, answer?.bytes]))
  }

  /// Ends the write without anybody knowing whether it was carried out.
  ///
  /// May be repeated.
  package func lose(
    _ write: KeyedWrite, because cause: KeyedWriteCause, status: Int?
  ) async throws(PostgresError) {
    _ = try await database.query(
      Statement(
        """
        UPDATE keyed_writes SET state = 'unknown', cause = $6, status = $7
        WHERE app_id = $1 AND store_hash = $2 AND caller = $3 AND key_sha256 = $4 AND claim = $5
          AND state <> 'done'
        """, write.owned + [cause.rawValue, status.map { Int64($0) }]))
  }

  /// Forgets a write that was certainly not carried out: its key is free again.
  ///
  /// May be repeated.
  ///
  /// - Returns: whether there was anything to forget.
  @discardableResult
  package func free(_ write: KeyedWrite) async throws(PostgresError) -> Bool {
    try await database.query(
      Statement(
        """
        DELETE FROM keyed_writes
        WHERE app_id = $1 AND store_hash = $2 AND caller = $3 AND key_sha256 = $4 AND claim = $5
        """, write.owned)
    ).affected > 0
  }

  private func record(_ row: Row, _ id: KeyedWriteID) throws(PostgresError) -> KeyedWriteRecord {
    let status = try row.decode("status", as: Int32?.self).map { Int($0) }
    let state: KeyedWriteRecord.State
    switch try row.decode("state", as: String.self) {
    case "in_flight": state = .inFlight
    case "done": state = .done(status: status ?? 0, answer(try row.decode("sealed_answer"), id))
    default: state = .unknown(cause: try row.decode("cause"), status: status)
    }
    return KeyedWriteRecord(
      fingerprint: RequestFingerprint(bytes: try row.decode("fingerprint")),
      claim: try row.decode("claim"), state: state, requestID: try row.decode("request_id"))
  }

  private func answer(_ sealed: [UInt8]?, _ id: KeyedWriteID) -> KeyedWriteRecord.Answer {
    guard let sealed else { return .notKept }
    do throws(VaultError) {
      let opened = try keyring.open(Sealed(bytes: sealed), for: id.place)
      guard let answer = KeptAnswer(encoded: opened.expose()) else { throw .unknownVersion }
      return .kept(answer)
    } catch {
      return .unreadable(reason: error.reason)
    }
  }
}

extension KeyedWrite {
  /// The values of the table's key, and the claim.
  fileprivate var owned: [any PostgresBindable] { id.columns + [claim] }
}

extension Statement {
  /// What was recorded under the key a day ago and is still there.
  fileprivate static func forgetExpired(_ id: KeyedWriteID) -> Statement {
    Statement(
      """
      DELETE FROM keyed_writes
      WHERE app_id = $1 AND store_hash = $2 AND caller = $3 AND key_sha256 = $4 AND expires_at <= now()
      """, id.columns)
  }

  /// A repetition writes as well: when the first COMMIT's outcome was unknown, this one's is what
  /// counts.
  ///
  /// An answer is read only for the request that it belongs to.
  fileprivate static func begin(_ write: KeyedWrite, _ limits: KeyedWrites.Limits) -> Statement {
    Statement(
      """
      WITH repeated AS (
        UPDATE keyed_writes SET
          repeats = repeats + 1,
          state = CASE WHEN state = 'in_flight' AND claim <> $5 AND lease_until <= now() THEN 'unknown'
            ELSE state END,
          cause = CASE WHEN state = 'in_flight' AND claim <> $5 AND lease_until <= now() THEN 'interrupted'
            ELSE cause END,
          lease_until = CASE WHEN claim = $5 THEN now() + $8 ELSE lease_until END
        WHERE app_id = $1 AND store_hash = $2 AND caller = $3 AND key_sha256 = $4
        RETURNING *
      ), begun AS (
        INSERT INTO keyed_writes AS known (app_id, store_hash, caller, key_sha256, claim, fingerprint, request_id,
          lease_until, expires_at)
        SELECT $1, $2, $3, $4, $5, $6, $7, now() + $8, now() + $9
        WHERE NOT EXISTS (SELECT FROM repeated)
          AND NOT EXISTS (SELECT FROM keyed_write_totals
            WHERE app_id = $1 AND store_hash = $2 AND caller = $3 AND (keys >= $10 OR bytes >= $11))
        ON CONFLICT ON CONSTRAINT keyed_writes_pkey DO UPDATE SET repeats = known.repeats + 1
        RETURNING *
      )
      SELECT fingerprint, claim, state, cause, status, request_id,
        CASE WHEN fingerprint = $6 THEN sealed_answer END AS sealed_answer
      FROM (TABLE begun UNION ALL TABLE repeated) AS found
      """,
      write.id.columns + [
        write.claim, write.fingerprint.bytes, write.requestID.text, KeyedWrites.lease,
        KeyedWrites.keptFor, Int64(limits.keys), Int64(limits.bytes.bytes),
      ])
  }

  /// Erases the answers of a store whose app is uninstalled; its keys stay known, so that nothing is
  /// sent again, and what is in flight gets no answer any more.
  static func eraseAnswers(of installation: InstallationID) -> Statement {
    Statement(
      """
      UPDATE keyed_writes SET claim = '', answer_key_id = NULL, sealed_answer = NULL,
        cause = CASE WHEN state = 'in_flight' THEN 'uninstalled' ELSE cause END,
        state = CASE WHEN state = 'in_flight' THEN 'unknown' ELSE state END
      WHERE app_id = $1 AND store_hash = $2
      """, [installation.app.text, installation.store.text])
  }
}
