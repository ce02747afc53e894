import Base
package import BigCommerce
package import Postgres

/// A merchant opening the app.
package struct LoadVisit: Sendable {
  package let token: CallbackToken
  package let user: StoreUser
  /// Made valid in the same transaction, if the load is admitted.
  package let ticket: NewTicket?

  package init(token: CallbackToken, user: StoreUser, ticket: NewTicket?) {
    self.token = token
    self.user = user
    self.ticket = ticket
  }
}

/// Whether a merchant may open the app.
package enum LoadResult: Hashable, Sendable {
  /// Yes; the user is recorded.
  case admitted(scopes: Scopes)
  /// The app is not installed on this store, or no longer.
  case notInstalled
  /// BigCommerce refuses the token.
  case revoked
  case suspended
  /// A newer token was lost after BigCommerce gave it; what is stored may be dead.
  case lost
  /// A newer token is being fetched at this moment.
  case installing
  /// Issued before the store was authorized again.
  case stale
  case userRemoved
  /// The payload was first used for something else.
  case otherPurpose(CallbackPurpose)
}

/// Loads: decided and recorded in one transaction.
package struct LoadWrites: Sendable {
  private let database: Database

  package init(database: Database) {
    self.database = database
  }

  /// Records the token's purpose whatever else is true, and the user if the load is admitted.
  package func load(_ visit: LoadVisit) async throws(PostgresError) -> LoadResult {
    try await database.committing { transaction throws(PostgresError) in
      let token = visit.token
      let claimed = try await transaction.query(token.claim(for: .load))
      if let row = claimed.rows.first,
        case .otherPurpose(let purpose) = try CallbackToken.use(row, for: .load)
      {
        return .otherPurpose(purpose)
      }
      // Locked before the facts are read, so that an uninstall or removal is either seen or comes
      // after COMMIT and takes the ticket with it.
      _ = try await transaction.query(
        Statement(
          "SELECT FROM installations WHERE app_id = $1 AND store_hash = $2 FOR SHARE",
          [token.installation.app.text, token.installation.store.text]))
      let facts = try await transaction.query(LoadFacts.statement(token))
      guard let row = facts.rows.first else {
        throw .decoding(column: "state", expected: "one row")
      }
      let known = try LoadFacts(row)
      let result = known.decide(issuedAt: token.issuedAt)
      guard case .admitted = result else { return result }
      _ = try await transaction.query(
        .provision(
          visit.user, of: token.installation,
          isOwner: (token.ownerID ?? known.ownerID) == visit.user.id, at: token.issuedAt))
      if let ticket = visit.ticket {
        _ = try await transaction.query(ticket.insert(for: token.installation))
      }
      return result
    }
  }
}

/// What decides about a load; read in one statement, decided without input or output.
struct LoadFacts: Hashable {
  /// `nil` when there is no installation.
  let state: String?
  let authorizedAt: Timestamp?
  let ownerID: Int64?
  let scopes: Scopes
  let removedAt: Timestamp?
  /// An attempt newer than the token was lost, and the token has not proved itself since.
  let hasLostAttempt: Bool
  /// An attempt newer than the token is running.
  let isInstalling: Bool

  func decide(issuedAt: Timestamp) -> LoadResult {
    if hasLostAttempt && state != "suspended" { return .lost }
    guard let state, let authorizedAt, state != "uninstalled" else {
      return isInstalling ? .installing : .notInstalled
    }
    if CallbackRules.userIsRemoved(issuedAt: issuedAt, removedAt: removedAt) { return .userRemoved }
    if CallbackRules.loadIsStale(issuedAt: issuedAt, authorizedAt: authorizedAt) { return .stale }
    if isInstalling { return .installing }
    switch state {
    case "active": return .admitted(scopes: scopes)
    case "suspended": return .suspended
    default: return .revoked
    }
  }

  static func statement(_ token: CallbackToken) -> Statement {
    Statement(
      """
      SELECT known.state, known.authorized_at, known.owner_id,
        coalesce(known.scopes, '{}') AS scopes,
        greatest(
          (SELECT removed_at FROM store_users
            WHERE app_id = $1 AND store_hash = $2 AND user_id = $3),
          (SELECT max(issued_at) FROM callback_tokens
            WHERE app_id = $1 AND store_hash = $2 AND purpose = 'remove_user' AND user_id = $3
              AND user_id IS DISTINCT FROM known.owner_id)
        ) AS removed_at,
        EXISTS (SELECT FROM install_attempts
          WHERE app_id = $1 AND store_hash = $2 AND state = 'lost'
            AND started_at > coalesce(known.token_stored_at, '-infinity')
            AND started_at > coalesce(known.uninstalled_at, '-infinity')
            AND finished_at > coalesce(known.token_verified_at, '-infinity')) AS has_lost_attempt,
        EXISTS (SELECT FROM install_attempts
          WHERE app_id = $1 AND store_hash = $2 AND state = 'exchanging'
            AND started_at > coalesce(known.token_stored_at, '-infinity')) AS is_installing
      FROM (VALUES (0)) AS always
      LEFT JOIN installations known ON known.app_id = $1 AND known.store_hash = $2
      """,
      [token.installation.app.text, token.installation.store.text, token.userID])
  }
}

extension LoadFacts {
  fileprivate init(_ row: Row) throws(PostgresError) {
    state = try row.decode("state")
    authorizedAt = try row.decode("authorized_at")
    ownerID = try row.decode("owner_id")
    scopes = Scopes(try row.decode("scopes", as: [String].self))
    removedAt = try row.decode("removed_at")
    hasLostAttempt = try row.decode("has_lost_attempt")
    isInstalling = try row.decode("is_installing")
  }
}
