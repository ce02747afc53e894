/// Why the database did not do what was asked.
///
/// After every case but ``unknownOutcome`` it is certain that nothing was committed.
package enum PostgresError: Error, Equatable, Sendable {
  /// The database cannot be reached or cannot serve now. Nothing was done.
  case unavailable
  /// All connections were lent for longer than a caller waits. Nothing was sent.
  case overloaded
  /// The connection failed, or the deadline passed, before the commit was sent: certainly not
  /// committed.
  case connectionLost
  /// The connection failed, or the deadline passed, while the commit was under way: it may be
  /// committed or not.
  case unknownOutcome
  /// 23505: a row with that key is there.
  case uniqueViolation(constraint: String)
  /// 23503: a row refers to one that is not there, or is still referred to.
  case foreignKeyViolation(constraint: String)
  /// 23514: a value breaks a rule of the table.
  case checkViolation(constraint: String)
  /// 40001 or 40P01: another transaction was in the way; the whole transaction may be tried again.
  case serialization
  /// Any other error of the server. `message` is the server's, at most 200 characters, without
  /// details.
  case server(sqlState: String, message: String)
  /// The row has no such column, or not of that type, or it is NULL.
  case decoding(column: String, expected: String)
  /// The value of `$position` cannot be sent.
  case binding(position: Int, problem: String)
  /// The task was cancelled before a commit was sent: certainly not committed.
  case cancelled
}

/// An error as the server reports it.
struct ServerError: Equatable, Sendable {
  /// Five characters, or empty when libpq itself made the error.
  let sqlState: String
  /// `ERROR`, `FATAL` or `PANIC`, never translated.
  let severity: String
  let message: String
  let constraint: String

  init(sqlState: String, severity: String, message: String, constraint: String = "") {
    self.sqlState = sqlState
    self.severity = severity
    self.message = message
    self.constraint = constraint
  }

  /// Whether the server ended only the statement, and not the session.
  var isOrdinary: Bool { severity == "ERROR" && sqlState.utf8.count == 5 }

  /// Whether the session ended by an interrupt that the server takes before, and never after, a
  /// commit's work.
  ///
  /// 57P01: ended by an administrator or a shutdown; 25P03, 57P05: idle for too long. PgBouncer's
  /// own errors (class 08) say nothing of what the server did.
  var endedSessionBetweenCommits: Bool {
    severity == "FATAL" && ["57P01", "25P03", "57P05"].contains(sqlState)
  }

  /// Whether the server cannot write: a primary that became a standby.
  ///
  /// The connection is of no use.
  var isReadOnly: Bool { sqlState == "25006" }

  /// What the caller is told of an ordinary error.
  var forCaller: PostgresError {
    switch sqlState {
    case "23505": .uniqueViolation(constraint: constraint)
    case "23503": .foreignKeyViolation(constraint: constraint)
    case "23514": .checkViolation(constraint: constraint)
    case "40001", "40P01": .serialization
    case "25006": .unavailable
    // Disk full, out of memory, too many connections …
    case _ where sqlState.hasPrefix("53"): .unavailable
    default: .server(sqlState: sqlState, message: String(message.prefix(200)))
    }
  }
}
