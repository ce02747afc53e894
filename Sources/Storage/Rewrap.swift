package import Base
package import Postgres
package import Vault

/// How far a rewrap has come.
package struct RewrapProgress: Hashable, Sendable {
  package let rewrapped: Int
  /// Still sealed with another key than the keyring's first.
  package let remaining: Int
}

/// What a rewrap cannot go on with.
package enum RewrapError: Error, Equatable {
  case database(PostgresError)
  /// The row's ciphertext does not open with its key: it is damaged or belongs to another row.
  /// Nothing of it changed.
  case doesNotOpen(InstallationID)
}

/// Seals every token anew with the keyring's first key, while the service runs.
///
/// Needs no state of its own: what is left to do is what another key seals. A row is replaced only
/// if key and generation are still those that were read, so an install in between wins.
package struct Rewrap: Sendable {
  private let database: Database
  private let keyring: Keyring
  private let batch: Int64

  /// One statement changes at most `batch` rows.
  package init(database: Database, keyring: Keyring, batch: Int64 = 200) {
    self.database = database
    self.keyring = keyring
    self.batch = batch
  }

  /// Rewraps all rows; stopping it anywhere and starting again later is safe.
  ///
  /// `progress` is called after each batch.
  ///
  /// - Returns: how many rows this run rewrapped.
  package func run(
    act: Act, progress: @Sendable (RewrapProgress) -> Void = { _ in }
  ) async throws(RewrapError) -> Int {
    var rewrapped = 0
    var passes = 0
    while true {
      let page: [StoredToken]
      let remaining: Int
      do throws(PostgresError) {
        page = try await nextPage()
        FailPoint.reach("rewrap.after_page")
      } catch { throw .database(error) }
      guard !page.isEmpty else { break }
      let fresh = try page.map { token throws(RewrapError) in try reseal(token) }
      do throws(PostgresError) {
        FailPoint.reach("rewrap.before_write")
        let changed = try await replace(page, fresh)
        FailPoint.reach("rewrap.after_write")
        rewrapped += changed
        remaining = try await self.remaining()
        // Rows that others hold at this moment are skipped and come again.
        passes = changed == 0 ? passes + 1 : 0
      } catch { throw .database(error) }
      progress(RewrapProgress(rewrapped: rewrapped, remaining: remaining))
      guard passes < 100 else { break }
      if passes > 0 { try? await Task.sleep(for: .milliseconds(20)) }
    }
    if rewrapped > 0 {
      do throws(PostgresError) {
        FailPoint.reach("rewrap.before_audit")
        try await audit(act, rewrapped)
      } catch { throw .database(error) }
    }
    return rewrapped
  }

  private struct StoredToken: Sendable {
    let installation: InstallationID
    let generation: Generation
    let keyID: String
    let sealed: [UInt8]
  }

  private func nextPage() async throws(PostgresError) -> [StoredToken] {
    let found = try await database.query(
      Statement(
        """
        SELECT app_id, store_hash, generation, token_key_id, sealed_token FROM installations
        WHERE token_key_id <> $1
        ORDER BY token_key_id, app_id, store_hash LIMIT $2
        """, [keyring.sealingKeyID.text, batch]))
    return try found.rows.map { row throws(PostgresError) in
      StoredToken(
        installation: try row.installation(),
        generation: Generation(try row.decode("generation")),
        keyID: try row.decode("token_key_id"), sealed: try row.decode("sealed_token"))
    }
  }

  private func reseal(_ token: StoredToken) throws(RewrapError) -> Sealed {
    let place = SealedPlace(
      .accessToken, of: token.installation, generation: token.generation)
    do throws(VaultError) {
      let sealed = try Sealed(bytes: token.sealed)
      return try keyring.rewrap(sealed, for: place) ?? sealed
    } catch {
      throw .doesNotOpen(token.installation)
    }
  }

  private func replace(_ old: [StoredToken], _ fresh: [Sealed]) async throws(PostgresError) -> Int {
    let rows = zip(old, fresh).map { old, fresh -> JSONValue in
      [
        "app_id": .string(old.installation.app.text),
        "store_hash": .string(old.installation.store.text),
        "generation": .integer(old.generation.number), "old_key_id": .string(old.keyID),
        "key_id": .string(fresh.keyID.text), "sealed": .string(Base64.encode(fresh.bytes)),
      ]
    }
    // SKIP LOCKED: a row that an install holds waits for nobody here, and nobody who holds a row
    // waits for us.
    return try await database.query(
      Statement(
        """
        WITH wanted AS (
          SELECT * FROM jsonb_to_recordset($1) AS row (app_id text, store_hash text,
            generation bigint, old_key_id text, key_id text, sealed text)
        ), locked AS MATERIALIZED (
          SELECT known.app_id, known.store_hash, wanted.key_id, wanted.sealed
          FROM installations known JOIN wanted ON known.app_id = wanted.app_id
            AND known.store_hash = wanted.store_hash
            AND known.generation = wanted.generation AND known.token_key_id = wanted.old_key_id
          FOR UPDATE OF known SKIP LOCKED
        )
        UPDATE installations known
        SET sealed_token = decode(locked.sealed, 'base64'), token_key_id = locked.key_id
        FROM locked
        WHERE known.app_id = locked.app_id AND known.store_hash = locked.store_hash
        """, [JSONValue.array(rows)])
    ).affected
  }

  private func remaining() async throws(PostgresError) -> Int {
    let found = try await database.query(
      Statement(
        "SELECT count(*) AS remaining FROM installations WHERE token_key_id <> $1",
        [keyring.sealingKeyID.text]))
    return try found.rows.first?.decode("remaining", as: Int.self) ?? 0
  }

  private func audit(_ act: Act, _ rewrapped: Int) async throws(PostgresError) {
    let details: JSONValue = [
      "rewrapped": .integer(rewrapped), "key_id": .string(keyring.sealingKeyID.text),
    ]
    _ = try await database.query(
      Statement(
        "INSERT INTO audit (actor, action, request_id, details) VALUES ($1, 'rewrap', $2, $3)",
        [act.actor, act.requestID?.text, details]))
  }
}
