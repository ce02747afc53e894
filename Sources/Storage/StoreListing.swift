package import Base
package import BigCommerce
package import Postgres

/// An installation as operators see it; nothing in it is secret.
package struct StoreRecord: Hashable, Sendable {
  package let installation: InstallationID
  package let state: InstallationState
  package let generation: Generation
  package let scopes: Scopes
  package let requiredScopes: Scopes
  package let labels: Set<StoreLabel>
  /// `oauth` or `import`.
  package let source: String
  package let ownerID: Int64?
  package let authorizedAt: Timestamp
  package let installedAt: Timestamp
  package let tokenStoredAt: Timestamp
  package let tokenVerifiedAt: Timestamp?
  package let stateChangedAt: Timestamp
  package let suspendedAt: Timestamp?
  package let uninstalledAt: Timestamp?
  /// How far its webhooks are as they should be; `nil` when nobody has looked at them yet.
  package let webhooks: StoreWebhooks?
  /// How the store's API answers; `nil` while it has no token.
  package let health: StoreHealthRecord?
  /// What the store called itself when it was last asked.
  package let ownName: OwnName

  /// Required scopes that the store has not granted; an uninstalled store misses none.
  package var missingScopes: Scopes {
    state == .uninstalled ? .none : scopes.missing(of: requiredScopes)
  }

  init(_ row: Row) throws(PostgresError) {
    let app = try row.decode("app_id", as: String.self)
    let store = try row.decode("store_hash", as: String.self)
    let state = try row.decode("state", as: String.self)
    guard let app = AppName(app), let store = StoreHash(store) else {
      throw .decoding(column: "store_hash", expected: "a store hash and an app's name")
    }
    guard let state = InstallationState(rawValue: state) else {
      throw .decoding(column: "state", expected: "an installation state")
    }
    installation = InstallationID(app: app, store: store)
    self.state = state
    generation = Generation(try row.decode("generation"))
    scopes = Scopes(try row.decode("scopes", as: [String].self))
    requiredScopes = Scopes(try row.decode("required_scopes", as: [String].self))
    labels = try row.labels()
    source = try row.decode("source")
    ownerID = try row.decode("owner_id")
    authorizedAt = try row.decode("authorized_at")
    installedAt = try row.decode("installed_at")
    tokenStoredAt = try row.decode("token_stored_at")
    tokenVerifiedAt = try row.decode("token_verified_at")
    stateChangedAt = try row.decode("state_changed_at")
    suspendedAt = try row.decode("suspended_at")
    uninstalledAt = try row.decode("uninstalled_at")
    webhooks = try StoreWebhooks(row)
    health = try StoreHealthRecord(row)
    ownName = OwnName(name: try row.decode("own_name"), domain: try row.decode("own_domain"))
  }
}

/// A store's webhooks in few words; ``WebhookRecord`` has all of them.
package struct StoreWebhooks: Hashable, Sendable {
  package let state: WebhookState
  package let wanted: Int
  package let active: Int
  package let failure: String?

  fileprivate init?(_ row: Row) throws(PostgresError) {
    let word = try row.decode("webhook_state", as: String?.self)
    guard let state = word.flatMap({ WebhookState(rawValue: $0) }) else { return nil }
    self.state = state
    wanted = try row.decode("hooks_wanted")
    active = try row.decode("hooks_active")
    failure = try row.decode("webhook_failure")
  }
}

/// How a store's API answers, and since when.
package struct StoreHealthRecord: Hashable, Sendable {
  /// `nil`: unknown yet.
  package let health: StoreHealth?
  /// What the last look was, a fixed word.
  package let detail: String?
  package let sinceAt: Timestamp?
  package let checkedAt: Timestamp?

  fileprivate init?(_ row: Row) throws(PostgresError) {
    guard try row.decode("has_health") else { return nil }
    health = try row.decode("health", as: String?.self).flatMap(StoreHealth.init)
    detail = try row.decode("health_detail")
    sinceAt = try row.decode("health_since_at")
    checkedAt = try row.decode("health_checked_at")
  }
}

/// A user of a store as operators see it.
package struct StoreUserRecord: Hashable, Sendable {
  package let userID: Int64
  package let email: String?
  package let locale: String?
  package let isOwner: Bool
  package let firstSeenAt: Timestamp
  package let lastSeenAt: Timestamp
  package let removedAt: Timestamp?

  init(_ row: Row) throws(PostgresError) {
    userID = try row.decode("user_id")
    email = try row.decode("email")
    locale = try row.decode("locale")
    isOwner = try row.decode("is_owner")
    firstSeenAt = try row.decode("first_seen_at")
    lastSeenAt = try row.decode("last_seen_at")
    removedAt = try row.decode("removed_at")
  }
}

/// Which installations a list shows.
package struct StoreFilter: Hashable, Sendable {
  /// `nil`: of all apps.
  package var app: AppName?
  /// Only these, by name or by their labels.
  package var granted = Grant.Stores.all
  package var state: InstallationState?
  /// Granted this scope, or one that implies it.
  package var scope: String?
  /// Not granted this scope, nor one that implies it.
  package var missingScope: String?
  /// Has this label.
  package var label: StoreLabel?
  /// Has one of these; `nil` stands for "unknown yet".
  package var health: Set<StoreHealth?>?
  /// Store hashes, names or domains that begin with this text.
  package var prefix: String?

  package init() {}

  /// The prefixes for `LIKE`, of names and of domains.
  var patterns: (name: String?, domain: String?) {
    (
      prefix.map { Self.pattern($0.lowercased()) },
      prefix.map { Self.pattern(OwnName.key(ofDomain: $0)) }
    )
  }

  private static func pattern(_ prefix: String) -> String {
    prefix.replacing("\\", with: "\\\\").replacing("%", with: "\\%").replacing("_", with: "\\_")
      + "%"
  }

  var healthWords: [String]? {
    guard let health else { return nil }
    return health.map { $0?.rawValue ?? "unknown" }.sorted()
  }
}

