package import Base
package import BigCommerce
package import Postgres
package import Vault

/// Why a service key was not made, rotated or revoked.
package enum ServiceKeyError: Error, Equatable {
  /// The acting key does not hold the ability `keys`.
  case notAllowed
  /// The grant is wider than the acting key's own, in one of these: app, stores, scopes, methods,
  /// paths, abilities, rate, expiry.
  case grantTooWide
  /// A grant needs an ability, and an app unless it is an operator's.
  case grantMalformed
  /// The grant names an app that this deployment does not have.
  case unknownApp
  /// There is no such key, or none that the acting key may know of.
  case unknownKey
  /// The key is revoked or expired already, so there is nothing to replace.
  case notValid
  /// The acting key was revoked or expired meanwhile.
  case makerGone
  case database(PostgresError)
}

/// The key on whose behalf keys are managed.
package struct KeyMaker: Hashable, Sendable {
  package let id: String
  package let grant: Grant
  package let requestID: RequestID?

  package init(id: String, grant: Grant, requestID: RequestID?) {
    self.id = id
    self.grant = grant
    self.requestID = requestID
  }

  /// Whether it may know of a key: its own, and those that it could have made, however long they
  /// live.
  ///
  /// A key's grant names stores, so a wider one would tell of stores that the maker does not hold.
  func mayKnow(of key: ServiceKeyRecord) -> Bool {
    key.id == id || grant.covers(key.grant.ending(grant.expiresAt))
  }
}

/// A key that was just made; its text is shown once and kept nowhere.
package struct IssuedKey: Sendable {
  package let key: ServiceKey
  package let name: String
  package let grant: Grant
}

