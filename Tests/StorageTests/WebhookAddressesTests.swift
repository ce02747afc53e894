import Base
import Postgres
import Storage
import TestSupport
import Testing
import Vault

@Suite struct `Addresses of webhooks` {
  private func withStore<T: Sendable>(
    _ body: @Sendable (Database, WebhookAddresses, InstallationID) async throws -> T
  ) async throws -> T {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      let keyring = try Keyring(parsing: Keyring.makeEntry(try #require(KeyID("k1"))))
      let installation = try await database.addStore(sealedWith: keyring)
      return try await body(
        database, WebhookAddresses(database: database, keyring: keyring), installation)
    }
  }

  @Test func `are made once, also by two at a time`() async throws {
    try await withStore { database, addresses, installation in
      #expect(try await !addresses.exist(for: installation))
      async let one = addresses.ensure(installation)
      async let other = addresses.ensure(installation)
      let (first, second) = try await (one, other)
      #expect(first.current.pathToken == second.current.pathToken)
      #expect(first.current.secret.matches(second.current.secret.expose()))
      #expect(first.current.pathToken.utf8.count == 32 && first.accepted.isEmpty)
      #expect(first.current.secret.expose().utf8.count == 52)
      #expect(try await addresses.exist(for: installation))
    }
  }

  @Test func `the digest is that of the secret, and the secret is sealed`() async throws {
    try await withStore { database, addresses, installation in
      let made = try await addresses.ensure(installation)
      let changes = try await WebhookAddressSnapshot(database: database).changes(after: 0)
      let record = try #require(changes.addresses.first)
      let secret = Array(made.current.secret.expose().utf8)
      #expect(record.secretSHA256 == KeyDigest(of: secret).bytes)
      #expect(record.pathToken == made.current.pathToken && record.isLive)
      let kept = try await database.query(
        Statement("SELECT sealed_secret FROM webhook_addresses")
      ).rows.first?.decode("sealed_secret", as: [UInt8].self)
      let isReadable = try #require(kept).contains(secret)
      #expect(!isReadable)
    }
  }

  @Test func `a rotation keeps the one before for 72 hours`() async throws {
    try await withStore { database, addresses, installation in
      let before = try await addresses.ensure(installation).current
      let position = try await WebhookAddressSnapshot(database: database).changes(after: 0).position
      try await addresses.rotate(installation, act: .latchkey)
      let after = try await addresses.ensure(installation)
      #expect(after.current.pathToken != before.pathToken)
      #expect(!after.current.secret.matches(before.secret.expose()))
      #expect(after.accepted == [before.pathToken])
      let changes = try await WebhookAddressSnapshot(database: database).changes(after: position)
      #expect(changes.addresses.count == 2 && changes.addresses.allSatisfy(\.isLive))
      try await database.passRetirement(hours: 71)
      #expect(try await addresses.forget() == 0)
      try await database.passRetirement(hours: 2)
      #expect(try await addresses.ensure(installation).accepted.isEmpty)
      #expect(try await addresses.forget() == 1)
      #expect(try await addresses.ensure(installation).current.pathToken == after.current.pathToken)
    }
  }

  @Test func `an uninstall retires all of them, and an install makes another`() async throws {
    try await withStore { database, addresses, installation in
      let first = try await addresses.ensure(installation).current
      try await addresses.rotate(installation, act: .latchkey)
      _ = try await InstallationStates(database: database)
        .destroy(installation, deletingData: true, act: .latchkey)
      await #expect(throws: WebhookAddressError.notInstalled) {
        try await addresses.ensure(installation)
      }
      await #expect(throws: WebhookAddressError.notInstalled) {
        try await addresses.rotate(installation, act: .latchkey)
      }
      let records = try await WebhookAddressSnapshot(database: database).changes(after: 0).addresses
      #expect(records.count == 2)
      #expect(records.allSatisfy { !$0.isLive && $0.acceptedUntil != nil })
      try await database.installAgain(installation)
      let again = try await addresses.ensure(installation)
      #expect(again.current.pathToken != first.pathToken && again.accepted.count == 2)
    }
  }

  @Test func `a new generation leaves them as they are`() async throws {
    try await withStore { database, addresses, installation in
      let before = try await addresses.ensure(installation).current
      _ = try await database.query(Statement("UPDATE installations SET generation = 2"))
      #expect(try await addresses.ensure(installation).current.pathToken == before.pathToken)
    }
  }

  @Test func `sealing anew covers their secrets, and they open as before`() async throws {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      let old = Keyring.makeEntry(try #require(KeyID("old"))).expose()
      let installation = try await database.addStore(sealedWith: Keyring(parsing: Secret(old)))
      let new = Keyring.makeEntry(try #require(KeyID("new"))).expose()
      let before = try await WebhookAddresses(
        database: database, keyring: Keyring(parsing: Secret(old))
      ).ensure(installation).current
      let both = try Keyring(parsing: Secret("\(new),\(old)"))
      let position = try await WebhookAddressSnapshot(database: database).changes(after: 0).position
      let only = VaultInventory(database: database, keyring: try Keyring(parsing: Secret(new)))
      await #expect(throws: KeyringMismatch.missingKeys(["old"])) { try await only.check() }
      #expect(
        try await VaultInventory(database: database, keyring: both).status().map(\.webhookSecrets)
          == [0, 1])
      #expect(
        try await Rewrap(database: database, keyring: both).run(act: .latchkey) == 2,
        "and the token")
      #expect(
        try await VaultInventory(database: database, keyring: both).status().map(\.webhookSecrets)
          == [1, 0])
      let after = try await WebhookAddresses(
        database: database, keyring: Keyring(parsing: Secret(new))
      ).ensure(installation).current
      #expect(after.pathToken == before.pathToken)
      #expect(after.secret.matches(before.secret.expose()))
      try await only.check()
      let changes = try await WebhookAddressSnapshot(database: database).changes(after: position)
      #expect(changes.addresses.isEmpty, "what replicas know has not changed")
    }
  }

  @Test func `a wrong key of the right name stops the start`() async throws {
    try await withStore { database, addresses, installation in
      _ = try await addresses.ensure(installation)
      let wrong = try Keyring(parsing: Keyring.makeEntry(try #require(KeyID("k1"))))
      // Without the token, which would tell as well.
      _ = try await database.query(
        Statement(
          "UPDATE installations SET token_key_id = NULL, sealed_token = NULL, state = 'uninstalled'"
        ))
      await #expect(throws: KeyringMismatch.wrongKeys(["k1"])) {
        try await VaultInventory(database: database, keyring: wrong).check()
      }
    }
  }
}

