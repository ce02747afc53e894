import NIOCore

/// Making and dropping whole databases, which no transaction can do: for tests and for tools.
package enum DatabaseCreation {
  /// Makes a database as a copy of the template, to which nobody may be connected.
  ///
  /// Names are lower-case letters, digits and `_`. The given database is connected as a role that
  /// may make others.
  package static func create(
    _ name: String, owner: String, template: String, on database: Database
  ) async throws(PostgresError) {
    try check(name, owner, template)
    try await run("CREATE DATABASE \(name) OWNER \(owner) TEMPLATE \(template)", on: database)
  }

  /// Drops a database if it is there, and ends the connections to it.
  package static func drop(_ name: String, on database: Database) async throws(PostgresError) {
    try check(name)
    try await run("DROP DATABASE IF EXISTS \(name) WITH (FORCE)", on: database)
  }

  /// The only place outside the migrator where a statement is put together; so the names are plain
  /// words.
  private static func check(_ names: String...) throws(PostgresError) {
    for (index, name) in names.enumerated() {
      let isPlain = name.utf8.allSatisfy { byte in
        (0x61...0x7a).contains(byte) || (0x30...0x39).contains(byte) || byte == 0x5f
      }
      guard isPlain, !name.isEmpty, name.utf8.count <= 63 else {
        throw .binding(position: index + 1, problem: "not a plain name")
      }
    }
  }

  private static func run(_ text: String, on database: Database) async throws(PostgresError) {
    let deadline = NIODeadline.now() + TimeAmount(database.settings.statementTimeout)
    let connection = try await database.pool.acquire(until: deadline)
    let outcome = await connection.run(.script(text), until: deadline)
    database.pool.release(connection, isReusable: outcome.isReusable)
    _ = try outcome.result.get()
  }
}
