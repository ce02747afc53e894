package import Base
package import BigCommerce
package import Postgres

/// A ticket to be stored with the act that makes it: only its digest is known here.
package struct NewTicket: Hashable, Sendable {
  package let sha256: [UInt8]
  package let userID: Int64?
  package let channelID: Int64?
  /// The relative path of the payload's `url`.
  package let deepLink: String?

  package init(sha256: [UInt8], userID: Int64?, channelID: Int64?, deepLink: String?) {
    self.sha256 = sha256
    self.userID = userID
    self.channelID = channelID
    self.deepLink = deepLink
  }

  /// How long a ticket can be redeemed.
  package static let lifetime: Duration = .seconds(60)

  func insert(for installation: InstallationID) -> Statement {
    Statement(
      """
      INSERT INTO tickets
        (app_id, store_hash, ticket_sha256, user_id, channel_id, deep_link, expires_at)
      VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7::bigint))
      """,
      [
        installation.app.text, installation.store.text, sha256, userID, channelID, deepLink,
        NewTicket.lifetime.components.seconds,
      ])
  }
}

/// Who came with a ticket.
package struct RedeemedTicket: Hashable, Sendable {
  package let installation: InstallationID
  package let userID: Int64?
  package let email: String?
  package let locale: String?
  package let isOwner: Bool
  package let channelID: Int64?
  package let deepLink: String?
}

/// Exchanges a ticket for the merchant who came with it, once.
package struct TicketRedemption: Sendable {
  private let database: Database

  package init(database: Database) {
    self.database = database
  }

  /// Takes the ticket away and says whose it was.
  ///
  /// One statement, so that of any number of requests at once one gets the answer.
  ///
  /// `app` is that of the caller's key, or `nil` for an operator's; `stores` are those of the
  /// caller's grant. A ticket of another app or store stays as it is.
  ///
  /// - Returns: `nil` when it is unknown, spent, expired or not the caller's: nobody can tell these
  ///   apart.
  package func redeem(
    sha256: [UInt8], app: AppName?, stores: Grant.Stores
  ) async throws(PostgresError) -> RedeemedTicket? {
    let result = try await database.query(
      Statement(
        """
        WITH taken AS (
          DELETE FROM tickets
          WHERE ticket_sha256 = $1 AND expires_at > now()
            AND ($2::text IS NULL OR app_id = $2)
            AND ($3::text[] IS NULL OR store_hash = ANY ($3) OR EXISTS (
              SELECT FROM installations known
              WHERE known.app_id = tickets.app_id AND known.store_hash = tickets.store_hash
                AND known.labels && $4))
          RETURNING app_id, store_hash, user_id, channel_id, deep_link
        )
        SELECT taken.*, known.email, known.locale, coalesce(known.is_owner, false) AS is_owner
        FROM taken
        LEFT JOIN store_users known USING (app_id, store_hash, user_id)
        """,
        [sha256, app?.text, stores.hashes, stores.labels]))
    guard let row = result.rows.first else { return nil }
    return RedeemedTicket(
      installation: try row.installation(),
      userID: try row.decode("user_id"), email: try row.decode("email"),
      locale: try row.decode("locale"), isOwner: try row.decode("is_owner"),
      channelID: try row.decode("channel_id"), deepLink: try row.decode("deep_link"))
  }
}
