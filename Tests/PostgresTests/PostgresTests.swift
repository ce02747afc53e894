import Base
import Postgres
import Testing
import TestSupport

@Suite struct `Queries` {
  @Test func `a statement answers with rows and their values`() async throws {
    try await withTemporaryDatabase { (database: Database) in
      let answer = try await database.query(
        Statement("SELECT $1 AS text, $2 AS number, NULL::text AS nothing", ["grün", 7]))
      let row = try #require(answer.rows.first)
      #expect(try row.decode("text") == "grün")
      #expect(try row.decode("number") == 7)
      #expect(try row.decode("nothing", as: String?.self) == nil)
    }
  }

  @Test func `a transaction takes effect as a whole or not at all`() async throws {
    try await withTemporaryDatabase { (database: Database) in
      _ = try await database.query(
        Statement("CREATE TABLE t (id bigint, CONSTRAINT t_pkey PRIMARY KEY (id))"))
      await #expect(throws: PostgresError.uniqueViolation(constraint: "t_pkey")) {
        _ = try await database.transaction([
          Statement("INSERT INTO t VALUES ($1)", [1]), Statement("INSERT INTO t VALUES ($1)", [1]),
        ])
      }
      let done = try await database.transaction([
        Statement("INSERT INTO t VALUES ($1)", [1]), Statement("SELECT count(*) AS n FROM t"),
      ])
      #expect(done.map(\.affected) == [1, 1])
      #expect(try done[1].rows[0].decode("n") == 1)
      let inside = try await database.withTransaction { transaction in
        _ = try await transaction.query(Statement("INSERT INTO t VALUES ($1)", [2]))
        return try await transaction.query(Statement("SELECT * FROM t")).rows.count
      }
      #expect(inside == 2)
    }
  }
}
