import Base
import BigCommerce
import Storage
import TestSupport
import Testing
import Vault

@testable import Events

@Suite struct `Subscriptions' secrets in the vault` {
  @Test func `a rewrap seals them anew, and a key that seals one is missed at the start`()
    async throws
  {
    try await PushRig.run { rig in
      let (id, key) = try await rig.subscribe()
      _ = try await rig.subscribe(app: AppName("default"))
      let record = try await rig.record(id)
      let second = Keyring.makeEntry(try #require(KeyID("k2"))).expose()
      let both = try Keyring(parsing: Secret(second + "," + rig.keyText))
      #expect(
        try await VaultInventory(database: rig.database, keyring: both).status()
          .map(\.subscriptionSecrets) == [2, 0])
      #expect(
        try await Rewrap(database: rig.database, keyring: both).run(act: PushRig.act) == 2)
      let uses = try await VaultInventory(database: rig.database, keyring: both).status()
      #expect(uses.map(\.subscriptionSecrets) == [0, 2])
      let fresh = try Keyring(parsing: Secret(second))
      let keys = try await Subscriptions(database: rig.database, keyring: fresh).keys(of: record)
      #expect(
        keys.map { $0.subscriptionSecret.expose() } == [key.subscriptionSecret.expose()])
      await #expect(throws: KeyringMismatch.missingKeys(["k2"])) {
        try await VaultInventory(database: rig.database, keyring: rig.keyring).check()
      }
    }
  }
}
