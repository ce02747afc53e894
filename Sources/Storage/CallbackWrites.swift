import Base
package import Postgres

/// What an uninstall callback came to.
///
/// All but ``otherPurpose(_:)`` are success to the platform.
package enum UninstallResult: Hashable, Sendable {
  /// The token is destroyed.
  case uninstalled
  /// The same callback had been carried out before.
  case repeated
  /// It was issued before the store's present token; nothing changed.
  case stale
  /// There is no such installation, or it was uninstalled already.
  case notInstalled
  /// The payload was first used for something else; nothing changed.
  case otherPurpose(CallbackPurpose)
}

/// What a remove-user callback came to.
///
/// All but ``otherPurpose(_:)`` are success to the platform.
package enum RemoveUserResult: Hashable, Sendable {
  case removed
  case repeated
  /// The store's owner cannot be removed; nothing changed.
  case owner
  case notInstalled
  case otherPurpose(CallbackPurpose)
}

/// The effects of the platform's uninstall and remove-user callbacks, each in one transaction with
/// its one-time token.
///
/// Each may be repeated until its outcome is certain, also from the spool, much later.
package struct CallbackWrites: Sendable {
  private let database: Database

  package init(database: Database) {
    self.database = database
  }

  /// Destroys the token, unless the store has been authorized again since the callback was issued.
  package func uninstall(
    _ token: CallbackToken, act: Act
  ) async throws(PostgresError) -> UninstallResult {
    try await database.committing { transaction throws(PostgresError) in
      let installation = token.installation
      switch try await claim(token, for: .uninstall, in: transaction) {
      case .otherPurpose(let purpose):
        _ = try await transaction.query(.refusal(act, .uninstall, token, first: purpose))
        return .otherPurpose(purpose)
      case .again: return .repeated
      case .first: break
      }
      FailPoint.reach("uninstall.in_transaction")
      let found = try await transaction.query(
        Statement(
          """
          SELECT state, authorized_at FROM installations
          WHERE app_id = $1 AND store_hash = $2 FOR UPDATE
          """,
          [installation.app.text, installation.store.text]))
      let result: UninstallResult
      if let row = found.rows.first {
        let isUninstalled = try row.decode("state", as: String.self) == "uninstalled"
        let isStale = CallbackRules.uninstallIsStale(
          issuedAt: token.issuedAt, authorizedAt: try row.decode("authorized_at"))
        result = isUninstalled ? .notInstalled : isStale ? .stale : .uninstalled
      } else {
        result = .notInstalled
      }
      for statement in token.uninstallStatements(result, act) {
        _ = try await transaction.query(statement)
      }
      FailPoint.reach("uninstall.before_commit")
      return result
    }
  }

  /// Ends one user's access to the app on that store.
  package func removeUser(
    _ token: CallbackToken, act: Act
  ) async throws(PostgresError) -> RemoveUserResult {
    try await database.committing { transaction throws(PostgresError) in
      let installation = token.installation
      switch try await claim(token, for: .removeUser, in: transaction) {
      case .otherPurpose(let purpose):
        _ = try await transaction.query(.refusal(act, .removeUser, token, first: purpose))
        return .otherPurpose(purpose)
      case .again: return .repeated
      case .first: break
      }
      // Locked, so that no load of this user is half-way.
      let found = try await transaction.query(
        Statement(
          "SELECT owner_id FROM installations WHERE app_id = $1 AND store_hash = $2 FOR UPDATE",
          [installation.app.text, installation.store.text]))
      let result: RemoveUserResult
      if let row = found.rows.first {
        // The payload's owner is signed and newer than ours.
        let known = try row.decode("owner_id", as: Int64?.self)
        let owner = token.ownerID ?? known
        result = owner == token.userID ? .owner : .removed
      } else {
        result = .notInstalled
      }
      for statement in token.removalStatements(result, act) {
        _ = try await transaction.query(statement)
      }
      FailPoint.reach("remove_user.before_commit")
      return result
    }
  }

  private func claim(
    _ token: CallbackToken, for purpose: CallbackPurpose, in transaction: Transaction
  ) async throws(PostgresError) -> TokenUse {
    _ = try await transaction.query(.lock(token.installation))
    let claimed = try await transaction.query(token.claim(for: purpose))
    guard let row = claimed.rows.first else {
      throw .decoding(column: "purpose", expected: "one row")
    }
    return try CallbackToken.use(row, for: purpose)
  }
}

