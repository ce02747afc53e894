import Base
import Postgres
import Storage
import TestSupport
import Testing

@Suite struct `What calls came to, in the database` {

  /// Today's midnight.
  private static let midnight = Timestamp(
    seconds: WallClock.system.now().seconds / 86400 * 86400)

  private static func cell(
    _ store: String, minute: Int64, key: String = "k_1", family: String = "v2/orders reads",
    calls: Int64, failed: Int64 = 0
  ) throws -> UsageCell {
    var counts = UsageCounts()
    counts[.calls] = calls
    counts[.failed] = failed
    for _ in 0..<calls { counts.observe(latency: .milliseconds(30)) }
    return UsageCell(
      installation: InstallationID(app: .default, store: try #require(StoreHash(store))),
      minute: midnight.seconds / 60 + minute, key: key, family: family, counts: counts)
  }

  private static func question(_ grain: UsageQuestion.Grain) -> UsageQuestion {
    UsageQuestion(
      app: .default, grain: grain, since: midnight, until: midnight + .seconds(86400))
  }

  private func with<T: Sendable>(
    _ body: @Sendable (Database, UsageLedger, UsageReading) async throws -> T
  ) async throws -> T {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      try await body(database, UsageLedger(database: database), UsageReading(database: database))
    }
  }

