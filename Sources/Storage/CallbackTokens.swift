package import Base
import Postgres

/// What a signed payload was first used for; payloads carry no purpose of their own.
package enum CallbackPurpose: String, Hashable, Sendable {
  case load
  case uninstall
  case removeUser = "remove_user"
}

/// The facts of a verified signed payload that decide about its effect.
///
/// Its `jti` is the idempotency key: an uninstall or a removal has its effect once, whatever is
/// repeated.
package struct CallbackToken: Hashable, Sendable {
  package let installation: InstallationID
  package let jti: String
  package let userID: Int64
  package let ownerID: Int64?
  /// `iat`.
  package let issuedAt: Timestamp
  /// `exp`.
  package let expiresAt: Timestamp

  package init(
    installation: InstallationID, jti: String, userID: Int64, ownerID: Int64?, issuedAt: Timestamp,
    expiresAt: Timestamp
  ) {
    self.installation = installation
    self.jti = jti
    self.userID = userID
    self.ownerID = ownerID
    self.issuedAt = issuedAt
    self.expiresAt = expiresAt
  }
}

/// Whether a token is used for the first time.
enum TokenUse: Hashable {
  case first
  /// Used before for the same purpose.
  case again
  /// Used before for another purpose.
  case otherPurpose(CallbackPurpose)
}

extension CallbackToken {
  /// Records the use; a repetition writes too, so that its COMMIT means that the first use is
  /// durable.
  func claim(for purpose: CallbackPurpose) -> Statement {
    // Without its user, a removal of the owner removes nobody from a store that is not known yet.
    let user = userID == ownerID ? nil : userID
    return Statement(
      """
      INSERT INTO callback_tokens AS known
        (app_id, store_hash, jti, purpose, user_id, issued_at, expires_at)
      VALUES ($1, $2, $3, $4, $5, $6, $7::timestamptz + interval '1 hour')
      ON CONFLICT ON CONSTRAINT callback_tokens_pkey DO UPDATE SET uses = known.uses + 1
      RETURNING purpose, uses
      """,
      [
        installation.app.text, installation.store.text, jti, purpose.rawValue, user, issuedAt,
        expiresAt,
      ])
  }

  /// Reads the answer to ``claim(for:)``.
  static func use(_ row: Row, for purpose: CallbackPurpose) throws(PostgresError) -> TokenUse {
    let text = try row.decode("purpose", as: String.self)
    let uses = try row.decode("uses", as: Int64.self)
    guard let first = CallbackPurpose(rawValue: text) else {
      throw .decoding(column: "purpose", expected: "CallbackPurpose")
    }
    guard first == purpose else { return .otherPurpose(first) }
    return uses == 1 ? .first : .again
  }
}
