import Foundation
import Postgres
import Storage
import TestSupport
import Testing

@Suite struct `Migrations of the product` {
  private static let folder = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "sql")

  @Test func `the list in the source names every file of the folder, with its content`() throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
      .filter { $0.hasSuffix(".sql") }.sorted()
    let files = try names.map { name in
      Migration(
        fileName: name, sql: Array(try Data(contentsOf: Self.folder.appending(path: name))))
    }
    #expect(!files.isEmpty)
    #expect(files == Migrations.all)
  }

  @Test func `they apply to an empty database, once`() async throws {
    try await withTemporaryDatabase { (database: Database) in
      let migrator = Migrator(Migrations.all, logger: .quiet)
      let versions = Migrations.all.map(\.version)
      #expect(try await migrator.pending(on: database) == versions)
      #expect(try await migrator.apply(on: database) == versions)
      #expect(try await migrator.apply(on: database) == [])
      try await migrator.verify(on: database)
    }
  }

  @Test func `the service's role can change rows, but not the schema nor the audit trail`()
    async throws
  {
    try await withTemporaryDatabase(Migrations.all) { (temporary: TemporaryDatabase) in
      let role = "service_of_\(temporary.name)"
      try await temporary.createRole(role)
      try await ServiceRole.grant(to: role, on: temporary.database)
      try await ServiceRole.grant(to: role, on: temporary.database)
      try await temporary.withDatabase(as: role) { service in
        _ = try await service.query(
          Statement("INSERT INTO apps (app_id, client_id, required_scopes) VALUES ('a', 'c', '{}')")
        )
        _ = try await service.query(
          Statement("INSERT INTO audit (actor, action) VALUES ('latchkey', 'test')"))
        _ = try await service.query(Statement("SELECT * FROM schema_migrations"))
        let forbidden: [Statement] = [
          Statement("UPDATE audit SET actor = 'x'"), Statement("DELETE FROM audit"),
          Statement("TRUNCATE apps"), Statement("CREATE TABLE x (y int)"),
          Statement("ALTER TABLE apps ADD x int"), Statement("DROP TABLE apps"),
          Statement("DELETE FROM schema_migrations"),
        ]
        for statement in forbidden {
          let error = await #expect(throws: PostgresError.self) {
            try await service.query(statement)
          }
          guard case .server(sqlState: "42501", _) = error else {
            Issue.record("not refused: \(String(describing: error))")
            continue
          }
        }
      }
    }
  }
}
