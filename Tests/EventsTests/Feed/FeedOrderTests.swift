import Base
import Logging
import Postgres
import Storage
import Synchronization
import TestSupport
import Testing

@testable import Events

@Suite struct `One order for all readers` {
  private static let writers = 16
  private static let readers = 8

  /// When each event was committed and first seen by each reader; types name the events.
  private final class Times: Sendable {
    private let committed = Mutex<[String: ContinuousClock.Instant]>([:])
    private let seen = Mutex<[(type: String, at: ContinuousClock.Instant)]>([])

    func commit(_ type: String) {
      committed.withLock { $0[type] = .now }
    }

    func see(_ events: [EventRecord]) {
      let now = ContinuousClock.now
      seen.withLock { $0 += events.map { ($0.type, now) } }
    }

    /// From COMMIT to the readers' hands, in order.
    var latencies: [Duration] {
      let committed = committed.withLock { $0 }
      return seen.withLock { $0 }.compactMap { seen in
        committed[seen.type].map { max(seen.at - $0, .zero) }
      }.sorted()
    }
  }

  /// Runs the body while a transaction with a number and a snapshot of its own stays open there.
  private func withLongTransaction(
    on settings: DatabaseSettings, _ body: @Sendable () async throws -> Void
  ) async throws {
    var settings = settings
    settings.transactionTimeout = .seconds(1200)
    try await withOpenDatabase(settings) { database in
      try await database.withTransaction { transaction in
        _ = try await transaction.query(
          Statement("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        _ = try await transaction.query(Statement("SELECT pg_current_xact_id()::text"))
        try await body()
        _ = try await transaction.query(Statement("SELECT 1"))
      }
    }
  }

  private func write(_ writer: Int, _ events: Int, to database: Database, _ times: Times)
    async throws
  {
    var random = SeededGenerator(seed: UInt64(writer))
    for number in 0..<events {
      let type = "t/\(writer)/\(number)"
      let pause = Double.random(in: 0...0.02, using: &random)
      _ = try await database.withTransaction { transaction in
        _ = try await transaction.query(
          Statement(
            "INSERT INTO pending_events (app_id, store_hash, type, data) VALUES ('default', 'abc', $1, '{}')",
            [type]))
        _ = try await transaction.query(Statement("SELECT pg_sleep($1)", [pause]))
      }
      times.commit(type)
    }
  }

  private func read(_ events: Int, from reader: FeedReader, _ times: Times) async throws -> [String]
  {
    var seen: [String] = []
    var start = FeedReader.Start.oldest
    while seen.count < events {
      let first = seen.count
      let page = try await reader.page(
        from: start, EventFilter(), limit: 1000, wait: .seconds(30), isAllowed: { _ in true })
      times.see(page.events)
      #expect(page.events.map(\.position) == page.events.indices.map { Int64(first + 1 + $0) })
      seen += page.events.map(\.type)
      start = .after(page.next)
    }
    return seen
  }

  @Test(.timeLimit(.minutes(10)))
  func `16 writers that commit late and transactions that stay open: nothing skipped or repeated`()
    async throws
  {
    let perWriter = count(ordinary: 60, full: 3000)
    let written = Self.writers * perWriter
    let times = Times()
    try await withTemporaryDatabase { (elsewhere: TemporaryDatabase) in
      try await withTemporaryDatabase(Migrations.all) {
        $0.connections = Self.writers + Self.readers + 4
      } _: { (here: TemporaryDatabase) in
        // One in another database of the cluster, and one that keeps our deleted rows from going.
        try await withLongTransaction(on: .to(elsewhere)) {
          try await withLongTransaction(on: .to(here)) {
            let orders = try await run(on: here.database, perWriter, times)
            #expect(orders.count == 1, "all readers saw one order")
            #expect(Set(orders.first ?? []).count == written, "each event once")
          }
        }
      }
    }
    let latencies = times.latencies
    #expect(latencies.count == written * Self.readers)
    print(
      "from COMMIT to \(Self.readers) readers, \(written) events: p50",
      latencies[latencies.count / 2], "p99", latencies[latencies.count * 99 / 100],
      "longest", latencies.last ?? .zero)
  }

  /// - Returns: what the readers saw, each order once.
  private func run(
    on database: Database, _ perWriter: Int, _ times: Times
  ) async throws -> Set<[String]> {
    let feed = EventFeed(database: database)
    let watch = FeedWatch(feed: feed, logger: .quiet)
    let reader = FeedReader(feed: feed, watch: watch)
    let service = SequencerService(
      sequencer: Sequencer(database: database, holder: "test"), logger: .quiet)
    return try await withThrowingTaskGroup(of: [String]?.self) { group in
      for body in [watch.run, service.run] {
        group.addTask {
          await body()
          return nil
        }
      }
      for writer in 0..<Self.writers {
        group.addTask {
          try await write(writer, perWriter, to: database, times)
          return nil
        }
      }
      for _ in 0..<Self.readers {
        group.addTask { try await read(Self.writers * perWriter, from: reader, times) }
      }
      var orders: [[String]] = []
      while orders.count < Self.readers, let ended = try await group.next() {
        if let ended { orders.append(ended) }
      }
      group.cancelAll()
      return Set(orders)
    }
  }
}

extension DatabaseSettings {
  fileprivate static func to(_ database: TemporaryDatabase) -> DatabaseSettings {
    DatabaseSettings(connectionString: database.connectionString, connections: 1)
  }
}
