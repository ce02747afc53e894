package import Base
package import BigCommerce
package import Postgres
package import Vault

/// A token that BigCommerce gave or an operator brought, to become an installation's.
package struct InstallWrite: Sendable {
  package let installation: InstallationID
  package let token: Secret<String>
  package let scopes: Scopes
  /// BigCommerce's clock.
  package let authorizedAt: Timestamp
  /// Who installed; `nil` for an import.
  package let installer: StoreUser?
  package let owner: StoreUser?
  package let accountUUID: String?
  /// What the store's labels shall be; `nil` leaves them as they are.
  package let labels: Set<StoreLabel>?
  package let act: Act

  package init(
    installation: InstallationID, token: Secret<String>, scopes: Scopes, authorizedAt: Timestamp,
    installer: StoreUser? = nil, owner: StoreUser? = nil, accountUUID: String? = nil,
    labels: Set<StoreLabel>? = nil, act: Act
  ) {
    self.installation = installation
    self.token = token
    self.scopes = scopes
    self.authorizedAt = authorizedAt
    self.installer = installer
    self.owner = owner
    self.accountUUID = accountUUID
    self.labels = labels
    self.act = act
  }
}

/// What became of a token.
package enum InstallResult: Hashable, Sendable {
  /// It is the installation's now, durably.
  case stored(Generation)
  /// The same write had succeeded before.
  case repeated(Generation)
  /// Something newer happened; the token was dropped.
  case superseded(Superseded)
  /// The attempt is not on record, because all data of the store were deleted; the token was
  /// dropped.
  case unknownAttempt
  /// Nothing was stored.
  case notSealed(VaultError)
}

