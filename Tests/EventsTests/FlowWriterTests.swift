import Base
import Postgres
import Storage
import Synchronization
import TestSupport
import Testing

@testable import Events

@Suite struct `What a replica tells of deliveries and pushes` {
  @Test func `each look tells what was counted since the last, once`() async throws {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      let taken = Mutex<Int64>(0)
      let ledger = FlowLedger(database: database)
      let clock = ManualWall()
      let writer = FlowWriter(ledger: ledger, name: "w", clock: clock.clock) {
        var counts = FlowCounts()
        counts.deliveriesTaken = taken.withLock { $0 }
        return counts
      }
      func rows() async throws -> [Int64] {
        try await ledger.read(
          .minute, since: ManualWall.noon, until: ManualWall.noon + .seconds(3600), limit: 100
        ).map(\.counts.deliveriesTaken)
      }
      taken.withLock { $0 = 4 }
      try await writer.write(Backlog(), feedLag: .zero)
      try await writer.write(Backlog(), feedLag: .zero)
      #expect(try await rows() == [4])
      clock.pass(.seconds(60))
      taken.withLock { $0 = 9 }
      _ = try await database.query(Statement("ALTER TABLE flow RENAME TO away"))
      await #expect(throws: PostgresError.self) {
        try await writer.write(Backlog(), feedLag: .zero)
      }
      taken.withLock { $0 = 10 }
      await #expect(throws: PostgresError.self) {
        try await writer.write(Backlog(), feedLag: .zero)
      }
      _ = try await database.query(Statement("ALTER TABLE away RENAME TO flow"))
      clock.pass(.seconds(60))
      try await writer.write(Backlog(), feedLag: .zero)
      // The batch that failed stays in its minute; what came later is in the next one.
      #expect(try await rows() == [4, 5, 1])
    }
  }

  @Test func `a look at the backlog is written down`() async throws {
    try await PushRig.run { rig in
      let ledger = FlowLedger(database: rig.database)
      let meter = BacklogMeter(
        count: BacklogCount(database: rig.database),
        flow: FlowWriter(ledger: ledger, name: "w") { FlowCounts() }, logger: .silent)
      try await meter.look()
      _ = try await rig.subscribe()
      try await rig.happen(["t/1", "t/2"])
      try await meter.look()
      let now = WallClock.system.now()
      let rows = try await ledger.read(
        .hour, since: now - .seconds(7200), until: now + .seconds(60), limit: 9)
      #expect(rows.reduce(0) { $0 + $1.events } == 2)
      #expect(rows.last?.most.behind == 2)
    }
  }

  @Test func `requests and attempts are counted by how they ended`() async throws {
    let intake = IntakeMeter()
    for answer in [IntakeAnswer.taken, .taken, .forged("x"), .unavailable] { intake.count(answer) }
    #expect(intake.taken == 2 && intake.refused == 2)
    try await PushRig.run { rig in
      _ = try await rig.subscribe()
      rig.subscriber.reply([.answer("200 OK")], usual: .answer("500 Oops"))
      try await rig.happen(["t/1", "t/2"])
      let sender = rig.sender([])
      try await sender.fanOut()
      try await rig.drain(sender)
      #expect(sender.made == 1 && sender.failed == 1)
    }
  }
}

/// The wall's time, which passes when a test says so.
private final class ManualWall: Sendable {
  static let noon = Timestamp(seconds: 1_800_000_000 / 3600 * 3600)

  private let passed = Mutex(Duration.zero)

  var clock: WallClock { WallClock { self.passed.withLock { Self.noon + $0 } } }

  func pass(_ time: Duration) { passed.withLock { $0 += time } }
}
