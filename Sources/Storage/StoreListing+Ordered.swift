package import Base
import BigCommerce
package import Postgres

/// Something about a store that an operator should look at.
package enum StoreProblem: String, CaseIterable, Hashable, Sendable {
  /// One of the others.
  case any
  /// BigCommerce refuses the token.
  case revoked
  /// It lacks a scope that its app requires.
  case drift
  /// Its webhooks could not be put right.
  case webhooks
  /// Its API does not answer as it should.
  case health
}

/// In which order a list of stores comes; stores that are equal in it, by app and hash.
package struct StoreOrder: Hashable, Sendable {
  package enum Key: String, CaseIterable, Sendable {
    case store, state
    case installedAt = "installed_at"
    case stateChangedAt = "state_changed_at"
  }

  package let key: Key
  package let isDescending: Bool

  package init(_ key: Key, isDescending: Bool = false) {
    self.key = key
    self.isDescending = isDescending
  }
}

/// Where in an order a store stands.
package struct StorePlace: Hashable, Sendable {
  /// The store's text in that order.
  package let key: String
  package let installation: InstallationID

  package init(key: String, installation: InstallationID) {
    self.key = key
    self.installation = installation
  }
}

extension StoreListing {
  /// At most `limit` installations behind `after` in an order, with the place of each.
  ///
  /// Sorts what the filter leaves, so its cost grows with the number of stores. The order of the
  /// primary key without a problem asked for is ``list(_:covering:after:limit:)``'s, which costs the same
  /// anywhere.
  package func list(
    _ filter: StoreFilter, with problem: StoreProblem?, in order: StoreOrder, after: StorePlace?,
    limit: Int
  ) async throws(PostgresError) -> [(record: StoreRecord, place: StorePlace)] {
    let needs = problem == .any || problem == .drift ? try await needs() : []
    let result = try await database.query(
      Statement(
        """
        WITH needs AS MATERIALIZED (
          SELECT app_id, array_agg(name) AS names
          FROM unnest($12::text[], $13::text[], $14::text[]) AS need (app_id, scope, name)
          GROUP BY app_id, scope
        ), found AS MATERIALIZED (
          SELECT i.app_id, i.store_hash,
            CASE $15 WHEN 'state' THEN i.state
              WHEN 'installed_at' THEN to_char(i.installed_at AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISSUS')
              WHEN 'state_changed_at' THEN to_char(i.state_changed_at AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISSUS')
              ELSE '' END COLLATE "C" AS place
          FROM installations i LEFT JOIN webhook_states w USING (app_id, store_hash)
            LEFT JOIN store_health h USING (app_id, store_hash)
          WHERE ($1::text IS NULL OR i.app_id = $1)
            AND ($2::text[] IS NULL OR i.store_hash = ANY ($2) OR i.labels && $3)
            AND ($4::text IS NULL OR i.state = $4)
            AND ($5::text[] IS NULL OR i.scopes && $5)
            AND ($6::text[] IS NULL OR NOT i.scopes && $6)
            AND ($7::text IS NULL OR starts_with(i.store_hash, $7) OR (i.app_id, i.store_hash) IN (
              SELECT app_id, store_hash FROM store_names WHERE name_key LIKE $20
              UNION ALL SELECT app_id, store_hash FROM store_names WHERE domain_key LIKE $21))
            AND ($8::text IS NULL OR $8 = ANY (i.labels))
            AND ($9::text IS NULL
              OR $9 IN ('any', 'revoked') AND i.state = 'revoked'
              OR $9 IN ('any', 'webhooks') AND w.state = 'failed'
              OR $9 IN ('any', 'health') AND h.health <> 'healthy'
              OR $9 IN ('any', 'drift') AND i.state <> 'uninstalled'
                AND EXISTS (SELECT FROM needs WHERE needs.app_id = i.app_id AND NOT i.scopes && needs.names))
            AND ($19::text[] IS NULL OR h.app_id IS NOT NULL AND coalesce(h.health, 'unknown') = ANY ($19))
        ), page AS MATERIALIZED (
          SELECT * FROM found
          WHERE $16::text IS NULL
            OR CASE WHEN $10 THEN (place, app_id, store_hash) < ($16, $17, $18)
              ELSE (place, app_id, store_hash) > ($16, $17, $18) END
          ORDER BY CASE WHEN $10 THEN place END DESC, CASE WHEN $10 THEN app_id END DESC,
            CASE WHEN $10 THEN store_hash END DESC, place, app_id, store_hash
          LIMIT $11
        )
        SELECT page.place, i.app_id, i.store_hash, i.state, i.generation, i.scopes, a.required_scopes, i.source, i.owner_id,
          i.authorized_at, i.installed_at, i.token_stored_at, i.token_verified_at, i.state_changed_at,
          i.suspended_at, i.uninstalled_at, i.labels, w.state AS webhook_state, w.hooks_wanted, w.hooks_active,
          w.failure AS webhook_failure, h.app_id IS NOT NULL AS has_health, h.health, h.detail AS health_detail,
          h.since_at AS health_since_at, h.checked_at AS health_checked_at, n.name AS own_name, n.domain AS own_domain
        FROM page JOIN installations i USING (app_id, store_hash) JOIN apps a USING (app_id)
          LEFT JOIN webhook_states w USING (app_id, store_hash) LEFT JOIN store_health h USING (app_id, store_hash)
          LEFT JOIN store_names n USING (app_id, store_hash)
        ORDER BY CASE WHEN $10 THEN page.place END DESC, CASE WHEN $10 THEN i.app_id END DESC,
          CASE WHEN $10 THEN i.store_hash END DESC, page.place, i.app_id, i.store_hash
        """,
        [
          filter.app?.text, filter.granted.hashes, filter.granted.labels, filter.state?.rawValue,
          filter.scope.map(Scopes.names(granting:)),
          filter.missingScope.map(Scopes.names(granting:)), filter.prefix, filter.label?.text,
          problem?.rawValue, order.isDescending, limit, needs.map(\.app), needs.map(\.scope),
          needs.map(\.name), order.key.rawValue, after?.key, after?.installation.app.text,
          after?.installation.store.text, filter.healthWords, filter.patterns.name,
          filter.patterns.domain,
        ]))
    var places: [(record: StoreRecord, place: StorePlace)] = []
    for row in result.rows {
      let record = try StoreRecord(row)
      places.append(
        (record, StorePlace(key: try row.decode("place"), installation: record.installation)))
    }
    return places
  }

  /// Each name that grants a scope which an app requires.
  private func needs() async throws(PostgresError) -> [(app: String, scope: String, name: String)] {
    let apps = try await database.query(Statement("SELECT app_id, required_scopes FROM apps"))
    var needs: [(app: String, scope: String, name: String)] = []
    for row in apps.rows {
      let app = try row.decode("app_id", as: String.self)
      for scope in try row.decode("required_scopes", as: [String].self) {
        needs += Scopes.names(granting: scope).map { (app, scope, $0) }
      }
    }
    return needs
  }
}
