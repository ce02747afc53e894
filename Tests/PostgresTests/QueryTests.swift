import Base
import Postgres
import TestSupport
import Testing

@Suite struct `Statements and transactions` {
  private static let table = Statement(
    """
    CREATE TABLE t (
      id bigint, parent bigint,
      CONSTRAINT t_pkey PRIMARY KEY (id),
      CONSTRAINT t_parent_fkey FOREIGN KEY (parent) REFERENCES t (id) DEFERRABLE,
      CONSTRAINT t_id_positive CHECK (id > 0))
    """)

  private static func insert(_ id: Int, parent: Int? = nil) -> Statement {
    Statement("INSERT INTO t VALUES ($1, $2)", [id, parent])
  }

  private static func ids(_ database: Database) async throws -> [Int] {
    try await database.query(Statement("SELECT id FROM t ORDER BY id")).rows.map { row in
      try row.decode("id")
    }
  }

  @Test func `a statement answers with its rows and the number it touched`() async throws {
    try await withTemporaryDatabase { (database: Database) async throws in
      _ = try await database.query(Self.table)
      #expect(try await database.query(Self.insert(1)).affected == 1)
      let many = try await database.query(
        Statement("INSERT INTO t SELECT g FROM generate_series(2, 1000) g RETURNING id"))
      #expect(many.affected == 999)
      #expect(try many.rows.last?.decode("id") == 1000)
      #expect(try await database.query(Statement("DELETE FROM t WHERE id > 5000")).affected == 0)
    }
  }