  @Test(arguments: UsageQuestion.Grain.allCases)
  func `cells are summed up by minute, hour and day, for each store and all`(
    _ grain: UsageQuestion.Grain
  ) async throws {
    try await with { _, ledger, reading in
      try await ledger.add(
        [
          Self.cell("abc", minute: 0, calls: 1), Self.cell("abc", minute: 59, calls: 2),
          Self.cell("abc", minute: 60, calls: 4), Self.cell("xyz", minute: 60, calls: 8, failed: 3),
        ], batch: 1, of: "w")
      try await ledger.add([Self.cell("abc", minute: 60, calls: 16)], batch: 2, of: "w")
      let fleet = try await reading.read(Self.question(grain), after: nil, limit: 100)
      let expected: [Int64: Int64] =
        switch grain {
        case .minute: [0: 1, 59: 2, 60: 28]
        case .hour: [0: 3, 60: 28]
        case .day: [0: 31]
        }
      let found = fleet.map { row in
        ((row.key.startsAt ?? Self.midnight) - Self.midnight, row.counts[.calls])
      }
      #expect(
        Dictionary(uniqueKeysWithValues: found.map { ($0.inMicroseconds / 60_000_000, $1) })
          == expected)
      #expect(fleet.reduce(0) { $0 + $1.counts[.failed] } == 3)
      var one = Self.question(grain)
      one.store = StoreHash("abc")
      one.byTime = false
      let sum = try #require(try await reading.read(one, after: nil, limit: 100).first)
      #expect(sum.counts[.calls] == 23 && sum.counts.answered == 23)
      #expect(sum.key == UsageRow.Key(store: nil, startsAt: nil, caller: nil, family: nil))
    }
  }

  @Test func `rows are by store, time, caller and family as asked, page after page`() async throws {
    try await with { _, ledger, reading in
      var cells: [UsageCell] = []
      for store in ["a", "b", "c"] {
        for minute in Int64(0)..<3 {
          for key in ["k_1", "k_2"] {
            for family in ["f", "g"] {
              cells.append(
                try Self.cell(store, minute: minute, key: key, family: family, calls: 1))
            }
          }
        }
      }
      try await ledger.add(cells, batch: 1, of: "w")
      for subset in 0..<16 {
        var question = Self.question(.minute)
        question.byTime = subset & 1 != 0
        question.byStore = subset & 2 != 0
        question.byCaller = subset & 4 != 0
        question.byFamily = subset & 8 != 0
        var rows: [UsageRow] = []
        repeat {
          let page = try await reading.read(question, after: rows.last?.key, limit: 5)
          rows += page
          if page.count < 5 { break }
        } while true
        let groups =
          (question.byTime ? 3 : 1) * (question.byStore ? 3 : 1) * (question.byCaller ? 2 : 1)
          * (question.byFamily ? 2 : 1)
        #expect(rows.count == groups && Set(rows.map(\.key)).count == groups)
        #expect(rows.allSatisfy { $0.counts[.calls] == 36 / Int64(groups) })
      }
      var narrow = Self.question(.minute)
      narrow.caller = "k_2"
      narrow.family = "g"
      #expect(
        try await reading.read(narrow, after: nil, limit: 9).map { $0.counts[.calls] } == [3, 3, 3])
      narrow.app = try #require(AppName("other"))
      #expect(try await reading.read(narrow, after: nil, limit: 9).isEmpty)
    }
  }

  @Test func `a batch that comes twice counts once`() async throws {
    try await with { _, ledger, reading in
      let batch = [try Self.cell("abc", minute: 1, calls: 5)]
      #expect(try await ledger.add(batch, batch: 1, of: "one"))
      #expect(try await !ledger.add(batch, batch: 1, of: "one"))
      #expect(try await ledger.add(batch, batch: 1, of: "two"))
      #expect(try await ledger.add(batch, batch: 2, of: "one"))
      #expect(try await !ledger.add(batch, batch: 1, of: "one"))
      let sum = try await reading.read(Self.question(.day), after: nil, limit: 9)
      #expect(sum.map { $0.counts[.calls] } == [15])
    }
  }

  @Test func `writers of the same rows in any order wait for each other, never in a circle`()
    async throws
  {
    try await with { _, ledger, reading in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for writer in 0..<8 {
          group.addTask {
            for batch in Int64(1)...5 {
              let cells = try (0..<40).map { number in
                try Self.cell(
                  "s\(writer.isMultiple(of: 2) ? number : 39 - number)", minute: 1, calls: 1)
              }
              try await ledger.add(cells, batch: batch, of: "w\(writer)")
            }
          }
        }
        try await group.waitForAll()
      }
      let sum = try await reading.read(Self.question(.day), after: nil, limit: 9)
      #expect(sum.map { $0.counts[.calls] } == [8 * 5 * 40])
    }
  }

  @Test func `days are made by the service's role; what is too old goes`() async throws {
    try await withTemporaryDatabase(Migrations.all) { (temporary: TemporaryDatabase) in
      let role = "service_of_\(temporary.name)"
      try await temporary.createRole(role)
      try await ServiceRole.grant(to: role, on: temporary.database)
      _ = try await temporary.database.query(
        Statement(
          """
          DO $$ BEGIN
            EXECUTE format('DROP TABLE %I', 'usage_minutes' || to_char(now() AT TIME ZONE 'UTC', '_YYYYMMDD'));
          END $$
          """))
      try await temporary.withDatabase(as: role) { service in
        let ledger = UsageLedger(database: service)
        let today = [try Self.cell("abc", minute: 1, calls: 1)]
        let missing = await #expect(throws: PostgresError.self) {
          try await ledger.add(today, batch: 1, of: "w")
        }
        guard case .checkViolation = missing else {
          Issue.record("another error: \(String(describing: missing))")
          return
        }
        #expect(try await ledger.makeDays(keeping: 1) == 1)
        #expect(try await ledger.makeDays(keeping: 1) == 0)
        #expect(try await ledger.add(today, batch: 1, of: "w"), "nothing of it was counted before")
        #expect(try await ledger.dropMinutes(olderThan: 0) == 0, "yesterday's stay")
        #expect(try await ledger.makeDays(keeping: 90) == UsageLedger.minutesKept - 1)
        #expect(try await ledger.dropMinutes(olderThan: 2) == UsageLedger.minutesKept - 2)
        _ = try await service.query(
          Statement(
            """
            INSERT INTO usage SELECT app_id, store_hash, grain, starts_at - interval '91 days', key_id, family, calls,
              0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
            FROM usage WHERE grain <> 'minute'
            """))
        #expect(try await ledger.forget(olderThan: 92) == 0)
        #expect(try await ledger.forget(olderThan: 90) == 4)
        #expect(try await service.count(Statement("SELECT count(*) FROM usage")) == 6)
      }
    }
  }

  @Test func `quantiles lie within the histogram's places`() {
    var counts = UsageCounts()
    #expect(counts.latency(quantile: 0.5) == nil && counts.meanLatency == nil)
    for _ in 0..<90 { counts.observe(latency: .milliseconds(10)) }
    for _ in 0..<9 { counts.observe(latency: .milliseconds(600)) }
    counts.observe(latency: .seconds(100))
    #expect(counts.answered == 100 && counts[.longer] == 1)
    #expect(counts[.within10Milliseconds] == 90 && counts[.within1Second] == 9)
    #expect(counts.latency(quantile: 0.5).map { $0 > 0 && $0 <= 0.01 } == true)
    #expect(counts.latency(quantile: 0.95).map { $0 > 0.5 && $0 <= 1 } == true)
    #expect(counts.latency(quantile: 1) == 30)
    #expect(counts.meanLatency.map { abs($0 - (0.9 + 5.4 + 100) / 100) < 0.000_001 } == true)
    #expect(UsageCounts(counts.numbers)?.numbers == counts.numbers)
    #expect(UsageCounts([1, 2]) == nil)
    #expect(UsageCounts.Field.allCases.count == counts.numbers.count)
    #expect(
      UsageCounts.Field.longer.rawValue - UsageCounts.Field.within10Milliseconds.rawValue
        == UsageCounts.bounds.count)
  }
}
