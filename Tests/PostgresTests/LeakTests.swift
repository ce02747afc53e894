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

  @Test func `neither descriptor nor thread nor memory is left`() async throws {
    try await withTemporaryDatabase { (temporary: TemporaryDatabase) async throws in
      try await expectNothingLeft(after: count(ordinary: 12, full: 200)) { round in
        try await temporary.withDatabase(adjust: {
          $0.acquireTimeout = .seconds(20)
          $0.statementTimeout = .seconds(20)
        }) { database in
          await withTaskGroup(of: Void.self) { group in
            for number in 0..<16 {
              group.addTask { await disturb(database, number + round) }
            }
          }
        }
      }
    }
  }

  /// One of five ways for a statement to end; which error it is does not matter here.
  private func disturb(_ database: Database, _ kind: Int) async {
    switch kind % 5 {
    case 0: _ = try? await database.query(Statement("SELECT 1"))
    case 1:
      _ = try? await database.query(Statement("SELECT pg_terminate_backend(pg_backend_pid())"))
    case 2: _ = try? await database.query(Statement("SELECT nothing"))
    case 3:
      let task = Task { try await database.query(Statement("SELECT pg_sleep(20)")) }
      for _ in 0..<(kind * 31) { await Task.yield() }
      task.cancel()
      _ = await task.result
    default:
      _ = try? await database.withTransaction { transaction in
        _ = try await transaction.query(Statement("SELECT repeat('x', 2000000)"))
        throw CancellationError()
      }
    }
  }
}
