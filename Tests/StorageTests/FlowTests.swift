import Base
import Postgres
import Storage
import TestSupport
import Testing

@Suite struct `What came in, went out and waited, in the database` {
  /// The beginning of the hour before this one.
  private static let hour = Timestamp(
    seconds: WallClock.system.now().seconds / 3600 * 3600 - 3600)

  private static func batch(
    _ minute: Int64, position: Int64, taken: Int64 = 0, failed: Int64 = 0, pending: Int64 = 0,
    overdue: Duration = .zero
  ) -> FlowBatch {
    var counts = FlowCounts()
    counts.deliveriesTaken = taken
    counts.pushesFailed = failed
    var backlog = Backlog()
    backlog.position = position
    backlog.pending = pending
    backlog.overdue = overdue
    return FlowBatch(
      minute: hour.seconds / 60 + minute, counts: counts, backlog: backlog,
      feedLag: .milliseconds(1500))
  }

  private func with<T: Sendable>(
    _ body: @Sendable (Database, FlowLedger) async throws -> T
  ) async throws -> T {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      try await body(database, FlowLedger(database: database))
    }
  }

  private func read(
    _ ledger: FlowLedger, _ grain: FlowLedger.Grain, from minute: Int64 = 0, limit: Int = 1000
  ) async throws -> [FlowRow] {
    try await ledger.read(
      grain, since: Self.hour + .seconds(60 * minute), until: Self.hour + .seconds(7200),
      limit: limit)
  }

  @Test func `replicas' counts add up, and of what waited the most stays`() async throws {
    try await with { _, ledger in
      let batches = [
        ("a", Self.batch(0, position: 100, taken: 3, pending: 7)),
        ("b", Self.batch(0, position: 104, taken: 2, failed: 1, overdue: .seconds(90))),
        ("a", Self.batch(1, position: 110, taken: 10, pending: 2)),
      ]
      for (number, (writer, batch)) in batches.enumerated() {
        #expect(try await ledger.add(batch, number: Int64(number + 1), of: writer))
      }
      let minutes = try await read(ledger, .minute)
      #expect(minutes.map(\.counts.deliveriesTaken) == [5, 10])
      #expect(minutes.map(\.counts.pushesFailed) == [1, 0])
      #expect(minutes.map(\.most.pending) == [7, 2])
      #expect(minutes.map(\.most.overdue) == [.seconds(90), .zero])
      #expect(minutes.map(\.feedLag) == [.milliseconds(1500), .milliseconds(1500)])
      let hours = try await read(ledger, .hour)
      #expect(hours.map(\.counts.deliveriesTaken) == [15] && hours.map(\.most.pending) == [7])
      #expect(hours.map(\.startsAt) == [Self.hour])
    }
  }

  @Test func `events are told by how far the feed moved since the step before`() async throws {
    try await with { _, ledger in
      // What was there before anybody looked is no step's; a feed that was restored moves back.
      let positions: [(Int64, Int64)] = [(0, 1000), (0, 1004), (1, 1010), (5, 1011), (6, 900)]
      for (number, (minute, position)) in positions.enumerated() {
        try await ledger.add(
          Self.batch(minute, position: position), number: Int64(number + 1), of: "w")
      }
      #expect(try await read(ledger, .minute).map(\.events) == [4, 6, 1, 0])
      #expect(try await read(ledger, .hour).map(\.events) == [11])
      // The step before the first one that is asked for counts all the same.
      #expect(try await read(ledger, .minute, from: 1).map(\.events) == [6, 1, 0])
      #expect(try await read(ledger, .minute, from: 2, limit: 1).map(\.events) == [1])
    }
  }

  @Test func `a batch that comes twice counts once`() async throws {
    try await with { _, ledger in
      let batch = Self.batch(0, position: 1, taken: 5)
      let isFirst = try await ledger.add(batch, number: 1, of: "w")
      #expect(isFirst)
      #expect(try await !ledger.add(batch, number: 1, of: "w"))
      #expect(try await ledger.add(batch, number: 1, of: "other"))
      #expect(try await read(ledger, .minute).map(\.counts.deliveriesTaken) == [10])
    }
  }

  @Test func `many writers of one step wait for each other, never in a circle`() async throws {
    try await with { _, ledger in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for writer in 0..<8 {
          group.addTask {
            for number in Int64(1)...10 {
              try await ledger.add(
                Self.batch(0, position: 1, taken: 1), number: number, of: "w\(writer)")
            }
          }
        }
        try await group.waitForAll()
      }
      #expect(try await read(ledger, .hour).map(\.counts.deliveriesTaken) == [80])
    }
  }

  @Test func `a page of the charts reads only its steps, by the key`() async throws {
    try await with { database, ledger in
      _ = try await database.query(
        Statement(
          """
          INSERT INTO flow SELECT 'minute', date_trunc('minute', now()) - n * interval '1 minute',
            1, 0, 0, 0, 20000 - n, 20000 - n, 0, 0, 0, 0, 0, 0, 0 FROM generate_series(0, 20000) AS n
          """))
      _ = try await database.query(Statement("ANALYZE flow"))
      let now = WallClock.system.now()
      let rows = try await ledger.read(
        .minute, since: now - .seconds(600), until: now, limit: 1000)
      #expect(rows.count >= 9 && rows.allSatisfy { $0.events == 1 })
      let plan = try await database.query(
        Statement(
          """
          EXPLAIN SELECT * FROM flow WHERE grain = 'minute' AND starts_at < now() AND starts_at >= coalesce(
            (SELECT max(starts_at) FROM flow AS earlier WHERE grain = 'minute' AND starts_at < now() - interval '1 hour'), now())
          """)
      ).rows.map { try $0.decode("QUERY PLAN", as: String.self) }
      #expect(!plan.contains { $0.contains("Seq Scan") }, "\(plan)")
      // Some of them are older than minutes are kept; hours are kept longer.
      try await ledger.add(Self.batch(-60 * 24 * 30, position: 1), number: 1, of: "w")
      #expect(try await ledger.forget() > 9000)
      let kept = Statement("SELECT count(*) FROM flow WHERE grain = 'hour'")
      #expect(try await database.count(kept) == 1)
      #expect(try await ledger.forget() == 0)
    }
  }
}
