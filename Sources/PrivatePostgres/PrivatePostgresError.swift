package import Linux

/// Why there is no private PostgreSQL.
///
/// The texts say what to do.
package enum PrivatePostgresError: Error, Equatable {
  /// No `initdb` or `pg_ctl` on this machine.
  case notInstalled
  /// The cluster was made by a major version that is not installed.
  case versionMissing(needed: String, installed: [String])
  /// We are root, PostgreSQL refuses root, and there is no user to become.
  case noUser(name: String)
  /// The user as which PostgreSQL must run cannot pass through a directory above the cluster.
  case unreachable(directory: String, user: String)
  /// The directory is somebody else's.
  case notOurs(directory: String)
  /// Another process has been starting or stopping this cluster for too long.
  case busy(directory: String)
  /// `initdb` failed, with the end of what it said.
  case initFailed(String)
  /// PostgreSQL did not start, with the end of its log.
  case startFailed(String)
  /// PostgreSQL did not stop in time.
  case stopFailed(String)
  /// The operating system refused something.
  case system(SystemError)
}

extension PrivatePostgresError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .notInstalled:
      "PostgreSQL is not installed (no initdb and pg_ctl in /usr/lib/postgresql/*/bin or PATH). "
        + "Install it: apt-get install postgresql, or set DATABASE_URL to a server of yours."
    case .versionMissing(let needed, let installed):
      "This data directory was made by PostgreSQL \(needed), installed: "
        + "\(installed.joined(separator: ", ")). Install it: apt-get install postgresql-\(needed)."
    case .noUser(let name):
      "PostgreSQL does not run as root, and there is no user \(name) to run it as. "
        + "Make one: useradd --system \(name), or start Latchkey as another user."
    case .unreachable(let directory, let user):
      "PostgreSQL runs as user \(user), who may not pass through \(directory). "
        + "Allow it: chmod o+x \(directory), or set LATCHKEY_DATA_DIR to another place, "
        + "for example /var/lib/latchkey."
    case .notOurs(let directory):
      "\(directory) belongs to another user. Choose another directory or remove it."
    case .busy(let directory):
      "Another process is starting or stopping the PostgreSQL in \(directory). Try again."
    case .initFailed(let output):
      "initdb could not make a cluster: \(output)"
    case .startFailed(let log):
      "PostgreSQL did not start: \(log)"
    case .stopFailed(let output):
      "PostgreSQL did not stop: \(output)"
    case .system(let error):
      "\(error)"
    }
  }
}
