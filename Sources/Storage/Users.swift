import Base
import Postgres

/// A person of a store, as BigCommerce names them.
package struct StoreUser: Hashable, Sendable {
  package let id: Int64
  package let email: String?
  package let locale: String?

  package init(id: Int64, email: String?, locale: String? = nil) {
    self.id = id
    self.email = email
    self.locale = locale
  }
}

extension StoreUser: CustomStringConvertible {
  /// Without the address: descriptions end up in logs.
  package var description: String { "user \(id)" }
}

extension StoreUser: CustomReflectable {
  package var customMirror: Mirror { Mirror(self, children: ["id": id]) }
}

extension Statement {
  /// Records that the user came at that moment of BigCommerce's clock; facts of an older payload do
  /// not replace newer.
  static func provision(
    _ user: StoreUser, of installation: InstallationID, isOwner: Bool, at moment: Timestamp
  ) -> Statement {
    Statement(
      """
      INSERT INTO store_users AS known
        (app_id, store_hash, user_id, email, locale, is_owner, provisioned_at)
      VALUES ($1, $2, $3, $4, $5, $6, $7)
      ON CONFLICT ON CONSTRAINT store_users_pkey DO UPDATE SET
        email = CASE WHEN known.provisioned_at > excluded.provisioned_at
          THEN known.email ELSE coalesce(excluded.email, known.email) END,
        locale = CASE WHEN known.provisioned_at > excluded.provisioned_at
          THEN known.locale ELSE coalesce(excluded.locale, known.locale) END,
        is_owner = CASE WHEN known.provisioned_at > excluded.provisioned_at
          THEN known.is_owner ELSE excluded.is_owner END,
        provisioned_at = greatest(known.provisioned_at, excluded.provisioned_at),
        last_seen_at = now()
      """,
      [
        installation.app.text, installation.store.text, user.id, user.email, user.locale, isOwner,
        moment,
      ])
  }

  /// Takes the owner's mark from everybody else.
  static func onlyOwner(_ userID: Int64, of installation: InstallationID) -> Statement {
    Statement(
      """
      UPDATE store_users SET is_owner = false
      WHERE app_id = $1 AND store_hash = $2 AND is_owner AND user_id <> $3
      """,
      [installation.app.text, installation.store.text, userID])
  }

  /// Removes the user as of that moment; what is known of the person goes unless they came again
  /// since.
  static func remove(
    userID: Int64, of installation: InstallationID, at moment: Timestamp
  ) -> Statement {
    Statement(
      """
      INSERT INTO store_users AS known (app_id, store_hash, user_id, removed_at)
      VALUES ($1, $2, $3, $4)
      ON CONFLICT ON CONSTRAINT store_users_pkey DO UPDATE SET
        removed_at = greatest(known.removed_at, excluded.removed_at),
        email = CASE WHEN known.provisioned_at > excluded.removed_at THEN known.email END,
        locale = CASE WHEN known.provisioned_at > excluded.removed_at THEN known.locale END
      """,
      [installation.app.text, installation.store.text, userID, moment])
  }
}
