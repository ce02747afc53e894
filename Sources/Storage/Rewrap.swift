import Base
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
  case doesNotOpen(SealedOwner)
}

/// Seals everything that is sealed anew with the keyring's first key, while the service runs.
///
/// Needs no state of its own: what is left to do is what another key seals. A row is replaced only
/// if it is still what was read, so an install in between wins.
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
    for column in SealedColumn.all {
      rewrapped += try await run(column, after: rewrapped, progress)
    }
    if rewrapped > 0 {
      do throws(PostgresError) {
        FailPoint.reach("rewrap.before_audit")
        try await audit(act, rewrapped)
      } catch { throw .database(error) }
    }
    return rewrapped
  }

  private func run(
    _ column: SealedColumn, after before: Int, _ progress: @Sendable (RewrapProgress) -> Void
  ) async throws(RewrapError) -> Int {
    var rewrapped = 0
    var passes = 0
    while true {
      let page: [SealedColumn.Value]
      let remaining: Int
      do throws(PostgresError) {
        page = try await nextPage(of: column)
        FailPoint.reach("rewrap.after_page")
      } catch { throw .database(error) }
      guard !page.isEmpty else { break }
      let fresh = try page.map { value throws(RewrapError) in try reseal(value) }
      do throws(PostgresError) {
        FailPoint.reach("rewrap.before_write")
        let changed = try await replace(page, fresh, in: column)
        FailPoint.reach("rewrap.after_write")
        rewrapped += changed
        remaining = try await self.remaining()
        // Rows that others hold at this moment are skipped and come again.
        passes = changed == 0 ? passes + 1 : 0
      } catch { throw .database(error) }
      progress(RewrapProgress(rewrapped: before + rewrapped, remaining: remaining))
      guard passes < 100 else { break }
      if passes > 0 { try? await Task.sleep(for: .milliseconds(20)) }
    }
    return rewrapped
  }

  private func nextPage(
    of column: SealedColumn
  ) async throws(PostgresError) -> [SealedColumn.Value] {
    try await database.query(Statement(column.page, [keyring.sealingKeyID.text, batch]))
      .rows.map(column.read)
  }

  private func reseal(_ value: SealedColumn.Value) throws(RewrapError) -> Sealed {
    do throws(VaultError) {
      let sealed = try Sealed(bytes: value.sealed)
      return try keyring.rewrap(sealed, for: value.place) ?? sealed
    } catch {
      throw .doesNotOpen(value.owner)
    }
  }

  private func replace(
    _ old: [SealedColumn.Value], _ fresh: [Sealed], in column: SealedColumn
  ) async throws(PostgresError) -> Int {
    let rows = zip(old, fresh).map { old, fresh -> JSONValue in
      .object(
        old.identity + [
          .init("old_key_id", .string(old.keyID)), .init("key_id", .string(fresh.keyID.text)),
          .init("sealed", .string(Base64.encode(fresh.bytes))),
        ])
    }
    // SKIP LOCKED: a row that an install holds waits for nobody here, and nobody who holds a row
    // waits for us.
    return try await database.query(Statement(column.replace, [JSONValue.array(rows)])).affected
  }

  private func remaining() async throws(PostgresError) -> Int {
    var remaining = 0
    for column in SealedColumn.all {
      let found = try await database.query(
        Statement(column.remaining, [keyring.sealingKeyID.text]))
      remaining += try found.rows.first?.decode("remaining", as: Int.self) ?? 0
    }
    return remaining
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
