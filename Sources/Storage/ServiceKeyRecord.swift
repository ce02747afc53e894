package import Base
package import BigCommerce
import Postgres
package import Vault

/// A service key as it is stored: everything but its secret, of which only a digest exists.
package struct ServiceKeyRecord: Hashable, Sendable {
  package let id: String
  package let name: String
  package let digest: KeyDigest
  package let grant: Grant
  package let createdAt: Timestamp
  /// The ID of the key that made it, or `bootstrap`.
  package let createdBy: String
  /// Until when it stays good beside its successor; `nil`: it was not rotated.
  package let overlapEndsAt: Timestamp?
  package let revokedAt: Timestamp?
  /// The ID of the key that it replaces.
  package let rotatedFrom: String?
  /// The minute of the last call with it, as of when the row was read; replicas write it late.
  package let lastUsedAt: Timestamp?
  package let changeNumber: Int64

  package init(
    id: String, name: String, digest: KeyDigest, grant: Grant, createdAt: Timestamp,
    createdBy: String, overlapEndsAt: Timestamp? = nil, revokedAt: Timestamp? = nil,
    rotatedFrom: String? = nil, lastUsedAt: Timestamp? = nil, changeNumber: Int64 = 0
  ) {
    self.id = id
    self.name = name
    self.digest = digest
    self.grant = grant
    self.createdAt = createdAt
    self.createdBy = createdBy
    self.overlapEndsAt = overlapEndsAt
    self.revokedAt = revokedAt
    self.rotatedFrom = rotatedFrom
    self.lastUsedAt = lastUsedAt
    self.changeNumber = changeNumber
  }

  /// Whether it is neither revoked nor expired, nor replaced for longer than its overlap.
  package func isValid(at now: Timestamp) -> Bool { now < validUntil }

  /// From when on it is not valid; the end of time when nothing ends it.
  package var validUntil: Timestamp {
    guard revokedAt == nil else { return .distantPast }
    return min(grant.expiresAt ?? .distantFuture, overlapEndsAt ?? .distantFuture)
  }
}

extension ServiceKeyRecord {
  init(_ row: Row) throws(PostgresError) {
    id = try row.decode("key_id")
    name = try row.decode("name")
    guard let digest = KeyDigest(bytes: try row.decode("secret_sha256")) else {
      throw .decoding(column: "secret_sha256", expected: "32 bytes")
    }
    self.digest = digest
    grant = try Grant(row)
    createdAt = try row.decode("created_at")
    createdBy = try row.decode("created_by")
    overlapEndsAt = try row.decode("overlap_ends_at")
    revokedAt = try row.decode("revoked_at")
    rotatedFrom = try row.decode("rotated_from")
    lastUsedAt = try row.decode("last_used_at")
    changeNumber = try row.decode("change_number")
  }
}

extension Grant {
  /// Reads the grant of a key's row.
  ///
  /// An ability, store, method or path that this version does not know is left out: a newer replica
  /// may have written it, and less is safe.
  init(_ row: Row) throws(PostgresError) {
    let app = try row.decode("app_id", as: String?.self)
    let stores = try row.decode("stores", as: [String]?.self)
    let methods = try row.decode("methods", as: [String]?.self)
    let paths = try row.decode("paths", as: [String]?.self)
    let rate = try row.decode("rate", as: Int64?.self)
    let abilities = try row.decode("abilities", as: [String].self)
    self.init(
      app: try app.map { text throws(PostgresError) in
        guard let name = AppName(text) else {
          throw .decoding(column: "app_id", expected: "an app's name")
        }
        return name
      },
      stores: stores.map { Stores(knownOf: $0) } ?? .all,
      scopes: ScopeLimit(names: try row.decode("scopes", as: [String].self)),
      methods: methods.map { MethodSet(knownOf: $0) } ?? .all,
      paths: paths.map { .only(Set($0.compactMap { try? PathPattern($0) })) } ?? .all,
      abilities: Abilities(abilities.compactMap { Ability(rawValue: $0) }),
      rate: rate.flatMap { CallRate(callsPerMinute: min($0, CallRate.allowed.upperBound)) },
      expiresAt: try row.decode("expires_at", as: Timestamp?.self))
  }
}