extension CallbackToken {
  fileprivate func uninstallStatements(_ result: UninstallResult, _ act: Act) -> [Statement] {
    switch result {
    case .uninstalled:
      return Statement.uninstall(
        installation, .callback, userID: userID, jti: jti, act: act, issuedAt: issuedAt)
    case .notInstalled:
      return [.audit(act, "uninstall_unknown", installation, facts)]
    case .stale:
      return [.audit(act, "uninstall_stale", installation, facts)]
    case .repeated, .otherPurpose:
      return []
    }
  }

  fileprivate func removalStatements(_ result: RemoveUserResult, _ act: Act) -> [Statement] {
    switch result {
    case .removed:
      return [
        .remove(userID: userID, of: installation, at: issuedAt),
        Statement(
          "DELETE FROM tickets WHERE app_id = $1 AND store_hash = $2 AND user_id = $3",
          [installation.app.text, installation.store.text, userID]),
        .event("app/user_removed", installation, ["user_id": .integer(userID)]),
        .audit(act, "remove_user", installation, facts),
      ]
    case .owner: return [.audit(act, "remove_user_owner", installation, facts)]
    case .notInstalled: return [.audit(act, "remove_user_unknown", installation, facts)]
    case .repeated, .otherPurpose: return []
    }
  }

  private var facts: JSONValue { ["user_id": .integer(userID), "jti": .string(jti)] }
}

extension Statement {
  /// The one end of an installation, whatever told of it: tickets, event, audit, kept answers, token;
  /// the trigger on the row parks its webhooks, retires their addresses and ends its repairs.
  ///
  /// `issuedAt` is by the platform's clock: an install that is not newer no longer counts.
  static func uninstall(
    _ installation: InstallationID, _ signal: GoneSignal, userID: Int64?, jti: String? = nil,
    act: Act, issuedAt: Timestamp?
  ) -> [Statement] {
    let facts: [JSONValue.Member] = [
      .init("user_id", userID.map { .integer($0) } ?? .null),
      .init("signal", .string(signal.rawValue)),
    ]
    return [
      Statement(
        "DELETE FROM tickets WHERE app_id = $1 AND store_hash = $2",
        [installation.app.text, installation.store.text]),
      .event("app/uninstalled", installation, .object(facts)),
      .audit(
        act, "uninstall", installation,
        .object(facts + (jti.map { [.init("jti", .string($0))] } ?? []))),
      .eraseAnswers(of: installation),
      .destroyToken(of: installation, issuedAt: issuedAt),
    ]
  }

  /// Overwrites the token; a row whose token is gone already stays as it is.
  static func destroyToken(of installation: InstallationID, issuedAt: Timestamp?) -> Statement {
    Statement(
      """
      UPDATE installations SET state = 'uninstalled', sealed_token = NULL, token_key_id = NULL,
        uninstalled_at = now(), state_changed_at = now(),
        uninstall_issued_at = greatest(uninstall_issued_at, $3),
        next_canary_at = NULL, canary_delay_seconds = 0, canary_lease_until = NULL
      WHERE app_id = $1 AND store_hash = $2 AND state <> 'uninstalled'
      """,
      [installation.app.text, installation.store.text, issuedAt])
  }

  fileprivate static func refusal(
    _ act: Act, _ purpose: CallbackPurpose, _ token: CallbackToken, first: CallbackPurpose
  ) -> Statement {
    .audit(
      act, "callback_refused", token.installation,
      [
        "purpose": .string(purpose.rawValue), "first_purpose": .string(first.rawValue),
        "jti": .string(token.jti),
      ])
  }
}