/// Writes that give an installation a token, each in one transaction: row, users, attempt, event,
/// audit.
///
/// Each may be repeated until its outcome is certain: the attempt is the idempotency key, and a
/// repetition writes to its row, so that its COMMIT means that the first one's is durable.
package struct InstallationWrites: Sendable {
  private let database: Database
  private let keyring: Keyring

  package init(database: Database, keyring: Keyring) {
    self.database = database
    self.keyring = keyring
  }

  /// Stores the token of an exchanged code, generation + 1.
  ///
  /// The ticket is made valid in the same transaction, if the token is stored.
  package func install(
    _ write: InstallWrite, attempt: AttemptID, ticket: NewTicket? = nil
  ) async throws(PostgresError) -> InstallResult {
    try await database.committing { transaction throws(PostgresError) in
      _ = try await transaction.query(.lock(write.installation))
      let found = try await transaction.query(
        Statement(
          """
          UPDATE install_attempts SET repeats = repeats + 1
          WHERE app_id = $1 AND store_hash = $2 AND attempt_id = $3
          RETURNING attempt_id, state, failure, generation, base_generation
          """,
          [attempt.installation.app.text, attempt.installation.store.text, attempt.number]))
      guard let row = found.rows.first else { return .unknownAttempt }
      return try await store(write, source: "oauth", AttemptRow(row), ticket, in: transaction)
    }
  }

  /// Stores a token that an operator brought and that a real call has proved, generation + 1.
  ///
  /// The key is random and chosen once per import; a repetition with the same key changes nothing.
  package func importToken(
    _ write: InstallWrite, key: [UInt8]
  ) async throws(PostgresError) -> InstallResult {
    try await database.committing { transaction throws(PostgresError) in
      _ = try await transaction.query(.lock(write.installation))
      let found = try await transaction.query(
        Statement(
          """
          INSERT INTO install_attempts AS known
            (app_id, store_hash, code_sha256, claim, state, base_generation, request_id)
          SELECT $1, $2, $3, 'import', 'exchanging',
            coalesce((SELECT generation FROM installations
              WHERE app_id = $1 AND store_hash = $2), 0), $4
          ON CONFLICT ON CONSTRAINT install_attempts_code_unique
            DO UPDATE SET repeats = known.repeats + 1
          RETURNING attempt_id, state, failure, generation, base_generation
          """,
          [
            write.installation.app.text, write.installation.store.text, key,
            write.act.requestID?.text ?? write.act.actor,
          ]))
      guard let row = found.rows.first else { return .unknownAttempt }
      return try await store(write, source: "import", AttemptRow(row), nil, in: transaction)
    }
  }

  private struct AttemptRow {
    let number: Int64
    let state: String
    let failure: String?
    let generation: Generation?
    let baseGeneration: Generation

    init(_ row: Row) throws(PostgresError) {
      number = try row.decode("attempt_id")
      state = try row.decode("state")
      failure = try row.decode("failure")
      generation = try row.decode("generation", as: Int64?.self).map { Generation($0) }
      baseGeneration = Generation(try row.decode("base_generation"))
    }
  }

  private func store(
    _ write: InstallWrite, source: String, _ attempt: AttemptRow, _ ticket: NewTicket?,
    in transaction: Transaction
  ) async throws(PostgresError) -> InstallResult {
    switch attempt.state {
    case "done": return .repeated(attempt.generation ?? attempt.baseGeneration)
    case "failed":
      return .superseded(attempt.failure.flatMap(Superseded.init) ?? .installedSince)
    default: break
    }
    let found = try await current(write.installation, in: transaction)
    let current = found?.facts
    let decision = CallbackRules.install(
      authorizedAt: write.authorizedAt, baseGeneration: attempt.baseGeneration,
      current: current, newestUninstall: try await newestUninstall(write, in: transaction))
    switch decision {
    case .superseded(let reason):
      for statement in write.dropped(attempt.number, reason) {
        _ = try await transaction.query(statement)
      }
      return .superseded(reason)
    case .store(let generation, let isSuspended):
      let sealed: Sealed
      do throws(VaultError) {
        sealed = try keyring.seal(
          Secret(Array(write.token.expose().utf8)),
          for: SealedPlace(.accessToken, of: write.installation, generation: generation))
      } catch {
        return .notSealed(error)
      }
      var statements = write.people(ticket, generation)
      statements += write.labelling(found?.labels ?? [])
      statements.append(write.done(attempt.number, generation))
      statements.append(
        write.row(
          sealed, generation, source: source, isSuspended: isSuspended, isNew: current == nil))
      FailPoint.reach("install.in_transaction")
      for statement in statements { _ = try await transaction.query(statement) }
      FailPoint.reach("install.before_commit")
      return .stored(generation)
    }
  }

  private func current(
    _ installation: InstallationID, in transaction: Transaction
  ) async throws(PostgresError) -> (facts: CurrentInstallation, labels: Set<StoreLabel>)? {
    let found = try await transaction.query(
      Statement(
        """
        SELECT generation, authorized_at, suspended_at IS NOT NULL AS is_suspended, labels
        FROM installations WHERE app_id = $1 AND store_hash = $2 FOR UPDATE
        """,
        [installation.app.text, installation.store.text]))
    guard let row = found.rows.first else { return nil }
    let facts = CurrentInstallation(
      generation: Generation(try row.decode("generation")),
      authorizedAt: try row.decode("authorized_at"),
      isSuspended: try row.decode("is_suspended"))
    return (facts, try row.labels())
  }

  private func newestUninstall(
    _ write: InstallWrite, in transaction: Transaction
  ) async throws(PostgresError) -> Timestamp? {
    let found = try await transaction.query(
      Statement(
        """
        SELECT greatest(
          (SELECT uninstall_issued_at FROM installations WHERE app_id = $1 AND store_hash = $2),
          (SELECT max(issued_at) FROM callback_tokens
            WHERE app_id = $1 AND store_hash = $2 AND purpose = 'uninstall')) AS newest
        """,
        [write.installation.app.text, write.installation.store.text]))
    return try found.rows.first?.decode("newest", as: Timestamp?.self) ?? nil
  }
}
