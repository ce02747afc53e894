import Base
import BigCommerce
import Postgres

/// What deliveries mean for ourselves, written with them: a webhook that the platform has given up on
/// is looked at now, and a store that is said to be gone is asked.
///
/// A repetition means it again, which changes nothing.
struct DeliverySignals {
  private let gone: [Delivery]
  private let failed: [Delivery]

  init(of deliveries: [Delivery]) {
    gone = deliveries.filter { $0.content?.scope == HookScope.appUninstalled.text }
    failed = deliveries.filter { delivery in
      guard let content = delivery.content, content.scope == HookScope.deliveryException.text
      else { return false }
      // 90002: switched off; 90003: the domain is blocked. 90001 is tried again.
      return content.data.contains("90002") || content.data.contains("90003")
    }
  }

  /// Rows are locked in their order.
  var statements: [Statement] {
    (failed.isEmpty ? [] : [look]) + (gone.isEmpty ? [] : [suspect])
  }

  /// At most one look in ten seconds for this reason, whatever the platform tells.
  private var look: Statement {
    Statement(
      """
      WITH told AS MATERIALIZED (
        SELECT s.app_id, s.store_hash FROM webhook_states s
        JOIN (SELECT DISTINCT app_id, store_hash FROM unnest($1::text[], $2::text[]) AS row (app_id, store_hash)) r
          USING (app_id, store_hash)
        WHERE s.next_check_at > now()
        ORDER BY 1, 2 FOR UPDATE OF s
      )
      UPDATE webhook_states known SET wanted_number = wanted_number + 1, is_thorough = true, is_urgent = true,
        next_check_at = least(next_check_at, greatest(now(), last_checked_at + interval '10 seconds'))
      FROM told WHERE known.app_id = told.app_id AND known.store_hash = told.store_hash
      """,
      [failed.map(\.installation.app.text), failed.map(\.installation.store.text)])
  }

  /// Word of a webhook does not end an installation; a canary finds out, at once.
  private var suspect: Statement {
    Statement(
      """
      WITH told AS MATERIALIZED (
        SELECT i.app_id, i.store_hash, r.told_at FROM installations i
        JOIN (
          SELECT app_id, store_hash, max(timestamptz 'epoch' + at * interval '1 microsecond') AS told_at
          FROM unnest($1::text[], $2::text[], $3::bigint[]) AS row (app_id, store_hash, at) GROUP BY 1, 2
        ) r USING (app_id, store_hash)
        WHERE i.state <> 'uninstalled' AND r.told_at + $4::bigint * interval '1 microsecond' >= i.authorized_at
        ORDER BY 1, 2 FOR UPDATE OF i
      )
      UPDATE installations known SET gone_reported_at = greatest(gone_reported_at, told.told_at),
        next_canary_at = now()
      FROM told WHERE known.app_id = told.app_id AND known.store_hash = told.store_hash
      """,
      [
        gone.map(\.installation.app.text), gone.map(\.installation.store.text),
        gone.map { $0.content?.occurredAt.microseconds ?? 0 }, CallbackRules.slack.inMicroseconds,
      ])
  }
}
