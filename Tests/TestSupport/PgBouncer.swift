import Glibc
import Linux
import PrivatePostgres

/// A PgBouncer before a temporary database: transaction mode, TCP on a free port of 127.0.0.1.
package struct PgBouncer: Sendable {
  private let directory: String
  private let user: ServerUser
  package let port: UInt16
  private let databaseName: String
  private let usesTLS: Bool

  private static let program = "/usr/sbin/pgbouncer"

  /// Why there is none.
  package enum Failure: Error {
    /// It is not installed: apt-get install pgbouncer.
    case notInstalled
    /// It did not start, with what it said.
    case notStarted(String)
  }

  /// Starts one that has few connections to the server.
  ///
  /// With an identity, which names the files of a certificate and its key, it serves TLS only and
  /// sends records as long as TLS allows.
  package static func start(
    before database: TemporaryDatabase, poolSize: Int,
    identity: (certificate: String, key: String)? = nil
  ) async throws -> PgBouncer {
    guard Directory.facts(program) != nil else { throw Failure.notInstalled }
    let user = try ServerUser.forThisProcess()
    let directory = try temporaryDirectory("pgbouncer")
    if let account = user.account {
      try Directory.give(directory, userID: account.userID, groupID: account.groupID)
    }
    let pooler = PgBouncer(
      directory: directory, user: user, port: try freePort(), databaseName: database.name,
      usesTLS: identity != nil)
    let socket = database.cluster.socketDirectory
    let configuration = """
      [databases]
      * = host=\(socket) port=5432
      [pgbouncer]
      listen_addr = 127.0.0.1
      listen_port = \(pooler.port)
      unix_socket_dir =
      auth_type = trust
      auth_file = \(directory)/users.txt
      pool_mode = transaction
      default_pool_size = \(poolSize)
      max_client_conn = 200
      logfile = \(directory)/log
      pidfile = \(directory)/pid
      \(try tls(identity, user))

      """
    try SmallFile.replace(
      directory + "/users.txt", with: "\"latchkey\" \"\"\n", owner: user.account)
    try SmallFile.replace(directory + "/pgbouncer.ini", with: configuration, owner: user.account)
    let started = try await user.run(program, ["-d", directory + "/pgbouncer.ini"])
    guard started.succeeded else { throw Failure.notStarted(started.output) }
    let isThere = try await eventually { pooler.process != nil }
    guard isThere else { throw Failure.notStarted("no pidfile") }
    return pooler
  }

  private static func tls(
    _ identity: (certificate: String, key: String)?, _ user: ServerUser
  ) throws -> String {
    guard let identity else { return "" }
    if let account = user.account {
      try Directory.give(identity.key, userID: account.userID, groupID: account.groupID)
    }
    return """
      pkt_buf = 65536
      client_tls_sslmode = require
      client_tls_cert_file = \(identity.certificate)
      client_tls_key_file = \(identity.key)
      """
  }

  /// Libpq keywords for the temporary database behind it.
  package func connectionString(host: String) -> String {
    "host=\(host) port=\(port) dbname=\(databaseName) user=latchkey sslmode=\(usesTLS ? "require" : "disable")"
  }

  /// Ends it and waits until it has gone.
  package func stop() async throws {
    guard let process else { return }
    kill(process, SIGTERM)
    if try await !eventually({ kill(process, 0) != 0 }) { kill(process, SIGKILL) }
  }

  /// Its process, once it says which.
  private var process: Int32? {
    SmallFile.text(directory + "/pid")?.split(separator: "\n").first.flatMap { Int32($0) }
  }
}
