import Base
import Postgres
import PrivatePostgres
import Synchronization
import TestSupport
import Testing

/// Each write has a number of its own; afterwards the table tells which claims about them were
/// true.
private final class Ledger: Sendable {
  private enum Claim {
    case committed, notCommitted, unknown
  }

  private let claims = Mutex<[Int: Claim]>([:])
  private let next = Atomic<Int>(1)

  static let table = Statement(
    "CREATE TABLE ledger (id bigint, CONSTRAINT l_pkey PRIMARY KEY (id))")

  /// Writes one number in one of three ways, and keeps what the database said of it.
  func write(on database: Database) async {
    let id = next.wrappingAdd(1, ordering: .relaxed).oldValue
    let insert = Statement("INSERT INTO ledger VALUES ($1)", [id])
    do {
      switch id % 3 {
      case 0: _ = try await database.query(insert)
      case 1: _ = try await database.transaction([Statement("SELECT 1"), insert])
      default: try await database.withTransaction { _ = try await $0.query(insert) }
      }
      claims.withLock { $0[id] = .committed }
    } catch {
      let isUnknown = error as? PostgresError == .unknownOutcome
      claims.withLock { $0[id] = isUnknown ? .unknown : .notCommitted }
    }
  }

  /// Compares the claims with what is there.
  func check(on database: Database) async throws -> (committed: Int, unknown: Int, refused: Int) {
    let rows = try await database.query(Statement("SELECT id FROM ledger")).rows
    let there = Set(try rows.map { try $0.decode("id", as: Int.self) })
    let claims = claims.withLock { $0 }
    for (id, claim) in claims {
      switch claim {
      case .committed: #expect(there.contains(id), "\(id) is lost")
      case .notCommitted: #expect(!there.contains(id), "\(id) is there although it was refused")
      case .unknown: break
      }
    }
    return (
      claims.values.count { $0 == .committed }, claims.values.count { $0 == .unknown },
      claims.values.count { $0 == .notCommitted }
    )
  }
}

/// What the tasks of a test share: whether to go on, and how long the slowest call took.
private final class Course: Sendable {
  private let over = Atomic<Bool>(false)
  private let slowestCall = Mutex(Duration.zero)
  /// How many tasks have got as far as their test wants them.
  let arrived = Atomic<Int>(0)

  var isOver: Bool { over.load(ordering: .acquiring) }
  var slowest: Duration { slowestCall.withLock { $0 } }

  func end() { over.store(true, ordering: .releasing) }
  func took(_ time: Duration) { slowestCall.withLock { $0 = max($0, time) } }
}

