package import Base
package import Postgres
package import Vault

/// A path and a secret of one installation, as the reconciler needs them.
package struct StoredWebhookAddress: Sendable {
  package let pathToken: String
  package let secret: Secret<String>
}

/// The addresses of an installation that has a token.
package struct InstallationAddresses: Sendable {
  /// The one to register.
  package let current: StoredWebhookAddress
  /// Path tokens from before a rotation that are still accepted.
  package let accepted: Set<String>
}

/// Why an installation's addresses cannot be used.
package enum WebhookAddressError: Error, Equatable {
  case database(PostgresError)
  /// The secret cannot be opened or sealed; nothing was changed.
  case vault(VaultError)
  /// There is no such installation, or the app was uninstalled.
  case notInstalled
}

/// Paths and secrets of webhooks: made once per installation, rotated on demand, retired by an
/// uninstall.
package struct WebhookAddresses: Sendable {
  /// How long after its retirement an address is accepted: BigCommerce repeats for 48 hours.
  package static let acceptance = Duration.seconds(72 * 3600)

  private let database: Database
  private let keyring: Keyring
  private let random: RandomSource

  package init(database: Database, keyring: Keyring, random: RandomSource = .system) {
    self.database = database
    self.keyring = keyring
    self.random = random
  }

  /// Whether the installation ever had an address that is still accepted.
  package func exist(for installation: InstallationID) async throws(PostgresError) -> Bool {
    let found = try await database.query(
      Statement(
        "SELECT FROM webhook_addresses WHERE app_id = $1 AND store_hash = $2 LIMIT 1",
        [installation.app.text, installation.store.text]))
    return !found.rows.isEmpty
  }

  /// The addresses of the installation; makes the current one when there is none.
  package func ensure(
    _ installation: InstallationID
  ) async throws(WebhookAddressError) -> InstallationAddresses {
    let fresh = try make(for: installation)
    let rows: [Row]?
    do throws(PostgresError) {
      rows = try await database.committing { transaction throws(PostgresError) in
        guard try await isInstalled(installation, in: transaction) else { return nil }
        let found = try await transaction.query(installation.addresses).rows
        if found.contains(where: \.isCurrent) { return found }
        _ = try await transaction.query(fresh.insert)
        return try await transaction.query(installation.addresses).rows
      }
    } catch { throw .database(error) }
    guard let rows else { throw .notInstalled }
    return try read(rows, of: installation)
  }

  /// The addresses as they are; `nil` when there is none to register yet.
  package func find(
    _ installation: InstallationID
  ) async throws(WebhookAddressError) -> InstallationAddresses? {
    let rows: [Row]
    do throws(PostgresError) {
      rows = try await database.query(installation.addresses).rows
    } catch { throw .database(error) }
    guard rows.contains(where: \.isCurrent) else { return nil }
    return try read(rows, of: installation)
  }

  /// Makes another address the one to register, and the store's check due at once; the one before
  /// is accepted for 72 hours longer.
  package func rotate(_ installation: InstallationID, act: Act) async throws(WebhookAddressError) {
    let fresh = try make(for: installation)
    let isDone: Bool
    do throws(PostgresError) {
      isDone = try await database.committing { transaction throws(PostgresError) in
        guard try await isInstalled(installation, in: transaction) else { return false }
        let key: [any PostgresBindable] = [installation.app.text, installation.store.text]
        for statement in [
          .audit(act, "webhook_rotate", installation),
          Statement(
            """
            UPDATE webhook_addresses SET retired_at = now()
            WHERE app_id = $1 AND store_hash = $2 AND retired_at IS NULL
            """, key),
          fresh.insert,
          Statement(
            """
            UPDATE webhook_states
            SET next_check_at = now(), is_urgent = true, wanted_number = wanted_number + 1
            WHERE app_id = $1 AND store_hash = $2 AND next_check_at IS NOT NULL
            """, key),
        ] { _ = try await transaction.query(statement) }
        return true
      }
    } catch { throw .database(error) }
    guard isDone else { throw .notInstalled }
  }

  /// Forgets addresses whose 72 hours are over; a bounded piece.
  ///
  /// - Returns: how many.
  package func forget() async throws(PostgresError) -> Int {
    try await database.query(
      Statement(
        """
        WITH due AS MATERIALIZED (
          SELECT app_id, store_hash, path_token FROM webhook_addresses
          WHERE retired_at < now() - $1::bigint * interval '1 microsecond'
          LIMIT $2 FOR UPDATE SKIP LOCKED
        )
        DELETE FROM webhook_addresses known USING due
        WHERE (known.app_id, known.store_hash, known.path_token)
          = (due.app_id, due.store_hash, due.path_token)
        """, [WebhookAddresses.acceptance.inMicroseconds, Retention.batch])
    ).affected
  }

  private struct FreshAddress: Sendable {
    let insert: Statement
  }

  private func make(
    for installation: InstallationID
  ) throws(WebhookAddressError) -> FreshAddress {
    let token = Base32.encode(random.bytes(20), count: 32)
    let secret = Secret(Base32.encode(random.bytes(33), count: 52))
    let bytes = Array(secret.expose().utf8)
    let sealed: Sealed
    do throws(VaultError) {
      sealed = try keyring.seal(Secret(bytes), for: SealedPlace(.webhookSecret, of: installation))
    } catch { throw .vault(error) }
    return FreshAddress(
      insert: Statement(
        """
        INSERT INTO webhook_addresses
          (app_id, store_hash, path_token, sealed_secret, secret_key_id, secret_sha256)
        VALUES ($1, $2, $3, $4, $5, $6)
        """,
        [
          installation.app.text, installation.store.text, token, sealed.bytes, sealed.keyID.text,
          KeyDigest(of: bytes).bytes,
        ]))
  }

  /// Locks the installation's row, so that no uninstall comes in between.
  private func isInstalled(
    _ installation: InstallationID, in transaction: Transaction
  ) async throws(PostgresError) -> Bool {
    let found = try await transaction.query(
      Statement(
        """
        SELECT FROM installations
        WHERE app_id = $1 AND store_hash = $2 AND state <> 'uninstalled' FOR UPDATE
        """, [installation.app.text, installation.store.text]))
    return !found.rows.isEmpty
  }

  private func read(
    _ rows: [Row], of installation: InstallationID
  ) throws(WebhookAddressError) -> InstallationAddresses {
    guard let row = rows.first(where: \.isCurrent) else { throw .notInstalled }
    let token: String
    let bytes: [UInt8]
    var accepted: Set<String> = []
    do throws(PostgresError) {
      token = try row.decode("path_token")
      bytes = try row.decode("sealed_secret")
      for row in rows { accepted.insert(try row.decode("path_token")) }
    } catch { throw .database(error) }
    accepted.remove(token)
    do throws(VaultError) {
      let secret = try keyring.open(
        Sealed(bytes: bytes), for: SealedPlace(.webhookSecret, of: installation))
      let text = Secret(String(decoding: secret.expose(), as: UTF8.self))
      return InstallationAddresses(
        current: StoredWebhookAddress(pathToken: token, secret: text), accepted: accepted)
    } catch { throw .vault(error) }
  }
}

extension InstallationID {
  fileprivate var addresses: Statement {
    Statement(
      """
      SELECT path_token, sealed_secret, retired_at IS NULL AS is_current FROM webhook_addresses
      WHERE app_id = $1 AND store_hash = $2
        AND (retired_at IS NULL OR retired_at > now() - $3::bigint * interval '1 microsecond')
      """, [app.text, store.text, WebhookAddresses.acceptance.inMicroseconds])
  }
}

extension Row {
  fileprivate var isCurrent: Bool {
    // A row without the column would be a statement of another text; it then is no current one.
    (try? decode("is_current", as: Bool.self)) ?? false
  }
}
