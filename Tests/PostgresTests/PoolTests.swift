import Base
import Glibc
import NIOCore
import Postgres
import PrivatePostgres
import Synchronization
import TestSupport
import Testing

@Suite(.serialized) struct `The pool on a real server` {
  private func answers(_ database: Database) async throws -> Bool {
    do throws(PostgresError) {
      _ = try await database.query(Statement("SELECT 1"))
      return true
    } catch {
      return false
    }
  }

  @Test func `who waits too long for a connection is refused as overloaded, in time`() async throws
  {
    try await withTemporaryDatabase(adjust: {
      $0.connections = 2
      $0.acquireTimeout = .milliseconds(300)
    }) { (temporary: TemporaryDatabase) async throws in
      let database = temporary.database
      try await withThrowingTaskGroup(of: Void.self) { group in
        let arrived = Arrivals()
        for _ in 0..<2 {
          group.addTask {
            try await database.withTransaction { transaction in
              _ = try await transaction.query(Statement("SELECT 1"))
              arrived.add()
              _ = try await transaction.query(Statement("SELECT pg_sleep(2)"))
            }
          }
        }
        #expect(try await eventually { arrived.count == 2 })
        let start = ContinuousClock.now
        await #expect(throws: PostgresError.overloaded) {
          try await database.query(Statement("SELECT 1"))
        }
        // Before either of the others gave its connection back.
        #expect(start.duration(to: .now) < .milliseconds(1900))
        #expect(database.connectionCounts.refusals == PoolCounts.Refusals(overloaded: 1))
        try await group.waitForAll()
      }
      _ = try await database.query(Statement("SELECT 1"))
    }
  }

  @Test func `a statement that takes too long is given up, and its connection with it`()
    async throws
  {
    try await withTemporaryDatabase(adjust: {
      $0.connections = 1
      $0.statementTimeout = .milliseconds(400)
    }) { (temporary: TemporaryDatabase) async throws in
      let database = temporary.database
      let slow = Statement("SELECT pg_sleep(30)")
      await #expect(throws: PostgresError.unknownOutcome) { try await database.query(slow) }
      await #expect(throws: PostgresError.unknownOutcome) { try await database.transaction([slow]) }
      await #expect(throws: PostgresError.connectionLost) {
        try await database.withTransaction { try await $0.query(slow) }
      }
      let isBack = try await eventually { try await answers(database) }
      #expect(isBack)
      // The server ends on its own what nobody waits for any more.
      let sleepers = Statement(
        """
        SELECT count(*) AS n FROM pg_stat_activity
        WHERE datname = current_database() AND query LIKE '%pg_sleep(30)%'
          AND pid <> pg_backend_pid()
        """)
      let isQuiet = try await eventually {
        let rows = try await database.query(sleepers).rows
        return try rows[0].decode("n", as: Int.self) == 0
      }
      #expect(isQuiet)
    }
  }

  @Test func `cancellation at any time leaves the pool whole, and what it says is true`()
    async throws
  {
    try await withTemporaryDatabase { (database: Database) async throws in
      _ = try await database.query(Statement("CREATE TABLE c (id bigint PRIMARY KEY)"))
      let seed = UInt64.random(in: 0 ... .max)
      var random = SeededGenerator(seed: seed)
      var cancelled = 0
      var refused: [Int] = []
      var confirmed: [Int] = []
      for id in 0..<count(ordinary: 200, full: 2000) {
        let insert = Statement("INSERT INTO c VALUES ($1)", [id])
        let task = Task {
          switch id % 3 {
          case 0: _ = try await database.query(insert)
          case 1: _ = try await database.transaction([insert, Statement("SELECT 1")])
          default:
            try await database.withTransaction { transaction in
              _ = try await transaction.query(insert)
              _ = try await transaction.query(Statement("SELECT pg_sleep(0.001)"))
            }
          }
        }
        try await Task.sleep(for: .microseconds(Int.random(in: 0...3000, using: &random)))
        task.cancel()
        switch await task.result {
        case .success: confirmed.append(id)
        case .failure(let error):
          #expect(error as? PostgresError == .cancelled, "seed \(seed): \(error)")
          cancelled += 1
          refused.append(id)
        }
      }
      let rows = try await database.query(Statement("SELECT id FROM c")).rows
      let there = Set(try rows.map { try $0.decode("id", as: Int.self) })
      #expect(there == Set(confirmed), "seed \(seed)")
      #expect(there.isDisjoint(with: refused), "seed \(seed)")
      #expect(cancelled > 0 && !confirmed.isEmpty)
      #expect(database.connectionCounts.waiters == 0)
    }
  }

  @Test func `a task that waits for a connection leaves at once when it is cancelled`() async throws
  {
    try await withTemporaryDatabase(adjust: { $0.connections = 1 }) {
      (temporary: TemporaryDatabase) in
      let database = temporary.database
      try await database.withTransaction { transaction in
        _ = try await transaction.query(Statement("SELECT 1"))
        let waiting = Task { try await database.query(Statement("SELECT 1")) }
        #expect(try await eventually { database.connectionCounts.waiters == 1 })
        waiting.cancel()
        await #expect(throws: PostgresError.cancelled) { try await waiting.value }
        #expect(database.connectionCounts.waiters == 0)
      }
    }
  }

  @Test func `after a shutdown nothing is lent, and no connection is left`() async throws {
    try await withTemporaryDatabase { (temporary: TemporaryDatabase) async throws in
      try await temporary.withDatabase { database in
        _ = try await database.query(Statement("SELECT 1"))
        let lent = Task {
          try await database.withTransaction { transaction in
            _ = try await transaction.query(Statement("SELECT 1"))
            _ = try await transaction.query(Statement("SELECT pg_sleep(0.2)"))
          }
        }
        #expect(try await eventually { database.connectionCounts.idle == 0 })
        await database.close()
        try await lent.value
        #expect(database.connectionCounts.connections == 0)
        await #expect(throws: PostgresError.unavailable) {
          try await database.query(Statement("SELECT 1"))
        }
      }
    }
  }

  @Test
  func `a connection string that cannot be read makes every call unavailable, and is not shown`()
    async throws
  {
    var settings = DatabaseSettings(connectionString: Secret("postgresql://u:hunter2@h:x:y/z"))
    settings.acquireTimeout = .milliseconds(50)
    let isAnswered = try await withOpenDatabase(settings) { try await answers($0) }
    #expect(!isAnswered)
  }

  @Test func `a host name that nobody knows is unavailable in time`() async throws {
    var settings = DatabaseSettings(
      connectionString: Secret("host=no-such-host.invalid dbname=x user=y"))
    settings.acquireTimeout = .milliseconds(300)
    let isAnswered = try await withOpenDatabase(settings) { try await answers($0) }
    #expect(!isAnswered)
  }
}

/// Counts tasks that have got somewhere.
final class Arrivals: Sendable {
  private let number = Atomic<Int>(0)

  var count: Int { number.load(ordering: .acquiring) }
  func add() { number.add(1, ordering: .acquiringAndReleasing) }
}
