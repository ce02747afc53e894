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
      try #require(
        Migration(
          fileName: name, sql: Array(try Data(contentsOf: Self.folder.appending(path: name)))))
    }
    #expect(!files.isEmpty)
    #expect(files.map(\.version) == Migrations.all.map(\.version))
    #expect(files.map(\.name) == Migrations.all.map(\.name))
    #expect(files.map(\.sql) == Migrations.all.map(\.sql))
  }

  /// What databases have been migrated with.
  ///
  /// A line is added with each migration, none ever changes: what is wrong with a migration is mended
  /// by the next.
  private static let released = [
    "6e5aea04339ed207f2a6d83f22213fe92f07a3c283c212c5619aec1b23c336bd",
    "5b4569f41c12ad3dfcc85290c4b5911bcca3b5a85cfccf2820cfe6116f6810fe",
    "f6afa8d82a98672ceaab927c9de6b4662a8b319aae8abebff8b6bb610c4a460b",
    "c50b78fdbe262b961d6c7c2ca7c34f751a44097c2fa7cfc9ea98859d3ffd5a12",
    "46172e4f1d462ab5ac1420980787143ca182b74a04f45bc9581c2f2e00c61948",
    "cff36f9f4a458fc04b665059d94ce905af52c6bfc98d43d2575a51e132548cde",
    "f391041ec6d3d3d77ff8e22307372d69bce28a725751b8c6b00df47747caecad",
    "1952c6a2b7f92ff5426c8246ab8a61d8b2507aead4fde465ac28f8b0e7352d18",
    "c1c20b8e235ac347c0d478bb01757305461e74fc34115f89f4e671e3e137a08a",
    "75bb71b25687451bad23b58ddc62107f445683331e7014c7d518bd55ac6a72fe",
    "4687597bf4797ece449bac3011c80a92f54b6d0d74f129ee3788d02c63e3deeb",
    "9398ec1e0290a080edbd6a4f8f575c2a2be5ddd7a79c20428784a0ac92ce39f0",
    "992cfcffffc5419f9bc9664a4f3f7000508ae8eb98095c61323eb446ba791948",
    "1e9c239812646ae51687991e21619e2508e23092eb2919fe12523c9365032a71",
  ]

  @Test func `none has changed since it was released`() async throws {
    try await withTemporaryDatabase(Migrations.all) { (temporary: TemporaryDatabase) in
      let rows = try await temporary.database.query(
        Statement(
          "SELECT encode(checksum, 'hex') AS checksum FROM schema_migrations ORDER BY version")
      ).rows
      #expect(try rows.map { try $0.decode("checksum", as: String.self) } == Self.released)
    }
  }

  @Test(arguments: [false, true])
  func `a database that was migrated with the former 0002 goes on`(isMoved: Bool) async throws {
    let former = try #require(Migrations.all.first { $0.version == 2 })
    let formerText = former.sql
      .replacing("INSERT INTO feed_epochs (epoch, begins_after) VALUES (1, 0);\n", with: "")
      .replacing("it was last moved on; '' before the first", with: "it was last moved on")
    let started = [
      Migrations.all[0], Migration(version: 2, name: former.name, sql: formerText),
    ]
    try await withTemporaryDatabase(started) { (temporary: TemporaryDatabase) in
      let database = temporary.database
      if isMoved {
        // What the binary of then did before the first event.
        _ = try await database.query(Statement("UPDATE feed SET server = 'a/b/c'"))
        _ = try await database.query(
          Statement("INSERT INTO feed_epochs (epoch, begins_after) VALUES (1, 0)"))
      }
      let applied = try await Migrator(Migrations.all, logger: .quiet).apply(on: database)
      #expect(applied == Array(Migrations.all.map(\.version).dropFirst(2)))
      let epochs = try await database.query(
        Statement("SELECT epoch, begins_after FROM feed_epochs")
      ).rows
      #expect(try epochs.map { try $0.decode("epoch", as: Int.self) } == [1])
    }
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
