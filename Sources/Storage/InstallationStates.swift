package import Base
package import Postgres

/// What an operator's act on an installation came to.
package enum StateChange: Hashable, Sendable {
  case changed
  /// It was so already.
  case unchanged
  /// There is no such installation.
  case unknown
  /// The installation has no token, so the act has no meaning.
  case uninstalled
}

/// What operators do to installations: label, suspend, resume, destroy, delete the data.
package struct InstallationStates: Sendable {
  let database: Database

  package init(database: Database) {
    self.database = database
  }

  /// Stops all calls for the store; installing again does not end it.
  package func suspend(
    _ installation: InstallationID, act: Act
  ) async throws(PostgresError) -> StateChange {
    try await change(installation) { state, isSuspended in
      if state == "uninstalled" { return (.uninstalled, []) }
      if isSuspended { return (.unchanged, []) }
      return (
        .changed,
        [
          .event("app/suspended", installation),
          .audit(act, "suspend", installation),
          Statement(
            """
            UPDATE installations
            SET state = 'suspended', suspended_at = now(), state_changed_at = now()
            WHERE app_id = $1 AND store_hash = $2
            """, [installation.app.text, installation.store.text]),
        ]
      )
    }
  }

  /// Allows calls again; a canary call then finds out whether the platform still accepts the token.
  package func resume(
    _ installation: InstallationID, act: Act
  ) async throws(PostgresError) -> StateChange {
    try await change(installation) { state, isSuspended in
      guard isSuspended else { return (state == "uninstalled" ? .uninstalled : .unchanged, []) }
      return (
        .changed,
        [
          .event("app/resumed", installation),
          .audit(act, "resume", installation),
          Statement(
            """
            UPDATE installations SET suspended_at = NULL,
              state = CASE WHEN state = 'suspended' THEN 'active' ELSE state END,
              state_changed_at = CASE WHEN state = 'suspended' THEN now() ELSE state_changed_at END,
              next_canary_at = CASE WHEN state = 'suspended' THEN now() END,
              canary_delay_seconds = 0
            WHERE app_id = $1 AND store_hash = $2
            """, [installation.app.text, installation.store.text]),
        ]
      )
    }
  }

  /// Destroys the token as an uninstall does; the platform is not told.
  ///
  /// With `deletingData`, users, tickets and attempts of the store go too.
  package func destroy(
    _ installation: InstallationID, deletingData: Bool, act: Act
  ) async throws(PostgresError) -> StateChange {
    try await change(installation) { state, _ in
      var statements: [Statement] = []
      if state != "uninstalled" {
        statements += [
          Statement(
            "DELETE FROM tickets WHERE app_id = $1 AND store_hash = $2",
            [installation.app.text, installation.store.text]),
          .event("app/uninstalled", installation, ["by": .string(act.actor)]),
          .audit(act, "delete", installation),
          .eraseAnswers(of: installation),
        ]
      }
      if deletingData { statements += Statement.deleteData(of: installation, act) }
      if state != "uninstalled" {
        statements.append(.destroyToken(of: installation, issuedAt: nil))
      }
      if deletingData { statements.append(.markDeleted(installation)) }
      return (statements.isEmpty ? .unchanged : .changed, statements)
    }
  }

  private func change(
    _ installation: InstallationID,
    _ decide:
      @escaping @Sendable (_ state: String, _ isSuspended: Bool) -> (StateChange, [Statement])
  ) async throws(PostgresError) -> StateChange {
    try await database.committing { transaction throws(PostgresError) in
      _ = try await transaction.query(.lock(installation))
      let found = try await transaction.query(
        Statement(
          """
          SELECT state, suspended_at IS NOT NULL AS is_suspended FROM installations
          WHERE app_id = $1 AND store_hash = $2 FOR UPDATE
          """,
          [installation.app.text, installation.store.text]))
      guard let row = found.rows.first else { return .unknown }
      let (change, statements) = decide(
        try row.decode("state"), try row.decode("is_suspended"))
      for statement in statements { _ = try await transaction.query(statement) }
      return change
    }
  }
}

extension Statement {
  /// Everything of the store but its tombstone, the audit and what guards against replays until it
  /// expires.
  static func deleteData(of installation: InstallationID, _ act: Act) -> [Statement] {
    let key: [any PostgresBindable] = [installation.app.text, installation.store.text]
    return [
      Statement("DELETE FROM tickets WHERE app_id = $1 AND store_hash = $2", key),
      Statement("DELETE FROM push_deliveries WHERE app_id = $1 AND store_hash = $2", key),
      Statement("DELETE FROM call_failures WHERE app_id = $1 AND store_hash = $2", key),
      Statement("DELETE FROM keyed_writes WHERE app_id = $1 AND store_hash = $2", key),
      Statement("DELETE FROM store_names WHERE app_id = $1 AND store_hash = $2", key),
      Statement("DELETE FROM store_users WHERE app_id = $1 AND store_hash = $2", key),
      Statement(
        """
        DELETE FROM install_attempts
        WHERE app_id = $1 AND store_hash = $2 AND state <> 'exchanging'
        """, key),
      .event("app/data_deleted", installation),
      .audit(act, "data_delete", installation),
    ]
  }

  /// The tombstone's mark that nothing personal is left, nor anything that operators said of it.
  static func markDeleted(_ installation: InstallationID) -> Statement {
    Statement(
      """
      UPDATE installations SET data_purged_at = now(), owner_id = NULL, account_uuid = NULL, labels = '{}'
      WHERE app_id = $1 AND store_hash = $2
      """,
      [installation.app.text, installation.store.text])
  }
}