@Suite(.serialized) struct `When the server fails` {
  /// Writes from eight tasks until the body ends; returns how long the slowest call took.
  private func underLoad(
    _ database: Database, _ ledger: Ledger, _ body: () async throws -> Void
  ) async throws -> Duration {
    let course = Course()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<8 {
        group.addTask {
          while !course.isOver {
            let start = ContinuousClock.now
            await ledger.write(on: database)
            course.took(start.duration(to: .now))
            // Refusals are quick; the log of claims need not be endless.
            try await Task.sleep(for: .milliseconds(2))
          }
        }
      }
      let result: Result<Void, any Error>
      do { result = .success(try await body()) } catch { result = .failure(error) }
      course.end()
      try await group.waitForAll()
      try result.get()
    }
    return course.slowest
  }

  private func answers(_ database: Database) async throws -> Bool {
    do throws(PostgresError) {
      _ = try await database.query(Statement("SELECT 1"))
      return true
    } catch {
      return false
    }
  }

  @Test(arguments: [PrivateCluster.StopMode.fast, .immediate])
  func `restarts lose nothing that was confirmed, and service resumes within five seconds`(
    _ mode: PrivateCluster.StopMode
  ) async throws {
    // Recovery after an immediate stop must find what was committed, so this cluster is durable.
    try await withOwnCluster(ClusterSettings()) { cluster in
      try await withOpenDatabase(cluster.databaseSettings()) { database in
        _ = try await database.query(Ledger.table)
        let ledger = Ledger()
        let slowest = try await underLoad(database, ledger) {
          for _ in 0..<count(ordinary: 2, full: 10) {
            try await Task.sleep(for: .milliseconds(300))
            try await cluster.interrupt(mode)
            let isDown = try await eventually { try await !answers(database) }
            #expect(isDown)
            try await cluster.start()
            #expect(try await eventually(within: .seconds(5)) { try await answers(database) })
          }
        }
        let counts = try await ledger.check(on: database)
        #expect(counts.committed > 50)
        #expect(slowest < .seconds(6))
      }
    }
  }

  @Test func `ended sessions lose nothing that was confirmed`() async throws {
    try await withOwnCluster { cluster in
      try await withOpenDatabase(cluster.administratorSettings()) { administrator in
        try await withOpenDatabase(cluster.databaseSettings(connections: 8)) { database in
          _ = try await database.query(Ledger.table)
          let ledger = Ledger()
          _ = try await underLoad(database, ledger) {
            for _ in 0..<count(ordinary: 60, full: 2000) {
              _ = try await administrator.query(
                Statement(
                  """
                  SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                  WHERE usename = 'latchkey' ORDER BY random() LIMIT 3
                  """))
              try await Task.sleep(for: .milliseconds(15))
            }
          }
          let counts = try await ledger.check(on: database)
          #expect(counts.committed > 50)
          #expect(database.connectionCounts.connections <= 8)
        }
      }
    }
  }

  @Test
  func `a server that stands still is answered for within the deadlines, and used again later`()
    async throws
  {
    try await withOwnCluster { cluster in
      var settings = cluster.databaseSettings()
      settings.statementTimeout = .milliseconds(1500)
      settings.acquireTimeout = .milliseconds(500)
      settings.connectTimeout = .milliseconds(700)
      try await withOpenDatabase(settings) { database in
        _ = try await database.query(Ledger.table)
        let ledger = Ledger()
        let slowest = try await underLoad(database, ledger) {
          try await Task.sleep(for: .milliseconds(200))
          cluster.signalAll(.suspend)
          // Long enough for every connection to be given up and for attempts to connect to time
          // out.
          #expect(
            try await eventually {
              let start = ContinuousClock.now
              let isRefused = try await !answers(database)
              return isRefused && start.duration(to: .now) < .milliseconds(50)
            })
          cluster.signalAll(.resume)
          #expect(try await eventually(within: .seconds(5)) { try await answers(database) })
        }
        #expect(slowest < .milliseconds(1900))
        _ = try await ledger.check(on: database)
      }
    }
  }

  @Test
  func `a commit that waits for an absent standby is unknown, whether it is given up or cancelled`()
    async throws
  {
    try await withOwnCluster(ClusterSettings(isThrowaway: true)) { cluster in
      var settings = cluster.databaseSettings()
      settings.statementTimeout = .milliseconds(800)
      try await withOpenDatabase(cluster.administratorSettings()) { administrator in
        try await withOpenDatabase(settings) { database in
          _ = try await database.query(Ledger.table)
          _ = try await administrator.query(
            Statement("ALTER SYSTEM SET synchronous_standby_names = 'nobody'"))
          _ = try await administrator.query(Statement("SELECT pg_reload_conf()"))
          let insert = Statement("INSERT INTO ledger VALUES ($1)", [1])
          // The setting reaches each session in its own time; from the first wait on it is there.
          let isWaiting = try await eventually {
            do throws(PostgresError) {
              _ = try await database.transaction([insert, Statement("DELETE FROM ledger")])
              return false
            } catch {
              return error == .unknownOutcome
            }
          }
          #expect(isWaiting)
          async let outcome: Void = {
            await #expect(throws: PostgresError.unknownOutcome) {
              try await database.query(Statement("INSERT INTO ledger VALUES (2)"))
            }
          }()
          async let cancelled = eventually(within: .seconds(3)) {
            try await administrator.query(
              Statement(
                """
                SELECT pg_cancel_backend(pid) FROM pg_stat_activity
                WHERE wait_event = 'SyncRep' AND query LIKE '%(2)%'
                """)
            ).affected > 0
          }
          await outcome
          #expect(try await cancelled)
          // A cluster whose every commit hangs cannot be stopped by a checkpoint's leave alone.
          _ = try await administrator.query(
            Statement("ALTER SYSTEM RESET synchronous_standby_names"))
          _ = try await administrator.query(Statement("SELECT pg_reload_conf()"))
        }
      }
    }
  }

  @Test func `a server without a free place is waited for, and refused in time`() async throws {
    let settings = ClusterSettings(
      further: ["max_connections": "10", "superuser_reserved_connections": "3"], isThrowaway: true)
    try await withOwnCluster(settings) { cluster in
      var hogSettings = cluster.databaseSettings(connections: 7)
      hogSettings.acquireTimeout = .seconds(10)
      try await withOpenDatabase(hogSettings) { hog in
        try await withOpenDatabase(cluster.databaseSettings()) { database in
          let course = Course()
          try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<7 {
              group.addTask {
                try await hog.withTransaction { transaction in
                  _ = try await transaction.query(Statement("SELECT 1"))
                  course.arrived.add(1, ordering: .relaxed)
                  while !course.isOver {
                    _ = try await transaction.query(Statement("SELECT pg_sleep(0.01)"))
                  }
                }
              }
            }
            #expect(try await eventually { course.arrived.load(ordering: .relaxed) == 7 })
            let start = ContinuousClock.now
            await #expect(throws: PostgresError.unavailable) {
              try await database.query(Statement("SELECT 1"))
            }
            #expect(start.duration(to: .now) < .seconds(2))
            course.end()
            try await group.waitForAll()
            await hog.close()
            #expect(try await eventually(within: .seconds(5)) { try await answers(database) })
          }
        }
      }
    }
  }
}
