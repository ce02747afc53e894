import Base
import Postgres
import PrivatePostgres
import TestSupport
import Testing

@Suite struct `Migrations` {
  private static let first = Migration(
    version: 1, name: "first",
    sql:
      "CREATE TABLE a (x int); INSERT INTO a VALUES (1); CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1; $$;"
  )
  private static let second = Migration(
    version: 2, name: "second", sql: "INSERT INTO a VALUES (2);\n-- the end")

  private func migrator(_ migrations: [Migration]) -> Migrator {
    Migrator(migrations, logger: .quiet)
  }

  private func values(_ database: Database) async throws -> [Int] {
    try await database.query(Statement("SELECT x FROM a ORDER BY x")).rows.map { row in
      try row.decode("x")
    }
  }

  @Test func `each is applied once, in order`() async throws {
    try await withTemporaryDatabase { (database: Database) async throws in
      #expect(try await migrator([Self.first]).pending(on: database) == [1])
      #expect(try await migrator([Self.first]).apply(on: database) == [1])
      let both = migrator([Self.first, Self.second])
      #expect(try await both.pending(on: database) == [2])
      await #expect(throws: MigrationError.pending([2])) { try await both.verify(on: database) }
      #expect(try await both.apply(on: database) == [2])
      #expect(try await both.apply(on: database) == [])
      #expect(try await values(database) == [1, 2])
    }
  }

  @Test func `eight at once run each exactly once`() async throws {
    try await withTemporaryDatabase(adjust: { $0.connections = 2 }) {
      (temporary: TemporaryDatabase) in
      let applied = try await withThrowingTaskGroup(of: [Int].self) { group in
        for _ in 0..<8 {
          group.addTask {
            try await temporary.withDatabase(adjust: {
              $0.connections = 1; $0.acquireTimeout = .seconds(20)
            }) {
              try await migrator([Self.first, Self.second]).apply(on: $0)
            }
          }
        }
        return try await group.reduce(into: []) { $0 += $1 }
      }
      #expect(applied.sorted() == [1, 2])
      #expect(try await values(temporary.database) == [1, 2])
    }
  }

  @Test func `a released one that reads differently now is refused`() async throws {
    try await withTemporaryDatabase { (database: Database) async throws in
      try await migrator([Self.first]).apply(on: database)
      let changed = Migration(version: 1, name: "first", sql: Self.first.sql + " ")
      await #expect(throws: MigrationError.changed(version: 1, name: "first")) {
        try await migrator([changed, Self.second]).apply(on: database)
      }
      await #expect(throws: MigrationError.changed(version: 1, name: "first")) {
        try await migrator([changed]).verify(on: database)
      }
      #expect(try await values(database) == [1])
    }
  }

  @Test func `a database that knows more than the binary is refused`() async throws {
    try await withTemporaryDatabase { (database: Database) async throws in
      try await migrator([Self.first, Self.second]).apply(on: database)
      let expected = MigrationError.tooNew(database: 2, binary: 1)
      await #expect(throws: expected) { try await migrator([Self.first]).apply(on: database) }
      await #expect(throws: expected) { try await migrator([Self.first]).verify(on: database) }
      #expect("\(expected)".contains("newer binary"))
    }
  }

  @Test func `one that fails leaves nothing, and can be put right`() async throws {
    try await withTemporaryDatabase { (database: Database) async throws in
      let broken = Migration(
        version: 2, name: "second", sql: "INSERT INTO a VALUES (2); SELECT nope;")
      let error = await #expect(throws: MigrationError.self) {
        try await migrator([Self.first, broken]).apply(on: database)
      }
      guard case .failed(version: 2, name: "second", .server(sqlState: "42703", _)) = error else {
        Issue.record("another error: \(String(describing: error))")
        return
      }
      #expect(try await values(database) == [1])
      #expect(try await migrator([Self.first, Self.second]).apply(on: database) == [2])
    }
  }

  @Test func `one that ends its own transaction does not count as applied`() async throws {
    try await withTemporaryDatabase { (database: Database) async throws in
      let odd = Migration(version: 1, name: "odd", sql: "CREATE TABLE z (x int); COMMIT;")
      await #expect(throws: MigrationError.self) { try await migrator([odd]).apply(on: database) }
    }
  }

  @Test func `the list must be 1, 2, 3 without a gap`() async throws {
    try await withTemporaryDatabase { (database: Database) async throws in
      _ = await #expect(throws: MigrationError.badList(version: 2)) {
        try await migrator([Self.second]).apply(on: database)
      }
    }
  }

  @Test(arguments: [
    ("0001_installations.sql", 1, "installations"), ("0042_a_b.sql", 42, "a_b"),
  ])
  func `names of files give version and name`(_ file: String, _ version: Int, _ name: String) {
    let migration = Migration(fileName: file, sql: Array("SELECT 1".utf8))
    #expect(migration == Migration(version: version, name: name, sql: "SELECT 1"))
  }

  @Test(arguments: ["1_a.sql", "0000_a.sql", "0001a.sql", "0001_.sql", "0001_a.txt", "abcd_a.sql"])
  func `other names are no migrations`(_ file: String) {
    #expect(Migration(fileName: file, sql: []) == nil)
  }
}

@Suite struct `Start-up check of the server` {
  @Test func `a server that may forget what it confirmed is named, a safe one passes`() async throws
  {
    try await withTemporaryDatabase { (database: Database) async throws in
      let problems = try await DatabaseHealth.check(database)
      #expect(problems.contains(.setting(name: "fsync", value: "off", needed: "on")))
      #expect(problems.contains(.setting(name: "full_page_writes", value: "off", needed: "on")))
      #expect(problems.count == 2)
    }
    try await withOwnCluster(ClusterSettings()) { cluster in
      try await withOpenDatabase(cluster.databaseSettings()) { (database: Database) async throws in
        #expect(try await DatabaseHealth.check(database) == [])
      }
    }
  }
}
