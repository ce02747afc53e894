import Base
import BigCommerce
import Postgres
import Vault

/// The statements of an install, in the order of the lock rules: the installation's row comes last.
extension InstallWrite {
  /// The attempt of a token that came too late.
  func dropped(_ attempt: Int64, _ reason: Superseded) -> [Statement] {
    [
      Statement(
        """
        UPDATE install_attempts SET state = 'failed', failure = $4, finished_at = now()
        WHERE app_id = $1 AND store_hash = $2 AND attempt_id = $3
        """,
        [installation.app.text, installation.store.text, attempt, reason.rawValue]),
      .audit(
        act, "install_superseded", installation,
        ["attempt_id": .integer(attempt), "reason": .string(reason.rawValue)]),
    ]
  }

  /// Users, ticket, event and audit.
  func people(_ ticket: NewTicket?, _ generation: Generation) -> [Statement] {
    var statements: [Statement] = []
    if let installer {
      statements.append(
        .provision(
          installer, of: installation, isOwner: installer.id == owner?.id, at: authorizedAt))
    }
    if let owner {
      if owner.id != installer?.id {
        statements.append(.provision(owner, of: installation, isOwner: true, at: authorizedAt))
      }
      statements.append(.onlyOwner(owner.id, of: installation))
    }
    if let ticket { statements.append(ticket.insert(for: installation)) }
    let facts: JSONValue = [
      "generation": .integer(generation.number),
      "user_id": installer.map { .integer($0.id) } ?? .null,
    ]
    statements.append(.event("app/installed", installation, facts))
    statements.append(.audit(act, installer == nil ? "import" : "install", installation, facts))
    return statements
  }

  /// The audit row of labels that become others than those before.
  func labelling(_ before: Set<StoreLabel>) -> [Statement] {
    guard let labels, labels != before else { return [] }
    return [.audit(act, "label", installation, .labelChange(from: before, to: labels))]
  }

  /// The attempt of a token that is stored.
  func done(_ attempt: Int64, _ generation: Generation) -> Statement {
    Statement(
      """
      UPDATE install_attempts
      SET state = 'done', generation = $4, failure = NULL, finished_at = now()
      WHERE app_id = $1 AND store_hash = $2 AND attempt_id = $3
      """,
      [installation.app.text, installation.store.text, attempt, generation.number])
  }

  /// The installation's row: the old token's ciphertext is overwritten.
  func row(
    _ sealed: Sealed, _ generation: Generation, source: String, isSuspended: Bool, isNew: Bool
  ) -> Statement {
    // Not ON CONFLICT: its insert would take the change counter before it waits for the row. The
    // row is locked, or nobody else can make it.
    let binds: [any PostgresBindable] = [
      installation.app.text, installation.store.text, isSuspended ? "suspended" : "active",
      generation.number, sealed.bytes, sealed.keyID.text, scopes.names, source, authorizedAt,
      owner?.id,
      accountUUID, labels.map { $0.sorted().map(\.text) },
    ]
    if isNew {
      return Statement(
        """
        INSERT INTO installations (app_id, store_hash, state, generation, sealed_token,
          token_key_id, scopes, source, authorized_at, owner_id, account_uuid, labels)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, coalesce($12, '{}'))
        """, binds)
    }
    return Statement(
      """
      UPDATE installations SET state = $3, generation = $4, sealed_token = $5, token_key_id = $6,
        scopes = $7, source = $8, authorized_at = $9, owner_id = coalesce($10, owner_id),
        account_uuid = coalesce($11, account_uuid), labels = coalesce($12, labels), token_stored_at = now(),
        token_verified_at = NULL,
        state_changed_at = CASE WHEN state = $3 THEN state_changed_at ELSE now() END,
        uninstalled_at = NULL, data_purged_at = NULL,
        next_canary_at = NULL, canary_delay_seconds = 0, canary_lease_until = NULL
      WHERE app_id = $1 AND store_hash = $2
      """, binds)
  }
}
