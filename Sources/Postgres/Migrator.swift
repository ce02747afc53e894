package import Logging
import NIOCore

/// Brings the schema to where this binary needs it.
///
/// Each migration runs in a transaction of its own, under a lock that lasts as long as that
/// transaction, and leaves its number and checksum in `schema_migrations`. Several processes may do
/// this at once: each migration runs once.
package struct Migrator: Sendable {
  private let migrations: [Migration]
  private let logger: Logger
  /// How long one migration may take, and how long another process's is waited for.
  private let timeLimit: Duration

  /// Any number will do, as long as it is always the same and nobody else's: "latchkey" in ASCII.
  private static let lock: Int64 = 0x6c61_7463_686b_6579

  package init(_ migrations: [Migration], logger: Logger, timeLimit: Duration = .seconds(600)) {
    self.migrations = migrations
    self.logger = logger
    self.timeLimit = timeLimit
  }

  /// Applies what is missing.
  ///
  /// - Returns: the versions that this call applied.
  @discardableResult
  package func apply(on database: Database) async throws(MigrationError) -> [Int] {
    try checkList()
    var applied: [Int] = []
    for migration in migrations {
      if try await apply(migration, on: database) { applied.append(migration.version) }
    }
    try await verify(on: database)
    return applied
  }

  /// The versions that are not applied yet.
  package func pending(on database: Database) async throws(MigrationError) -> [Int] {
    let recorded = try await recorded(on: database)
    return migrations.map(\.version).filter { !recorded.contains($0) }
  }

  /// Succeeds when exactly these migrations have been applied, with this content.
  package func verify(on database: Database) async throws(MigrationError) {
    try checkList()
    let recorded = try await recorded(on: database)
    let newest = migrations.last?.version ?? 0
    if let version = recorded.max(), version > newest {
      throw .tooNew(database: version, binary: newest)
    }
    for migration in migrations where recorded.contains(migration.version) {
      guard try await isSame(migration, on: database) else {
        throw .changed(version: migration.version, name: migration.name)
      }
    }
    let missing = migrations.map(\.version).filter { !recorded.contains($0) }
    guard missing.isEmpty else { throw .pending(missing) }
  }

  private func checkList() throws(MigrationError) {
    for (index, migration) in migrations.enumerated() where migration.version != index + 1 {
      throw .badList(version: migration.version)
    }
  }

  /// - Returns: whether this call applied it.
  private func apply(
    _ migration: Migration, on database: Database
  ) async throws(MigrationError) -> Bool {
    do {
      return try await database.withLongTransaction(timeLimit) { transaction in
        try await Self.takeLock(in: transaction)
        if try await Self.isApplied(migration, in: transaction) { return false }
        logger.info("Applying migration \(migration.version) (\(migration.name))")
        try await run(migration, in: transaction)
        return true
      }
    } catch let error as MigrationError {
      throw error
    } catch let error as PostgresError {
      throw error == .connectionLost ? .busy : .database(error)
    } catch {
      throw .database(.unavailable)
    }
  }

  private static func takeLock(in transaction: Transaction) async throws(PostgresError) {
    _ = try await transaction.query(Statement("SET LOCAL statement_timeout = 0"))
    _ = try await transaction.query(Statement("SELECT pg_advisory_xact_lock($1)", [lock]))
  }

  private static func isApplied(
    _ migration: Migration, in transaction: Transaction
  ) async throws -> Bool {
    if try await !hasTable({ statement throws(PostgresError) in
      try await transaction.query(statement)
    }) {
      _ = try await transaction.query(
        Statement(
          """
          CREATE TABLE schema_migrations (
            version integer NOT NULL,
            name text NOT NULL,
            checksum bytea NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT schema_migrations_pkey PRIMARY KEY (version)
          )
          """))
      return false
    }
    let rows = try await transaction.query(comparison(of: migration)).rows
    guard let row = rows.first else { return false }
    guard try row.decode("same", as: Bool.self) else {
      throw MigrationError.changed(version: migration.version, name: migration.name)
    }
    return true
  }

  private func run(_ migration: Migration, in transaction: Transaction) async throws {
    do throws(PostgresError) {
      try await transaction.script(migration.sql)
    } catch {
      throw MigrationError.failed(version: migration.version, name: migration.name, error)
    }
    _ = try await transaction.query(
      Statement(
        "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, sha256($3))",
        [migration.version, migration.name, Array(migration.sql.utf8)]))
  }

  /// The versions that have been applied.
  private func recorded(on database: Database) async throws(MigrationError) -> Set<Int> {
    do throws(PostgresError) {
      guard
        try await Self.hasTable({ statement throws(PostgresError) in
          try await database.query(statement)
        })
      else { return [] }
      var recorded: Set<Int> = []
      for row in try await database.query(Statement("SELECT version FROM schema_migrations")).rows {
        recorded.insert(try row.decode("version"))
      }
      return recorded
    } catch {
      throw .database(error)
    }
  }

  private static func hasTable(
    _ query: (Statement) async throws(PostgresError) -> QueryResult
  ) async throws(PostgresError) -> Bool {
    let answer = try await query(
      Statement("SELECT to_regclass('schema_migrations') IS NOT NULL AS there"))
    return try answer.rows.first?.decode("there") ?? false
  }

  /// Whether a migration was applied with this content; no row when it was not applied.
  ///
  /// By the server's SHA-256, so that no second implementation is needed.
  private static func comparison(of migration: Migration) -> Statement {
    Statement(
      """
      SELECT checksum = sha256($2) OR encode(checksum, 'hex') = ANY($3::text[]) AS same
      FROM schema_migrations WHERE version = $1
      """, [migration.version, Array(migration.sql.utf8), migration.formerChecksums])
  }

  private func isSame(
    _ migration: Migration, on database: Database
  ) async throws(MigrationError) -> Bool {
    do throws(PostgresError) {
      return try await database.query(Self.comparison(of: migration)).rows.first?.decode("same")
        ?? false
    } catch {
      throw .database(error)
    }
  }
}

extension Database {
  /// A transaction on a connection of its own, with a time limit of its own.
  func withLongTransaction<T: Sendable>(
    _ timeLimit: Duration, _ body: (Transaction) async throws -> T
  ) async throws -> T {
    let connection = try await pool.makeConnection()
    let limit = TimeAmount(timeLimit)
    let transaction = Transaction(
      connection, deadline: .now() + limit, statementTimeout: limit)
    do {
      let value = try await body(transaction)
      try await transaction.commit()
      await connection.close()
      return value
    } catch {
      await transaction.rollBack()
      await connection.close()
      throw error
    }
  }
}
