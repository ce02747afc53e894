import Base
package import Postgres
package import Vault

/// How much a key seals.
package struct KeyUse: Hashable, Sendable {
  package let keyID: String
  /// Access tokens of installations.
  package let tokens: Int
  /// Whether the keyring has the key.
  package let isLoaded: Bool
  /// Whether new things are sealed with it.
  package let isSealing: Bool
  /// Secrets of webhooks.
  package var webhookSecrets = 0
  /// Secrets of subscriptions.
  package var subscriptionSecrets = 0
  /// Answers to writes that have an `Idempotency-Key`.
  package var keptAnswers = 0

  /// Everything that it seals.
  package var values: Int { tokens + webhookSecrets + subscriptionSecrets + keptAnswers }
}

/// Why the service must not start with this keyring.
///
/// Nothing in the database was changed.
package enum KeyringMismatch: Error, Equatable {
  case database(PostgresError)
  /// Something is sealed with keys that the setting does not name.
  case missingKeys([String])
  /// The setting names keys that are not those of that name that sealed before.
  case wrongKeys([String])
}

/// Which keys the database needs, and whether the keyring has them.
package struct VaultInventory: Sendable {
  private let database: Database
  private let keyring: Keyring

  package init(database: Database, keyring: Keyring) {
    self.database = database
    self.keyring = keyring
  }

  /// What each key seals, in the order of their IDs; loaded keys that seal nothing are there too.
  package func status() async throws(PostgresError) -> [KeyUse] {
    let tokens = try await counts(of: .accessTokens)
    let webhooks = try await counts(of: .webhookSecrets)
    let subscriptions = try await counts(of: .subscriptionSecrets)
    let answers = try await counts(of: .keptAnswers)
    let ids = Set(keyring.keyIDs.map(\.text)).union(tokens.keys).union(webhooks.keys)
      .union(subscriptions.keys).union(answers.keys)
    return ids.sorted().map { id in
      KeyUse(
        keyID: id, tokens: tokens[id] ?? 0, isLoaded: KeyID(id).map(keyring.holds) ?? false,
        isSealing: id == keyring.sealingKeyID.text, webhookSecrets: webhooks[id] ?? 0,
        subscriptionSecrets: subscriptions[id] ?? 0, keptAnswers: answers[id] ?? 0)
    }
  }

  private func counts(of column: SealedColumn) async throws(PostgresError) -> [String: Int] {
    var counts: [String: Int] = [:]
    for row in try await database.query(Statement(column.counts)).rows {
      counts[try row.decode("key_id", as: String.self)] = try row.decode("count")
    }
    return counts
  }

  /// Refuses a keyring that lacks a key in use, or holds another key under its name.
  ///
  /// Only when everything is in order, canaries of keys that have none yet are stored, unless the
  /// caller only looks.
  package func check(plantsCanaries: Bool = true) async throws(KeyringMismatch) {
    let uses: [KeyUse]
    let canaries: [String: [UInt8]]
    do throws(PostgresError) {
      uses = try await status()
      canaries = try await self.canaries()
    } catch { throw .database(error) }
    let missing = uses.filter { $0.values > 0 && !$0.isLoaded }.map(\.keyID)
    guard missing.isEmpty else { throw .missingKeys(missing) }
    var wrong: [String] = []
    for use in uses where use.isLoaded {
      if let canary = canaries[use.keyID] {
        if !opens(canary) { wrong.append(use.keyID) }
      } else if use.values > 0 {
        // Sealed with, yet without a canary: a restored or repaired database. One value tells as
        // much.
        do throws(PostgresError) {
          if try await !opensSample(of: use.keyID) { wrong.append(use.keyID) }
        } catch { throw .database(error) }
      }
    }
    guard wrong.isEmpty else { throw .wrongKeys(wrong) }
    guard plantsCanaries else { return }
    do throws(PostgresError) {
      for id in keyring.keyIDs where canaries[id.text] == nil { try await plant(id) }
    } catch { throw .database(error) }
  }

  private func canaries() async throws(PostgresError) -> [String: [UInt8]] {
    let found = try await database.query(Statement("SELECT key_id, sealed FROM keyring_canaries"))
    var canaries: [String: [UInt8]] = [:]
    for row in found.rows {
      canaries[try row.decode("key_id", as: String.self)] = try row.decode("sealed")
    }
    return canaries
  }

  private func opens(_ canary: [UInt8]) -> Bool {
    do throws(VaultError) {
      try Canary.verify(Sealed(bytes: canary), with: keyring)
      return true
    } catch {
      return false
    }
  }

  private func opensSample(of keyID: String) async throws(PostgresError) -> Bool {
    for column in SealedColumn.all {
      let found = try await database.query(Statement(column.sample, [keyID]))
      guard let value = try found.rows.first.map(column.read) else { continue }
      do throws(VaultError) {
        _ = try keyring.open(Sealed(bytes: value.sealed), for: value.place)
      } catch {
        return false
      }
    }
    return true
  }

  private func plant(_ id: KeyID) async throws(PostgresError) {
    let sealed: Sealed
    do throws(VaultError) {
      sealed = try Canary.make(id, with: keyring)
    } catch {
      return
    }
    _ = try await database.query(
      Statement(
        """
        INSERT INTO keyring_canaries (key_id, sealed) VALUES ($1, $2)
        ON CONFLICT ON CONSTRAINT keyring_canaries_pkey DO NOTHING
        """, [id.text, sealed.bytes]))
  }
}