extension Database {
  /// An active installation of the app `default`, which is made too; without a keyring its token
  /// opens with none.
  func addStore(
    _ store: String = "abc", sealedWith keyring: Keyring? = nil
  ) async throws -> InstallationID {
    if try await count(Statement("SELECT count(*) AS count FROM apps")) == 0 { try await addApp() }
    let installation = InstallationID(app: .default, store: try #require(StoreHash(store)))
    let place = SealedPlace(.accessToken, of: installation, generation: Generation(1))
    let sealed = try keyring?.seal(Secret(Array("token".utf8)), for: place)
    try await addInstallation(store, sealedToken: sealed?.bytes ?? [1])
    if let sealed {
      _ = try await query(
        Statement("UPDATE installations SET token_key_id = $1", [sealed.keyID.text]))
    }
    return installation
  }

  /// What the row of a store that comes back says.
  func installAgain(_ installation: InstallationID) async throws {
    _ = try await query(
      Statement(
        """
        UPDATE installations SET state = 'active', generation = generation + 1, sealed_token = '\\x01',
          token_key_id = 'k1', uninstalled_at = NULL WHERE app_id = $1 AND store_hash = $2
        """, [installation.app.text, installation.store.text]))
  }

  fileprivate func passRetirement(hours: Int) async throws {
    _ = try await query(
      Statement(
        "UPDATE webhook_addresses SET retired_at = retired_at - $1 * interval '1 hour'", [hours]))
  }
}
