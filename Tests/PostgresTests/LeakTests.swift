import Postgres
import TestSupport
import Testing

@Suite struct `After much coming and going` {
  /// Sockets of one server, as the kernel counts them for its sessions.
  private func sessions(_ database: Database) async throws -> Int {
    try await database.query(
      Statement("SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database()")
    ).rows[0].decode("n")
  }

  @Test func `pools that were closed leave no session behind`() async throws {
    try await withTemporaryDatabase { (temporary: TemporaryDatabase) async throws in
      for _ in 0..<count(ordinary: 15, full: 300) {
        try await temporary.withDatabase(adjust: {
          $0.acquireTimeout = .seconds(20)
          $0.statementTimeout = .seconds(20)
        }) { database in
          try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<8 {
              group.addTask {
                _ = try? await database.query(
                  number.isMultiple(of: 3)
                    ? Statement("SELECT pg_terminate_backend(pg_backend_pid())")
                    : Statement("SELECT 1"))
              }
            }
            try await group.waitForAll()
          }
        }
      }
      #expect(try await eventually { try await sessions(temporary.database) <= 4 })
    }
  }
}
