/// What is asked of a server before anything depends on it.
package enum DatabaseHealth {
  /// One thing that is not as it must be.
  package enum Problem: Equatable, Sendable, CustomStringConvertible {
    /// The setting makes the server forget what it has confirmed, or hides from us that it might.
    case setting(name: String, value: String, needed: String)
    /// The server takes no writes.
    case readOnly

    package var description: String {
      switch self {
      case .setting(let name, let value, let needed):
        "PostgreSQL's \(name) is \(value); Latchkey needs \(needed)"
      case .readOnly:
        "PostgreSQL takes no writes here (a standby?); name the primary, "
          + "or several hosts with target_session_attrs=read-write"
      }
    }
  }

  /// Values that are good enough, by setting.
  private static let needed: [(name: String, values: Set<String>)] = [
    ("fsync", ["on"]),
    ("full_page_writes", ["on"]),
    ("synchronous_commit", ["on", "remote_apply"]),
    // Otherwise the warning that a commit was not replicated does not come.
    (
      "client_min_messages",
      ["debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning"]
    ),
  ]

  /// - Returns: what is wrong; nothing is right.
  package static func check(_ database: Database) async throws(PostgresError) -> [Problem] {
    let answer = try await database.query(
      Statement(
        """
        SELECT name, setting FROM pg_settings
        WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'client_min_messages')
        UNION ALL SELECT 'transaction_read_only', current_setting('transaction_read_only')
        """))
    var settings: [String: String] = [:]
    for row in answer.rows {
      settings[try row.decode("name")] = try row.decode("setting", as: String.self)
    }
    var problems = needed.compactMap { name, values -> Problem? in
      let value = settings[name] ?? "not known"
      guard !values.contains(value) else { return nil }
      let wish = values.contains("on") ? "on" : "warning or a lower level"
      return .setting(name: name, value: value, needed: wish)
    }
    if settings["transaction_read_only"] != "off" { problems.append(.readOnly) }
    return problems
  }
}