  @Test func `a pipelined transaction takes effect as a whole or not at all`() async throws {
    try await withTemporaryDatabase { (database: Database) async throws in
      _ = try await database.query(Self.table)
      await #expect(throws: PostgresError.uniqueViolation(constraint: "t_pkey")) {
        try await database.transaction([Self.insert(1), Self.insert(1), Self.insert(2)])
      }
      #expect(try await Self.ids(database) == [])
      let done = try await database.transaction([
        Self.insert(1), Statement("SELECT count(*) AS n FROM t"), Self.insert(2),
      ])
      #expect(done.map(\.affected) == [1, 1, 1])
      #expect(try done[1].rows[0].decode("n") == 1)
      #expect(try await Self.ids(database) == [1, 2])
      #expect(try await database.transaction([]).isEmpty)
    }
  }

  @Test func `violations are told apart by constraint, and the connection stays usable`()
    async throws
  {
    try await withTemporaryDatabase(adjust: { $0.connections = 1 }) {
      (temporary: TemporaryDatabase) in
      let database = temporary.database
      _ = try await database.query(Self.table)
      _ = try await database.query(Self.insert(1))
      let process = Statement("SELECT pg_backend_pid() AS pid")
      let before: Int = try await database.query(process).rows[0].decode("pid")
      let cases: [(Statement, PostgresError)] = [
        (Self.insert(1), .uniqueViolation(constraint: "t_pkey")),
        (Self.insert(2, parent: 9), .foreignKeyViolation(constraint: "t_parent_fkey")),
        (Self.insert(-1), .checkViolation(constraint: "t_id_positive")),
      ]
      for (statement, expected) in cases {
        await #expect(throws: expected) { try await database.query(statement) }
        await #expect(throws: expected) { try await database.transaction([statement]) }
        await #expect(throws: expected) {
          try await database.withTransaction { try await $0.query(statement) }
        }
      }
      let error = await #expect(throws: PostgresError.self) {
        try await database.query(Statement("SELECT no_such_column"))
      }
      #expect(
        error
          == .server(sqlState: "42703", message: "column \"no_such_column\" does not exist"))
      #expect(try await database.query(process).rows[0].decode("pid") == before)
    }
  }

  @Test func `a rule that is checked at the commit fails the transaction`() async throws {
    try await withTemporaryDatabase { (database: Database) async throws in
      _ = try await database.query(Self.table)
      let expected = PostgresError.foreignKeyViolation(constraint: "t_parent_fkey")
      await #expect(throws: expected) {
        try await database.transaction([
          Statement("SET CONSTRAINTS ALL DEFERRED"), Self.insert(1, parent: 9),
        ])
      }
      await #expect(throws: expected) {
        try await database.withTransaction { transaction in
          _ = try await transaction.query(Statement("SET CONSTRAINTS ALL DEFERRED"))
          _ = try await transaction.query(Self.insert(1, parent: 9))
        }
      }
      #expect(try await Self.ids(database) == [])
    }
  }

  @Test func `an interactive transaction commits when its body returns`() async throws {
    try await withTemporaryDatabase { (database: Database) async throws in
      _ = try await database.query(Self.table)
      let seen = try await database.withTransaction { transaction in
        _ = try await transaction.query(Self.insert(1))
        return try await transaction.query(Statement("SELECT id FROM t")).rows.count
      }
      #expect(seen == 1)
      #expect(try await Self.ids(database) == [1])
      #expect(try await database.withTransaction { _ in 7 } == 7)
    }
  }

  @Test func `an interactive transaction is rolled back when its body throws`() async throws {
    struct Reason: Error, Equatable {}
    try await withTemporaryDatabase { (database: Database) async throws in
      _ = try await database.query(Self.table)
      await #expect(throws: Reason()) {
        try await database.withTransaction { transaction in
          _ = try await transaction.query(Self.insert(1))
          throw Reason()
        }
      }
      #expect(try await Self.ids(database) == [])
    }
  }

  @Test func `a body that swallows an error does not commit`() async throws {
    try await withTemporaryDatabase { (database: Database) async throws in
      _ = try await database.query(Self.table)
      await #expect(throws: PostgresError.uniqueViolation(constraint: "t_pkey")) {
        try await database.withTransaction { transaction in
          _ = try await transaction.query(Self.insert(1))
          _ = try? await transaction.query(Self.insert(1))
        }
      }
      await #expect(
        throws: PostgresError.binding(position: 1, problem: "a text with the character NUL")
      ) {
        try await database.withTransaction { transaction in
          _ = try await transaction.query(Self.insert(1))
          _ = try? await transaction.query(Statement("SELECT $1", ["\0"]))
        }
      }
      #expect(try await Self.ids(database) == [])
    }
  }

  @Test func `statements of one transaction that are called for at once take turns`() async throws {
    try await withTemporaryDatabase { (database: Database) async throws in
      _ = try await database.query(Self.table)
      try await database.withTransaction { transaction in
        try await withThrowingTaskGroup(of: Void.self) { group in
          for id in 1...50 { group.addTask { _ = try await transaction.query(Self.insert(id)) } }
          try await group.waitForAll()
        }
      }
      #expect(try await Self.ids(database) == Array(1...50))
    }
  }

  @Test func `a transaction cannot be used after its end`() async throws {
    try await withTemporaryDatabase { (database: Database) async throws in
      let escaped = try await database.withTransaction { transaction in
        _ = try await transaction.query(Statement("SELECT 1"))
        return transaction
      }
      await #expect(throws: PostgresError.self) {
        try await escaped.query(Statement("SELECT 1"))
      }
    }
  }

  @Test func `a transaction that loses against another is tried again as a whole`() async throws {
    try await withTemporaryDatabase { (database: Database) async throws in
      _ = try await database.query(Self.table)
      _ = try await database.transaction([Self.insert(1), Self.insert(2)])
      // Two transactions lock the same two rows in opposite order; one of them is chosen to fail.
      func lock(_ first: Int, _ second: Int) async throws {
        _ = try await database.transaction([
          Statement("SELECT 1 FROM t WHERE id = $1 FOR UPDATE", [first]),
          Statement("SELECT pg_sleep(0.05)"),
          Statement("SELECT 1 FROM t WHERE id = $1 FOR UPDATE", [second]),
        ])
      }
      async let there: Void = lock(1, 2)
      async let back: Void = lock(2, 1)
      _ = try await (there, back)
    }
  }

  @Test func `a statement that loses against another is tried again`() async throws {
    try await withTemporaryDatabase { (database: Database) async throws in
      _ = try await database.query(Self.table)
      _ = try await database.transaction([Self.insert(1), Self.insert(2)])
      func lock(_ first: Int, _ second: Int) async throws {
        _ = try await database.query(
          Statement(
            """
            WITH one AS MATERIALIZED (SELECT id FROM t WHERE id = $1 FOR UPDATE),
              pause AS MATERIALIZED (SELECT pg_sleep(0.05) FROM one)
            SELECT t.id FROM t, pause WHERE t.id = $2 FOR UPDATE OF t
            """, [first, second]))
      }
      async let there: Void = lock(1, 2)
      async let back: Void = lock(2, 1)
      _ = try await (there, back)
    }
  }

  @Test func `a big answer and a big parameter pass`() async throws {
    try await withTemporaryDatabase { (database: Database) async throws in
      let bytes = [UInt8](repeating: 0xa5, count: 8 << 20)
      let row = try await database.query(
        Statement("SELECT $1 AS value, length($1) AS size", [bytes])
      ).rows[0]
      #expect(try row.decode("size") == bytes.count)
      #expect(try row.decode("value", as: [UInt8].self) == bytes)
      let big = Statement("SELECT length($1) AS size", [bytes])
      let sizes = try await database.transaction([big, big, big]).map { result -> Int in
        try result.rows[0].decode("size")
      }
      #expect(sizes == [bytes.count, bytes.count, bytes.count])
      let rows = try await database.query(
        Statement("SELECT g, repeat('x', 100) AS x FROM generate_series(1, 50000) g"))
      #expect(rows.rows.count == 50_000)
    }
  }

  @Test func `a write on a read-only server is answered as unavailable and leaves that connection`()
    async throws
  {
    try await withTemporaryDatabase(adjust: { $0.connections = 1 }) {
      (temporary: TemporaryDatabase) in
      let database = temporary.database
      _ = try await database.query(Self.table)
      let process = Statement("SELECT pg_backend_pid() AS pid")
      let before: Int = try await database.query(process).rows[0].decode("pid")
      await #expect(throws: PostgresError.unavailable) {
        try await database.transaction([
          Statement("SET LOCAL transaction_read_only = on"), Self.insert(1),
        ])
      }
      let after: Int = try await database.query(process).rows[0].decode("pid")
      #expect(before != after)
    }
  }
}
