import ArgumentParser
import LatchkeyApp
import Logging
import Postgres
import Storage

/// `latchkey migrate`.
struct Migrate: Command {
  static let configuration = CommandConfiguration(
    abstract: "Bring the database's schema to where this version needs it.",
    discussion: """
      May be repeated, and run on several machines at once. The service checks the schema when it starts,
      and says so when this is needed; with the private PostgreSQL it does this itself.
      """)

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Give this database role what the service needs, and no more.",
      discussion: "Run migrate as the owner of the schema, and the service as this role.",
      valueName: "role"))
  var grant: String?

  func run(on console: Console) async throws {
    let role = grant
    let applied = try await DatabaseCommand.run(console) { database, _ in
      let migrator = Migrator(Migrations.all, logger: Logger(label: "latchkey.migrate"))
      let applied = try await migrator.apply(on: database)
      if let role { try await Migrate.grant(role, database) }
      return applied
    }
    let newest = Migrations.all.last?.version ?? 0
    let numbers = applied.map(String.init).joined(separator: ", ")
    try console.line(
      applied.isEmpty ? "The schema is at \(newest) already." : "Applied \(numbers).")
    if let role { try console.line("The role \(Table.printable(role)) has its rights.") }
  }

  private static func grant(_ role: String, _ database: Database) async throws {
    do throws(PostgresError) {
      try await ServiceRole.grant(to: role, on: database)
    } catch {
      guard case .server(sqlState: "42704", _) = error else { throw error }
      throw CommandFailure(
        text: "The migrations are applied, but there is no database role \(Table.printable(role)). "
          + "Make it with CREATE ROLE, and repeat this.")
    }
  }
}
