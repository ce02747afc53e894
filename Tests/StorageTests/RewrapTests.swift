import Base
import BigCommerce
import Logging
import Postgres
import Synchronization
import TestSupport
import Testing
import Vault

@testable import Storage

@Suite struct `Vault rewrap` {
  @Test func `all tokens move to the first key, and open as before`() async throws {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      let fleet = try await Fleet(database, count: 450)
      let batches = Progress()
      let rewrap = Rewrap(database: database, keyring: try fleet.keyring("new", "old"))
      #expect(try await rewrap.run(act: .latchkey) { batches.add($0) } == 450)
      #expect(
        batches.all == [
          RewrapProgress(rewrapped: 200, remaining: 250),
          RewrapProgress(rewrapped: 400, remaining: 50),
          RewrapProgress(rewrapped: 450, remaining: 0),
        ])
      try await fleet.expectTokens(open: fleet.keyring("new"))
      #expect(try await rewrap.run(act: .latchkey) == 0)
    }
  }

  @Test func `an install in between wins, and nothing is lost`() async throws {
    try await withTemporaryDatabase(
      Migrations.all, adjust: { $0.acquireTimeout = .seconds(30) }
    ) { (temporary: TemporaryDatabase) in
      let database = temporary.database
      let fleet = try await Fleet(database, count: 300)
      let both = try fleet.keyring("new", "old")
      // Replicas on the old setting keep installing with the old key while the rewrap runs.
      let writes = InstallationWrites(database: database, keyring: try fleet.keyring("old", "new"))
      let rewrap = Rewrap(database: database, keyring: both)
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { _ = try await rewrap.run(act: .latchkey) }
        for number in stride(from: 0, to: 300, by: 3) {
          group.addTask {
            let result = try await writes.importToken(
              fleet.write(number, token: "second-\(number)"), key: Array("again-\(number)".utf8))
            #expect(result == .stored(Generation(2)))
          }
        }
        try await group.waitForAll()
      }
      _ = try await rewrap.run(act: .latchkey)
      try await fleet.expectTokens(open: fleet.keyring("new")) { number in
        number.isMultiple(of: 3) ? "second-\(number)" : "first-\(number)"
      }
    }
  }

  @Test func `two at once finish together`() async throws {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      let fleet = try await Fleet(database, count: 300)
      let rewrap = Rewrap(database: database, keyring: try fleet.keyring("new", "old"))
      async let first = rewrap.run(act: .latchkey)
      async let second = rewrap.run(act: .latchkey)
      #expect(try await first + second == 300)
      try await fleet.expectTokens(open: fleet.keyring("new"))
    }
  }

  @Test func `a damaged row is named and left as it is`() async throws {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      let fleet = try await Fleet(database, count: 3)
      _ = try await database.query(
        Statement(
          """
          UPDATE installations SET sealed_token = (
            SELECT sealed_token FROM installations WHERE store_hash = 'store2')
          WHERE store_hash = 'store1'
          """))
      let rewrap = Rewrap(database: database, keyring: try fleet.keyring("new", "old"))
      await #expect(throws: RewrapError.doesNotOpen(.installation(try fleet.installation(1)))) {
        try await rewrap.run(act: .latchkey)
      }
    }
  }
}

@Suite struct `Vault inventory` {
  @Test func `it counts what each key seals`() async throws {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      let fleet = try await Fleet(database, count: 5)
      let inventory = VaultInventory(database: database, keyring: try fleet.keyring("new", "old"))
      #expect(
        try await inventory.status() == [
          KeyUse(keyID: "new", tokens: 0, isLoaded: true, isSealing: true),
          KeyUse(keyID: "old", tokens: 5, isLoaded: true, isSealing: false),
        ])
    }
  }

  @Test func `a right keyring passes and leaves a canary per key`() async throws {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      let fleet = try await Fleet(database, count: 2)
      try await VaultInventory(database: database, keyring: fleet.keyring("new", "old")).check()
      #expect(try await canaries(database) == ["new", "old"])
      try await VaultInventory(database: database, keyring: fleet.keyring("old")).check()
    }
  }

  @Test func `a key in use that is missing stops the start and changes nothing`() async throws {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      let fleet = try await Fleet(database, count: 2)
      await #expect(throws: KeyringMismatch.missingKeys(["old"])) {
        try await VaultInventory(database: database, keyring: fleet.keyring("new")).check()
      }
      #expect(try await canaries(database).isEmpty)
    }
  }

  @Test(arguments: [true, false])
  func `another key under a used name stops the start and changes nothing`(
    hasCanary: Bool
  ) async throws {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      let fleet = try await Fleet(database, count: 2)
      if hasCanary {
        try await VaultInventory(database: database, keyring: fleet.keyring("old")).check()
      }
      let before = try await canaries(database)
      let wrong = try Keyring(
        parsing: Secret("old:\(Base64.encode([UInt8](repeating: 7, count: 32)))"))
      await #expect(throws: KeyringMismatch.wrongKeys(["old"])) {
        try await VaultInventory(database: database, keyring: wrong).check()
      }
      #expect(try await canaries(database) == before)
    }
  }

  private func canaries(_ database: Database) async throws -> [String] {
    try await database.query(Statement("SELECT key_id FROM keyring_canaries ORDER BY key_id"))
      .rows.map { try $0.decode("key_id", as: String.self) }
  }
}

/// Stores with tokens, all sealed with the key `old`.
private struct Fleet: Sendable {
  let database: Database
  let count: Int

  init(_ database: Database, count: Int) async throws {
    self.database = database
    self.count = count
    _ = try await database.query(
      Statement(
        """
        INSERT INTO apps (app_id, client_id, required_scopes) VALUES ('default', 'c', '{}')
        """))
    let writes = InstallationWrites(database: database, keyring: try keyring("old"))
    for number in 0..<count {
      _ = try await writes.importToken(
        write(number, token: "first-\(number)"), key: Array("key-\(number)".utf8))
    }
  }

  func installation(_ number: Int) throws -> InstallationID {
    InstallationID(app: .default, store: try #require(StoreHash("store\(number)")))
  }

  func write(_ number: Int, token: String) throws -> InstallWrite {
    InstallWrite(
      installation: try installation(number), token: Secret(token), scopes: Scopes(parsing: "a"),
      authorizedAt: Timestamp(seconds: 1000), act: .latchkey)
  }

  func keyring(_ ids: String...) throws -> Keyring {
    let entries = ids.map { id in
      "\(id):\(Base64.encode(Array((id + String(repeating: "*", count: 32)).utf8.prefix(32))))"
    }
    return try Keyring(parsing: Secret(entries.joined(separator: ",")))
  }

  func expectTokens(
    open keyring: Keyring, _ expected: (Int) -> String = { "first-\($0)" }
  ) async throws {
    let result = try await database.query(
      Statement("SELECT store_hash, generation, sealed_token FROM installations"))
    #expect(result.rows.count == count)
    for row in result.rows {
      let hash = try row.decode("store_hash", as: String.self)
      let number = try #require(Int(hash.dropFirst("store".count)))
      let place = SealedPlace(
        .accessToken, of: try installation(number),
        generation: Generation(try row.decode("generation")))
      let opened = try keyring.open(Sealed(bytes: row.decode("sealed_token")), for: place)
      #expect(String(decoding: opened.expose(), as: UTF8.self) == expected(number))
    }
  }
}

/// What a rewrap reported.
private final class Progress: Sendable {
  private let reports = Mutex<[RewrapProgress]>([])

  func add(_ progress: RewrapProgress) { reports.withLock { $0.append(progress) } }

  var all: [RewrapProgress] { reports.withLock { $0 } }
}
