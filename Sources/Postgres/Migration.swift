/// One step of the schema, never changed once it is released.
package struct Migration: Sendable, Equatable {
  /// Counted from 1 without gaps.
  package let version: Int
  /// What it is about, for example `installations`.
  package let name: String
  /// The statements, run in one transaction; no `BEGIN` or `COMMIT` of their own.
  package let sql: String
  /// SHA-256 in hexadecimal digits of what it was before, where a database with that content is as
  /// good, given the migrations that follow.
  package let formerChecksums: [String]

  package init(version: Int, name: String, sql: String, formerChecksums: [String] = []) {
    self.version = version
    self.name = name
    self.sql = sql
    self.formerChecksums = formerChecksums
  }

  /// Reads version and name from a file's name, which must be `NNNN_name.sql`.
  package init?(fileName: String, sql: [UInt8], formerChecksums: [String] = []) {
    guard fileName.hasSuffix(".sql"), let underscore = fileName.firstIndex(of: "_") else {
      return nil
    }
    let digits = fileName[..<underscore]
    guard digits.count == 4, let version = Int(digits), version > 0 else { return nil }
    let name = fileName[fileName.index(after: underscore)...].dropLast(4)
    guard !name.isEmpty else { return nil }
    self.init(
      version: version, name: String(name), sql: String(decoding: sql, as: UTF8.self),
      formerChecksums: formerChecksums)
  }
}

/// Why the schema cannot be brought, or is not, where this binary needs it.
package enum MigrationError: Error, Equatable, CustomStringConvertible {
  /// The list has a gap, or two of one version.
  case badList(version: Int)
  /// A migration that has been applied reads differently now.
  case changed(version: Int, name: String)
  /// The database has migrations that this binary does not know.
  case tooNew(database: Int, binary: Int)
  /// Some are not applied yet.
  case pending([Int])
  /// A migration's own statement failed; nothing of it was kept.
  case failed(version: Int, name: String, PostgresError)
  /// Another process migrates for longer than we wait.
  case busy
  /// The database did not do what was asked.
  case database(PostgresError)

  package var description: String {
    switch self {
    case .badList(let version): "The list of migrations is not 1, 2, 3 … at \(version)"
    case .changed(let version, let name):
      "Migration \(version) (\(name)) was applied with another content than this binary has. "
        + "Released migrations never change: run the release that this database was migrated with, or restore the file."
    case .tooNew(let database, let binary):
      "The database is at migration \(database), this binary knows \(binary): a newer binary is needed."
    case .pending(let versions):
      "The database lacks migrations \(versions.map(String.init).joined(separator: ", ")). Run: latchkey migrate"
    case .failed(let version, let name, let error):
      "Migration \(version) (\(name)) failed: \(error)"
    case .busy: "Another process is migrating this database. Try again when it has ended."
    case .database(let error): "The database cannot be migrated now: \(error)"
    }
  }
}
