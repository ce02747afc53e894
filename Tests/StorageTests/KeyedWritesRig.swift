import Base
import Postgres
import Storage
import TestSupport
import Testing
import Vault

/// A ledger in a database of its own, with three stores.
struct KeyedWritesRig: Sendable {
  let database: Database
  let temporary: TemporaryDatabase
  let keyring: Keyring
  let ledger: KeyedWrites

  static let answer = KeptAnswer(
    status: 201,
    fields: [
      .init(name: "Content-Type", value: "application/json"), .init(name: "X-Thing", value: "é, 2"),
      .init(name: "X-Thing", value: ""),
    ], body: (0..<3000).map { UInt8(truncatingIfNeeded: $0 &* 7) })

  static func run<T: Sendable>(
    limits: KeyedWrites.Limits = .init(), _ body: @Sendable (KeyedWritesRig) async throws -> T
  ) async throws -> T {
    try await withTemporaryDatabase(Migrations.all) { (temporary: TemporaryDatabase) in
      let keyring = try keyring("k1")
      try await temporary.database.addApp()
      try await temporary.database.addApp("second")
      for store in ["abc", "xyz"] {
        try await temporary.database.addInstallation(store, sealedToken: [1])
      }
      return try await body(
        KeyedWritesRig(
          database: temporary.database, temporary: temporary, keyring: keyring,
          ledger: KeyedWrites(database: temporary.database, keyring: keyring, limits: limits)))
    }
  }

  static func keyring(_ ids: String...) throws -> Keyring {
    let entries = ids.map { id in
      "\(id):\(Base64.encode(Array((id + String(repeating: "*", count: 32)).utf8.prefix(32))))"
    }
    return try Keyring(parsing: Secret(entries.joined(separator: ",")))
  }

  func write(
    _ key: String = "order-1", claim: String = "first", store: String = "abc",
    app: String = "default", caller: String = "caller1", request: String = "POST /v2/orders"
  ) throws -> KeyedWrite {
    KeyedWrite(
      id: KeyedWriteID(
        installation: InstallationID(
          app: try #require(AppName(app)), store: try #require(StoreHash(store))),
        caller: caller, digest: KeyDigest(of: Array(key.utf8))),
      fingerprint: RequestFingerprint(of: [Array(request.utf8)], under: Array(key.utf8)),
      claim: claim, requestID: try #require(RequestID("req-\(claim)")))
  }

  /// The state that a request with that claim finds.
  func state(_ write: KeyedWrite) async throws -> KeyedWriteRecord.State {
    try #require(try await ledger.begin(write)).state
  }

  func end(_ write: KeyedWrite, _ answer: KeptAnswer = Self.answer) async throws {
    try await ledger.end(write, status: answer.status, ledger.seal(answer, for: write))
  }

  /// Lets time pass for what is on record.
  func pass(_ time: Duration) async throws {
    _ = try await database.query(
      Statement(
        """
        UPDATE keyed_writes SET lease_until = lease_until - $1, expires_at = expires_at - $1,
          began_at = began_at - $1
        """, [time]))
  }

  /// Whether the totals are what a count of the rows says.
  func totalsAreTrue() async throws -> Bool {
    let differences = try await database.count(
      Statement(
        """
        WITH counted AS (
          SELECT app_id, store_hash, caller, count(*) AS keys,
            coalesce(sum(octet_length(sealed_answer)), 0)::bigint AS bytes
          FROM keyed_writes GROUP BY app_id, store_hash, caller
        )
        SELECT count(*) FROM (
          (TABLE counted EXCEPT TABLE keyed_write_totals)
          UNION ALL (TABLE keyed_write_totals EXCEPT TABLE counted)) AS difference
        """))
    return differences == 0
  }
}
