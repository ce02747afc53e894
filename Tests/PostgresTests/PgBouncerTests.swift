import Base
import Postgres
import PrivatePostgres
import TestSupport
import Testing

@Suite struct `Through PgBouncer in transaction mode` {
  /// TLS records of 16 KiB, of which one read takes 8: what is left in the library shows on no
  /// socket.
  @Test func `long answers in long TLS records arrive whole`() async throws {
    let certificates = try Certificates()
    try certificates.issue("local", subject: "/CN=localhost", signer: nil)
    try await withTemporaryDatabase { (temporary: TemporaryDatabase) async throws in
      let pooler = try await PgBouncer.start(
        before: temporary, poolSize: 1,
        identity: (certificates.path("local.pem"), certificates.path("local.key")))
      var settings = DatabaseSettings(
        connectionString: Secret(pooler.connectionString(host: "localhost")), connections: 1)
      settings.statementTimeout = .seconds(5)
      let result: Result<Void, any Error>
      do {
        result = .success(
          try await withOpenDatabase(settings) { database in
            for length in stride(from: 4_000, to: 140_000, by: 997) + [3_000_000] {
              let row = try await database.query(
                Statement("SELECT repeat('x', $1::int) AS text", [length])
              ).rows[0]
              #expect(try row.decode("text", as: String.self).utf8.count == length)
            }
          })
      } catch { result = .failure(error) }
      try await pooler.stop()
      try result.get()
    }
  }

  /// Runs the body with a pooler that has fewer server connections than callers.
  private func withPooler(
    _ body: (_ pooled: DatabaseSettings, _ direct: Database) async throws -> Void
  ) async throws {
    try await withTemporaryDatabase { (temporary: TemporaryDatabase) async throws in
      let pooler = try await PgBouncer.start(before: temporary, poolSize: 3)
      var settings = DatabaseSettings(
        connectionString: Secret(pooler.connectionString(host: "localhost")), connections: 8)
      settings.acquireTimeout = .seconds(20)
      settings.statementTimeout = .seconds(20)
      settings.connectTimeout = .seconds(5)
      let result: Result<Void, any Error>
      do { result = .success(try await body(settings, temporary.database)) } catch {
        result = .failure(error)
      }
      try await pooler.stop()
      try result.get()
    }
  }

  @Test func `statements, transactions, errors and values work as without it`() async throws {
    try await withPooler { settings, direct in
      try await withOpenDatabase(settings) { database in
        _ = try await direct.query(
          Statement("CREATE TABLE t (id bigint, who text, CONSTRAINT t_pkey PRIMARY KEY (id))"))
        let insert: StaticString = "INSERT INTO t VALUES ($1, $2)"
        try await withThrowingTaskGroup(of: Void.self) { group in
          for task in 0..<16 {
            group.addTask {
              for round in 0..<20 {
                let id = task * 1000 + round * 3
                let own = Statement(insert, [id, "own"])
                _ = try await database.transaction([own, Statement("SELECT $1", [id])])
                await #expect(throws: PostgresError.uniqueViolation(constraint: "t_pkey")) {
                  try await database.transaction([
                    Statement(insert, [id + 1, "lost"]), own, Statement(insert, [id + 2, "lost"]),
                  ])
                }
                try await database.withTransaction { transaction in
                  _ = try await transaction.query(Statement(insert, [id + 1, "own"]))
                  let seen = try await transaction.query(
                    Statement("SELECT who FROM t WHERE id = $1", [id + 1]))
                  #expect(try seen.rows[0].decode("who") == "own")
                }
              }
            }
          }
          try await group.waitForAll()
        }
        let rows = try await database.query(
          Statement("SELECT count(*) AS n, count(*) FILTER (WHERE who = 'own') AS own FROM t")
        ).rows
        #expect(try rows[0].decode("n") == 640)
        #expect(try rows[0].decode("own") == 640)
        let open = try await direct.query(
          Statement(
            """
            SELECT count(*) AS n FROM pg_stat_activity
            WHERE datname = current_database() AND state LIKE 'idle in transaction%'
            """))
        #expect(try open.rows[0].decode("n") == 0)
      }
    }
  }

  @Test func `migrations are applied through it`() async throws {
    try await withPooler { settings, direct in
      try await withOpenDatabase(settings) { database in
        let migrations = [
          Migration(
            version: 1, name: "one", sql: "CREATE TABLE a (x int); CREATE TABLE b (y int);"),
          Migration(version: 2, name: "two", sql: "ALTER TABLE a ADD z text;"),
        ]
        let migrator = Migrator(migrations, logger: .quiet)
        #expect(try await migrator.apply(on: database) == [1, 2])
        try await migrator.verify(on: direct)
      }
    }
  }
}