/// Installed stores, by whether all of some scopes are granted: by themselves or by others that imply
/// them.
package struct ScopeCoverage: Hashable, Sendable {
  package let scopes: Scopes
  /// `nil`: whether or not.
  package let isMet: Bool?

  package init(scopes: Scopes, isMet: Bool?) {
    self.scopes = scopes
    self.isMet = isMet
  }

  /// Each name that grants one of the scopes, beside that scope.
  var pairs: [(scope: String, name: String)] {
    scopes.names.flatMap { scope in Scopes.names(granting: scope).map { (scope, $0) } }
  }
}

/// Lists of installations in the order of app and store.
package struct StoreListing: Sendable {
  let database: Database

  package init(database: Database) {
    self.database = database
  }

  /// At most `limit` installations behind `after`.
  ///
  /// Walks the primary key, so that a page costs the same wherever it is.
  package func list(
    _ filter: StoreFilter, covering coverage: ScopeCoverage? = nil, after: InstallationID?,
    limit: Int
  ) async throws(PostgresError) -> [StoreRecord] {
    let result = try await database.query(
      Statement(
        """
        SELECT i.app_id, i.store_hash, i.state, i.generation, i.scopes, a.required_scopes, i.source, i.owner_id,
          i.authorized_at, i.installed_at, i.token_stored_at, i.token_verified_at, i.state_changed_at,
          i.suspended_at, i.uninstalled_at, i.labels, w.state AS webhook_state, w.hooks_wanted, w.hooks_active,
          w.failure AS webhook_failure, h.app_id IS NOT NULL AS has_health, h.health, h.detail AS health_detail,
          h.since_at AS health_since_at, h.checked_at AS health_checked_at, n.name AS own_name, n.domain AS own_domain
        FROM installations i JOIN apps a USING (app_id) LEFT JOIN webhook_states w USING (app_id, store_hash)
          LEFT JOIN store_health h USING (app_id, store_hash) LEFT JOIN store_names n USING (app_id, store_hash)
        WHERE (i.app_id, i.store_hash) > ($1, $2)
          AND ($3::text IS NULL OR i.app_id = $3)
          AND ($4::text[] IS NULL OR i.store_hash = ANY ($4) OR i.labels && $11)
          AND ($5::text IS NULL OR i.state = $5)
          AND ($6::text[] IS NULL OR i.scopes && $6)
          AND ($7::text[] IS NULL OR NOT i.scopes && $7)
          AND ($8::text IS NULL OR starts_with(i.store_hash, $8) OR (i.app_id, i.store_hash) IN (
            SELECT app_id, store_hash FROM store_names WHERE name_key LIKE $17
            UNION ALL SELECT app_id, store_hash FROM store_names WHERE domain_key LIKE $18))
          AND ($10::text IS NULL OR $10 = ANY (i.labels))
          AND (NOT $12 OR i.state <> 'uninstalled')
          AND ($13::boolean IS NULL OR $13 = NOT EXISTS (
            SELECT FROM unnest($14::text[], $15::text[]) AS pair (scope, name) GROUP BY scope
            HAVING NOT i.scopes && array_agg(name)))
          AND ($16::text[] IS NULL OR h.app_id IS NOT NULL AND coalesce(h.health, 'unknown') = ANY ($16))
        ORDER BY i.app_id, i.store_hash
        LIMIT $9
        """,
        [
          after?.app.text ?? "", after?.store.text ?? "", filter.app?.text,
          filter.granted.hashes, filter.state?.rawValue,
          filter.scope.map(Scopes.names(granting:)),
          filter.missingScope.map(Scopes.names(granting:)), filter.prefix, limit,
          filter.label?.text, filter.granted.labels, coverage != nil, coverage?.isMet,
          coverage?.pairs.map(\.scope) ?? [], coverage?.pairs.map(\.name) ?? [],
          filter.healthWords, filter.patterns.name, filter.patterns.domain,
        ]))
    var records: [StoreRecord] = []
    for row in result.rows { records.append(try StoreRecord(row)) }
    return records
  }

  /// One installation, or `nil` when there is none.
  package func find(_ installation: InstallationID) async throws(PostgresError) -> StoreRecord? {
    var filter = StoreFilter()
    filter.app = installation.app
    filter.granted = .only([installation.store])
    return try await list(filter, after: nil, limit: 1).first
  }

  /// The users of a store, the newest 1000 by last visit.
  package func users(
    of installation: InstallationID
  ) async throws(PostgresError) -> [StoreUserRecord] {
    let result = try await database.query(
      Statement(
        """
        SELECT user_id, email, locale, is_owner, first_seen_at, last_seen_at, removed_at
        FROM store_users WHERE app_id = $1 AND store_hash = $2
        ORDER BY last_seen_at DESC, user_id LIMIT 1000
        """,
        [installation.app.text, installation.store.text]))
    var users: [StoreUserRecord] = []
    for row in result.rows { users.append(try StoreUserRecord(row)) }
    return users
  }
}

extension Grant.Stores {
  /// The hashes for a statement, in order; `nil` for all stores.
  var hashes: [String]? {
    switch self {
    case .all: nil
    case .only(let hashes, _): hashes.sorted().map(\.text)
    }
  }

  /// The labels for a statement, in order; `nil` for all stores.
  var labels: [String]? {
    switch self {
    case .all: nil
    case .only(_, let labels): labels.sorted().map(\.text)
    }
  }
}
