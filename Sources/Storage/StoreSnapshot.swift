package import Base
package import BigCommerce
package import Postgres
import Vault

/// An installation as a replica's cache needs it.
package struct InstallationRecord: Sendable {
  package let installation: InstallationID
  package let state: InstallationState
  package let generation: Generation
  /// `nil` when uninstalled.
  package let sealedToken: [UInt8]?
  package let scopes: Scopes
  package let labels: Set<StoreLabel>
  package let changeNumber: Int64

  package init(
    installation: InstallationID, state: InstallationState, generation: Generation,
    sealedToken: [UInt8]?, scopes: Scopes, labels: Set<StoreLabel> = [], changeNumber: Int64
  ) {
    self.installation = installation
    self.state = state
    self.generation = generation
    self.sealedToken = sealedToken
    self.scopes = scopes
    self.labels = labels
    self.changeNumber = changeNumber
  }
}

/// What changed since a replica last looked.
package struct StoreChanges: Sendable {
  /// All changes up to this number are in; later ones may be.
  package let position: Int64
  /// Whether these rows are everything, and whatever was known before is void.
  package let replacesAll: Bool
  package let installations: [InstallationRecord]
  package let keys: [ServiceKeyRecord]

  package init(
    position: Int64, replacesAll: Bool, installations: [InstallationRecord],
    keys: [ServiceKeyRecord]
  ) {
    self.position = position
    self.replacesAll = replacesAll
    self.installations = installations
    self.keys = keys
  }
}

/// Where a replica's cache gets its changes from.
package protocol StoreChangeSource: Sendable {
  /// What changed after `position`; 0 gives everything.
  func changes(after position: Int64) async throws(PostgresError) -> StoreChanges

  /// Puts into the audit, once for each change of a row, that its token cannot be opened.
  func auditUnreadable(_ records: [InstallationRecord]) async throws(PostgresError)
}

/// Reads installations and service keys by their change numbers.
///
/// Nothing is ever deleted from the two tables, so rows above a number are all there is to know.
/// The counter's row is locked until a change commits: once a value can be read, every change up to
/// it can be read too.
package struct StoreSnapshot: StoreChangeSource {
  private let database: Database
  /// How many installations are read at once.
  private let page: Int64

  package init(database: Database, page: Int64 = 5000) {
    self.database = database
    self.page = page
  }

  package func changes(after position: Int64) async throws(PostgresError) -> StoreChanges {
    let newest = try await database.newestChange()
    if newest == position {
      return StoreChanges(
        position: newest, replacesAll: false, installations: [], keys: [])
    }
    // A counter that went back means that a backup was restored: nothing known holds any longer.
    let start = newest < position ? 0 : position
    return StoreChanges(
      position: newest, replacesAll: newest < position,
      installations: try await installations(after: start), keys: try await keys(after: start))
  }

  package func auditUnreadable(_ records: [InstallationRecord]) async throws(PostgresError) {
    _ = try await database.query(
      Statement(
        """
        INSERT INTO audit (actor, action, app_id, store_hash, details)
        SELECT 'latchkey', 'token_unreadable', app_id, store_hash, jsonb_build_object('change', change)
        FROM unnest($1::text[], $2::text[], $3::bigint[]) AS unreadable (app_id, store_hash, change)
        WHERE NOT EXISTS (
          SELECT 1 FROM audit AS told
          WHERE told.app_id = unreadable.app_id AND told.store_hash = unreadable.store_hash
            AND told.action = 'token_unreadable' AND told.details = jsonb_build_object('change', change))
        """,
        [
          records.map(\.installation.app.text), records.map(\.installation.store.text),
          records.map(\.changeNumber),
        ]))
  }

  private func installations(after start: Int64) async throws(PostgresError) -> [InstallationRecord]
  {
    var records: [InstallationRecord] = []
    var last = start
    while true {
      // A row that changes meanwhile moves up and is read again; none is missed.
      let result = try await database.query(
        Statement(
          """
          SELECT app_id, store_hash, state, generation, sealed_token, scopes, labels, change_number
          FROM installations WHERE change_number > $1 ORDER BY change_number LIMIT $2
          """, [last, page]))
      for row in result.rows {
        let record = try InstallationRecord(row)
        last = record.changeNumber
        records.append(record)
      }
      if result.rows.count < page { return records }
    }
  }

  private func keys(after start: Int64) async throws(PostgresError) -> [ServiceKeyRecord] {
    let result = try await database.query(
      Statement(
        """
        SELECT key_id, name, secret_sha256, app_id, stores, scopes, methods, paths, abilities, rate,
          created_at, created_by, expires_at, overlap_ends_at, revoked_at, rotated_from, last_used_at, change_number
        FROM service_keys WHERE change_number > $1
        """, [start]))
    var records: [ServiceKeyRecord] = []
    for row in result.rows { records.append(try ServiceKeyRecord(row)) }
    return records
  }
}

extension Database {
  /// The number of the last change that is committed.
  func newestChange() async throws(PostgresError) -> Int64 {
    let result = try await query(Statement("SELECT value FROM change_counter"))
    guard let row = result.rows.first else {
      throw .decoding(column: "value", expected: "the change counter's row")
    }
    return try row.decode("value")
  }
}

extension InstallationRecord {
  init(_ row: Row) throws(PostgresError) {
    installation = try row.installation()
    guard let state = InstallationState(rawValue: try row.decode("state")) else {
      throw .decoding(column: "state", expected: "an installation state")
    }
    self.state = state
    generation = Generation(try row.decode("generation"))
    sealedToken = try row.decode("sealed_token")
    scopes = Scopes(try row.decode("scopes", as: [String].self))
    labels = try row.labels()
    changeNumber = try row.decode("change_number")
  }
}

extension Row {
  /// The installation that the columns `app_id` and `store_hash` name.
  func installation() throws(PostgresError) -> InstallationID {
    guard let app = AppName(try decode("app_id", as: String.self)) else {
      throw .decoding(column: "app_id", expected: "an app's name")
    }
    guard let store = StoreHash(try decode("store_hash", as: String.self)) else {
      throw .decoding(column: "store_hash", expected: "a store hash")
    }
    return InstallationID(app: app, store: store)
  }
}
