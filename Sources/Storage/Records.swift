package import Base
import Postgres

/// On whose behalf something changes, for the audit.
package struct Act: Hashable, Sendable {
  /// `bigcommerce`, `latchkey`, `bootstrap` or the ID of a service key.
  package let actor: String
  package let requestID: RequestID?

  package init(actor: String, requestID: RequestID?) {
    self.actor = actor
    self.requestID = requestID
  }

  /// A callback of the platform.
  package static func bigCommerce(_ requestID: RequestID) -> Act {
    Act(actor: "bigcommerce", requestID: requestID)
  }

  /// Something that this service does by itself.
  package static let latchkey = Act(actor: "latchkey", requestID: nil)
}

extension Statement {
  /// One line of the audit; details are identifiers only.
  static func audit(
    _ act: Act, _ action: String, _ installation: InstallationID, _ details: JSONValue = [:]
  ) -> Statement {
    Statement(
      """
      INSERT INTO audit (actor, action, app_id, store_hash, request_id, details)
      VALUES ($1, $2, $3, $4, $5, $6)
      """,
      [
        act.actor, action, installation.app.text, installation.store.text, act.requestID?.text,
        details,
      ])
  }

  /// One lifecycle event, which the sequencer puts into the feed; data are identifiers only.
  static func event(
    _ type: String, _ installation: InstallationID, _ data: JSONValue = [:]
  ) -> Statement {
    Statement(
      "INSERT INTO pending_events (app_id, store_hash, type, data) VALUES ($1, $2, $3, $4)",
      [installation.app.text, installation.store.text, type, data])
  }

  /// Makes install, uninstall and remove-user callbacks of one installation wait for each other
  /// until COMMIT.
  ///
  /// A row lock would not do: before the first install there is no row.
  static func lock(_ installation: InstallationID) -> Statement {
    Statement(
      "SELECT pg_advisory_xact_lock(hashtextextended($1 || '/' || $2, 0))",
      [installation.app.text, installation.store.text])
  }
}
