/// The server's settings: safe before fast, reachable through its own directory only.
package struct ClusterSettings: Sendable {
  /// Further settings, by name; they win over ours.
  package var further: [String: String]
  /// For clusters of tests, whose data need not survive a power failure.
  package var isThrowaway: Bool

  package init(further: [String: String] = [:], isThrowaway: Bool = false) {
    self.further = further
    self.isThrowaway = isThrowaway
  }

  /// The text of the configuration file that is written at each start.
  func text(socketDirectory: String, logDirectory: String) -> String {
    let durability = isThrowaway ? "off" : "on"
    var values = [
      "listen_addresses": "",
      "unix_socket_directories": "\"" + socketDirectory.replacing("\"", with: "\"\"") + "\"",
      "unix_socket_permissions": "0700",
      "fsync": durability,
      "full_page_writes": durability,
      "synchronous_commit": "on",
      "max_connections": "100",
      // A statement whose client has gone ends, also while it waits for a lock.
      "client_connection_check_interval": "2s",
      "idle_in_transaction_session_timeout": "60s",
      "logging_collector": "on",
      "log_directory": logDirectory,
      "log_filename": "postgresql-%a.log",
      "log_truncate_on_rotation": "on",
      "log_rotation_age": "1d",
      "log_rotation_size": "0",
      "log_file_mode": "0600",
      "log_line_prefix": "%m [%p] ",
      // Bound values hold sealed tokens and digests; they are nobody's reading matter.
      "log_parameter_max_length": "0",
      "log_parameter_max_length_on_error": "0",
      "log_timezone": "UTC",
      "timezone": "UTC",
    ]
    if isThrowaway { values["logging_collector"] = "off" }
    values.merge(further) { _, theirs in theirs }
    return values.sorted { $0.key < $1.key }
      .map { "\($0.key) = '\($0.value.replacing("'", with: "''"))'\n" }
      .joined()
  }

  /// Who may connect: whoever can reach the socket, whose directory only we can enter.
  static let hostRules = "local all all trust\n"
}
