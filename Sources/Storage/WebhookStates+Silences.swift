import Base
import Postgres

/// From some moment on nothing was heard of a scope.
struct Silence: Hashable {
  let scope: String
  let since: Timestamp
  /// From when on changes must be compared.
  let compareFrom: Timestamp
  let reason: RepairReason
}

extension WebhookCheckResult {
  /// What a check found to be silent, or to have been; `lookedAt` is when all was well last.
  func silences(before: [WebhookFact], lookedAt: Timestamp) -> [Silence] {
    let off = outages.map { outage in
      let since = outage.since ?? lookedAt
      return Silence(
        scope: outage.scope, since: since,
        compareFrom: RepairRules.start(of: outage, since: since), reason: .deactivated)
    }
    let gone = hooks.map { RepairRules.replaced(before: before, after: $0) } ?? []
    return off
      + gone.map { hook in
        Silence(
          scope: hook.scope, since: lookedAt, compareFrom: lookedAt - RepairRules.margin,
          reason: .missing)
      }
  }
}

extension WebhookStates {
  /// Keeps in mind what was not heard of, and plans its repair once all of it is heard of again.
  static func note(
    _ silences: [Silence], _ result: WebhookCheckResult, of installation: InstallationID,
    in transaction: Transaction
  ) async throws(PostgresError) {
    let key: [any PostgresBindable] = [installation.app.text, installation.store.text]
    if let reason = silences.first?.reason {
      _ = try await transaction.query(
        Statement(
          """
          UPDATE webhook_states SET deactivated_since = least(deactivated_since, $3),
            repair_from = least(repair_from, $4), repair_reason = coalesce(repair_reason, $5),
            off_scopes = ARRAY(SELECT DISTINCT unnest(off_scopes || $6::text[]) ORDER BY 1), is_repair_planned = false
          WHERE app_id = $1 AND store_hash = $2
          """,
          key + [
            silences.map(\.since).min(), silences.map(\.compareFrom).min(), reason.rawValue,
            silences.map(\.scope),
          ]))
    }
    guard let hooks = result.hooks else { return }
    let open = try await transaction.query(
      Statement(
        """
        SELECT deactivated_since, repair_from, repair_reason, off_scopes FROM webhook_states
        WHERE app_id = $1 AND store_hash = $2 AND deactivated_since IS NOT NULL AND NOT is_repair_planned
        """, key))
    guard let row = open.rows.first else { return }
    let scopes = try row.decode("off_scopes", as: [String].self)
    let heard = Set(hooks.filter(\.isActive).map(\.scope))
    guard result.failure == nil || heard.isSuperset(of: scopes) else { return }
    guard let reason = RepairReason(rawValue: try row.decode("repair_reason")) else {
      throw .decoding(column: "repair_reason", expected: "a reason for repairs")
    }
    try await Repairs.planOff(
      installation,
      Repairs.Plan(
        reason: reason, since: try row.decode("deactivated_since"),
        compareFrom: try row.decode("repair_from")),
      scopes: scopes, in: transaction)
  }
}