/// Makes, lists, rotates and revokes service keys, each act with its audit row in one statement.
package struct ServiceKeys: Sendable {
  private let database: Database
  private let random: RandomSource

  package init(database: Database, random: RandomSource = .system) {
    self.database = database
    self.random = random
  }

  /// Makes a key whose grant is no wider, and lives no longer, than its maker's.
  package func create(
    name: String, grant: Grant, by maker: KeyMaker
  ) async throws(ServiceKeyError) -> IssuedKey {
    guard maker.grant.allows(.keys) else { throw .notAllowed }
    guard grant.isWellFormed else { throw .grantMalformed }
    guard maker.grant.covers(grant) else { throw .grantTooWide }
    let key = ServiceKey.generate(random: random)
    let made = try await run(
      Statement(
        """
        WITH maker AS (
          SELECT 1 FROM service_keys
          WHERE key_id = $1 AND revoked_at IS NULL
            AND coalesce(least(expires_at, overlap_ends_at) > now(), true)
        ), made AS (
          INSERT INTO service_keys
            (created_by, key_id, name, secret_sha256, app_id, stores, scopes, methods, paths, abilities,
             rate, expires_at)
          SELECT $1, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14 FROM maker RETURNING app_id
        )
        INSERT INTO audit (actor, action, app_id, request_id, details)
        SELECT $1, 'key_create', app_id, $2, $3 FROM made
        """,
        [maker.id, maker.requestID?.text, key.details(name: name, grant)]
          + key.columns(name: name, grant)))
    guard made.affected == 1 else { throw .makerGone }
    return IssuedKey(key: key, name: name, grant: grant)
  }

  /// Makes an operator's key for all apps; for whoever has the database and the command line.
  package func bootstrap(name: String) async throws(ServiceKeyError) -> IssuedKey {
    let grant = Grant(app: nil, stores: .all, scopes: .all, abilities: Abilities([.operator]))
    let key = ServiceKey.generate(random: random)
    _ = try await run(
      Statement(
        """
        WITH made AS (
          INSERT INTO service_keys
            (created_by, key_id, name, secret_sha256, app_id, stores, scopes, methods, paths, abilities,
             rate, expires_at)
          VALUES ('bootstrap', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING app_id
        )
        INSERT INTO audit (actor, action, app_id, details)
        SELECT 'bootstrap', 'key_create', app_id, $1 FROM made
        """, [key.details(name: name, grant)] + key.columns(name: name, grant)))
    return IssuedKey(key: key, name: name, grant: grant)
  }

  /// How long an old key may stay good beside its successor.
  package static let longestOverlap = Duration.seconds(2_592_000)

  /// Replaces a key by a new one with the same name and grant, which ends when the old one's would.
  ///
  /// The old key stays good for `overlap`, at most until the end of its grant. Meanwhile it may be
  /// rotated again, for whoever lost the answer; that makes a further successor and does not
  /// lengthen the overlap.
  package func rotate(
    _ id: String, overlap: Duration, by maker: KeyMaker
  ) async throws(ServiceKeyError) -> IssuedKey {
    let old = try await find(id, for: maker)
    guard maker.grant.covers(old.grant) else { throw .grantTooWide }
    let key = ServiceKey.generate(random: random)
    let made = try await run(
      Statement(
        """
        WITH maker AS (
          SELECT 1 FROM service_keys
          WHERE key_id = $1 AND revoked_at IS NULL
            AND coalesce(least(expires_at, overlap_ends_at) > now(), true)
        ), old AS (
          UPDATE service_keys
          SET overlap_ends_at = least(overlap_ends_at, now() + $5 * interval '1 microsecond')
          WHERE key_id = $4 AND revoked_at IS NULL
            AND coalesce(least(expires_at, overlap_ends_at) > now(), true)
            AND EXISTS (SELECT 1 FROM maker)
          RETURNING key_id
        ), made AS (
          INSERT INTO service_keys
            (created_by, rotated_from, key_id, name, secret_sha256, app_id, stores, scopes, methods, paths,
             abilities, rate, expires_at)
          SELECT $1, key_id, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16 FROM old RETURNING app_id
        )
        INSERT INTO audit (actor, action, app_id, request_id, details)
        SELECT $1, 'key_rotate', app_id, $2, $3 FROM made
        """,
        [
          maker.id, maker.requestID?.text, key.details(name: old.name, old.grant, replacing: id),
          id,
          max(0, overlap.inMicroseconds),
        ] + key.columns(name: old.name, old.grant)))
    guard made.affected == 1 else { throw .notValid }
    return IssuedKey(key: key, name: old.name, grant: old.grant)
  }

  /// Ends a key at once; revoking again changes nothing.
  ///
  /// How long either lives does not matter: ending a key gives nobody anything.
  /// - Returns: whether it was good until now.
  package func revoke(_ id: String, by maker: KeyMaker) async throws(ServiceKeyError) -> Bool {
    let old = try await find(id, for: maker)
    guard old.revokedAt == nil else { return false }
    let ended = try await run(
      Statement(
        """
        WITH ended AS (
          UPDATE service_keys SET revoked_at = now() WHERE key_id = $1 AND revoked_at IS NULL RETURNING app_id
        )
        INSERT INTO audit (actor, action, app_id, request_id, details)
        SELECT $2, 'key_revoke', app_id, $3, $4 FROM ended
        """,
        [
          id, maker.id, maker.requestID?.text,
          JSONValue.object([.init("key_id", .string(id)), .init("name", .string(old.name))]),
        ]))
    return ended.affected == 1
  }

  /// Keys in the order of their IDs: those that the maker may know of.
  package func list(
    for maker: KeyMaker, after id: String? = nil, limit: Int
  ) async throws(ServiceKeyError) -> [ServiceKeyRecord] {
    guard maker.grant.allows(.keys) else { throw .notAllowed }
    // Many rows may be of keys that the maker may not know of.
    let atOnce = max(limit, 500)
    var found: [ServiceKeyRecord] = []
    var last = id
    repeat {
      let rows = try await page(of: maker.grant.app, after: last, limit: atOnce)
      found += rows.filter(maker.mayKnow(of:))
      last = rows.count == atOnce ? rows.last?.id : nil
    } while found.count < limit && last != nil
    return Array(found.prefix(limit))
  }

  /// One key; one that the maker may not know of is as unknown as none.
  package func find(
    _ id: String, for maker: KeyMaker
  ) async throws(ServiceKeyError) -> ServiceKeyRecord {
    guard maker.grant.allows(.keys) || id == maker.id else { throw .notAllowed }
    let result = try await run(
      Statement(
        """
        SELECT key_id, name, secret_sha256, app_id, stores, scopes, methods, paths, abilities, rate,
          created_at, created_by, expires_at, overlap_ends_at, revoked_at, rotated_from, last_used_at, change_number
        FROM service_keys WHERE key_id = $1
        """, [id]))
    guard let record = try records(result).first, maker.mayKnow(of: record) else {
      throw .unknownKey
    }
    return record
  }

  /// Keys of one app or of all, in the order of their IDs.
  private func page(
    of app: AppName?, after id: String?, limit: Int
  ) async throws(ServiceKeyError) -> [ServiceKeyRecord] {
    try records(
      try await run(
        Statement(
          """
          SELECT key_id, name, secret_sha256, app_id, stores, scopes, methods, paths, abilities, rate,
            created_at, created_by, expires_at, overlap_ends_at, revoked_at, rotated_from, last_used_at, change_number
          FROM service_keys
          WHERE ($1::text IS NULL OR app_id = $1) AND ($2::text IS NULL OR key_id > $2)
          ORDER BY key_id LIMIT $3
          """, [app?.text, id, Int64(limit)])))
  }

  private func records(_ result: QueryResult) throws(ServiceKeyError) -> [ServiceKeyRecord] {
    var records: [ServiceKeyRecord] = []
    do throws(PostgresError) {
      for row in result.rows { records.append(try ServiceKeyRecord(row)) }
    } catch {
      throw .database(error)
    }
    return records
  }

  func run(_ statement: Statement) async throws(ServiceKeyError) -> QueryResult {
    do throws(PostgresError) {
      return try await database.query(statement)
    } catch .foreignKeyViolation {
      throw .unknownApp
    } catch {
      throw .database(error)
    }
  }
}

extension ServiceKey {
  /// The values of `key_id` to `expires_at`, in the order of the statements above.
  fileprivate func columns(name: String, _ grant: Grant) -> [any PostgresBindable] {
    [
      id, name, digest.bytes, grant.app?.text, grant.storeNames, grant.scopeNames,
      grant.methodNames, grant.pathNames, grant.abilities.names,
      grant.rate?.callsPerMinute, grant.expiresAt,
    ]
  }

  /// What the audit keeps of a new key.
  fileprivate func details(name: String, _ grant: Grant, replacing old: String? = nil) -> JSONValue
  {
    var members: [JSONValue.Member] = [
      .init("key_id", .string(id)), .init("name", .string(name)),
      .init("abilities", .names(grant.abilities.names)), .init("scopes", .names(grant.scopeNames)),
      .init("stores", .names(grant.storeNames)), .init("methods", .names(grant.methodNames)),
      .init("paths", .names(grant.pathNames)),
      .init("rate", grant.rate.map { .integer($0.callsPerMinute) } ?? .null),
    ]
    if let old { members.append(.init("rotated_from", .string(old))) }
    return .object(members)
  }
}

extension JSONValue {
  /// A list of names; `["*"]` for what has no limit.
  fileprivate static func names(_ names: [String]?) -> JSONValue {
    .array((names ?? ["*"]).map { .string($0) })
  }
}
