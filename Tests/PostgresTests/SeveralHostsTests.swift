import Base
import Postgres
import PrivatePostgres
import TestSupport
import Testing

@Suite struct `Several hosts` {
  private func settings(_ clusters: [PrivateCluster], _ session: String) -> DatabaseSettings {
    let hosts = clusters.map(\.socketDirectory).joined(separator: ",")
    var settings = DatabaseSettings(
      connectionString: Secret(
        "host='\(hosts)' port=5432 dbname=latchkey user=postgres target_session_attrs=\(session)"),
      connections: 2)
    settings.acquireTimeout = .seconds(10)
    settings.connectTimeout = .seconds(3)
    return settings
  }

  private func directory(_ database: Database) async throws -> String {
    try await database.query(
      Statement("SELECT current_setting('unix_socket_directories') AS place")
    ).rows[0].decode("place")
  }

  @Test func `the one that takes writes is found, after a change of roles, too`() async throws {
    try await withOwnCluster { first in
      try await withOwnCluster { second in
        func setReadOnly(_ cluster: PrivateCluster, _ isReadOnly: Bool) async throws {
          try await withOpenDatabase(cluster.administratorSettings()) { administrator in
            // The administrator's own session has the default that is to be taken back.
            _ = try await administrator.transaction([
              Statement("SET TRANSACTION READ WRITE"),
              isReadOnly
                ? Statement("ALTER DATABASE latchkey SET default_transaction_read_only = on")
                : Statement("ALTER DATABASE latchkey RESET default_transaction_read_only"),
            ])
          }
        }
        try await setReadOnly(first, true)
        try await withOpenDatabase(settings([first, second], "read-write")) { database in
          #expect(try await directory(database).contains(second.socketDirectory))
          // The server that we use stops; the other one takes writes from now on.
          try await setReadOnly(first, false)
          try await second.interrupt(.immediate)
          let hasMoved = try await eventually(within: .seconds(10)) {
            do throws(PostgresError) {
              _ = try await database.query(Statement("SELECT 1"))
              return true
            } catch {
              return false
            }
          }
          #expect(hasMoved)
          #expect(try await directory(database).contains(first.socketDirectory))
        }
      }
    }
  }

  @Test func `a host that hangs costs one time limit, and is tried last from then on`() async throws
  {
    try await withOwnCluster { first in
      try await withOwnCluster { second in
        first.signalAll(.suspend)
        try await withOpenDatabase(settings([first, second], "any")) { database in
          let start = ContinuousClock.now
          #expect(try await directory(database).contains(second.socketDirectory))
          #expect(start.duration(to: .now) < .seconds(8))
          // A second connection is made while the first is lent; it does not ask the silent host
          // first.
          let again = ContinuousClock.now
          try await database.withTransaction { transaction in
            _ = try await transaction.query(Statement("SELECT 1"))
            _ = try await database.query(Statement("SELECT 1"))
          }
          #expect(again.duration(to: .now) < .milliseconds(2700))
        }
        first.signalAll(.resume)
      }
    }
  }
}
