package import Base
package import Postgres

/// An address of webhooks as a replica's cache needs it.
package struct WebhookAddressRecord: Hashable, Sendable {
  package let installation: InstallationID
  package let pathToken: String
  package let secretSHA256: [UInt8]
  package let isLive: Bool
  /// Until when it is accepted, by the database's clock; `nil` while it is not retired.
  package let acceptedUntil: Timestamp?
  package let changeNumber: Int64

  package init(
    installation: InstallationID, pathToken: String, secretSHA256: [UInt8], isLive: Bool,
    acceptedUntil: Timestamp?, changeNumber: Int64
  ) {
    self.installation = installation
    self.pathToken = pathToken
    self.secretSHA256 = secretSHA256
    self.isLive = isLive
    self.acceptedUntil = acceptedUntil
    self.changeNumber = changeNumber
  }
}

/// What changed since a replica last looked.
package struct WebhookAddressChanges: Sendable {
  /// All changes up to this number are in; later ones may be.
  package let position: Int64
  /// Whether these rows are everything, and whatever was known before is void.
  package let replacesAll: Bool
  package let addresses: [WebhookAddressRecord]

  package init(position: Int64, replacesAll: Bool, addresses: [WebhookAddressRecord]) {
    self.position = position
    self.replacesAll = replacesAll
    self.addresses = addresses
  }
}

/// Where a replica's cache gets its changes from.
package protocol WebhookAddressSource: Sendable {
  /// What changed after `position`; 0 gives everything.
  func changes(after position: Int64) async throws(PostgresError) -> WebhookAddressChanges
}

/// Reads addresses by their change numbers, as ``StoreSnapshot`` reads installations.
///
/// Rows are deleted only when their time is over, which the reader knows by itself.
package struct WebhookAddressSnapshot: WebhookAddressSource {
  private let database: Database
  private let page: Int64

  package init(database: Database, page: Int64 = 5000) {
    self.database = database
    self.page = page
  }

  package func changes(
    after position: Int64
  ) async throws(PostgresError) -> WebhookAddressChanges {
    let newest = try await database.newestChange()
    guard newest != position else {
      return WebhookAddressChanges(position: newest, replacesAll: false, addresses: [])
    }
    // A counter that went back means that a backup was restored: nothing known holds any longer.
    var records: [WebhookAddressRecord] = []
    var last = newest < position ? 0 : position
    while true {
      let result = try await database.query(
        Statement(
          """
          SELECT app_id, store_hash, path_token, secret_sha256, is_live, change_number,
            retired_at + $3::bigint * interval '1 microsecond' AS accepted_until
          FROM webhook_addresses WHERE change_number > $1 ORDER BY change_number LIMIT $2
          """, [last, page, WebhookAddresses.acceptance.inMicroseconds]))
      for row in result.rows {
        let record = try WebhookAddressRecord(row)
        last = record.changeNumber
        records.append(record)
      }
      if result.rows.count < page { break }
    }
    return WebhookAddressChanges(
      position: newest, replacesAll: newest < position, addresses: records)
  }
}

extension WebhookAddressRecord {
  fileprivate init(_ row: Row) throws(PostgresError) {
    installation = try row.installation()
    pathToken = try row.decode("path_token")
    secretSHA256 = try row.decode("secret_sha256")
    isLive = try row.decode("is_live")
    acceptedUntil = try row.decode("accepted_until")
    changeNumber = try row.decode("change_number")
  }
}
