import Base
import Logging
import Postgres
import PrivatePostgres
import Spooling
import Storage
import TestSupport
import Testing
import Vault

@testable import Events

@Suite struct `Keeping deliveries` {
  private struct Kept: Sendable {
    let database: Database
    let spool: DeliverySpool
    let keeper: DeliveryKeeper
    let replay: DeliveryReplay

    init(_ database: Database, directory: String) throws {
      self.database = database
      spool = try DeliverySpool(directory: directory, keyring: keyring(), logger: .quiet)
      keeper = DeliveryKeeper(
        deliveries: Deliveries(database: database), days: EventDays(database: database),
        spool: spool, patience: .seconds(30), logger: .quiet)
      replay = DeliveryReplay(spool: spool, keeper: keeper, logger: .quiet)
    }

    func count() async throws -> Int {
      try await database.count(Statement("SELECT count(*) FROM deliveries"))
    }
  }

  private func delivery(
    _ number: Int, data: String = "{}", scope: String = "store/order/created"
  ) throws -> Delivery {
    Delivery(
      installation: try .of("abc"), key: [UInt8(number >> 8), UInt8(number & 0xFF)],
      receivedAt: Timestamp(seconds: 1_700_000_000),
      webhookID: number.isMultiple(of: 2) ? nil : "m",
      signature: "valid",
      fate: number.isMultiple(of: 3)
        ? .quarantined(reason: "uninstalled", scope: number.isMultiple(of: 2) ? nil : scope)
        : .event(.init(scope: scope, occurredAt: Timestamp(seconds: 1), data: data)),
      requestID: try #require(RequestID("request-\(number)")),
      body: [0, 0xFF, UInt8(number & 0xFF)])
  }

  @Test func `a batch on disk reads as it was written`() throws {
    let batch = DeliveryBatch(
      try (0..<12).map { try delivery($0, data: #"{"a":"\u0000","n":1.0}"#) })
    let again = try #require(DeliveryBatch(plaintext: batch.plaintext, installation: nil))
    #expect(again.deliveries == batch.deliveries)
    #expect(DeliveryBatch(plaintext: Secret(Array("{}".utf8)), installation: nil) == nil)
    #expect(DeliveryBatch(plaintext: Secret(Array("[{}]".utf8)), installation: nil) == nil)
  }

  @Test func `one that the database refuses is kept aside, and the others are events`()
    async throws
  {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      let kept = try Kept(database, directory: temporaryDirectory("keeper") + "/spool")
      try await kept.keeper.keep([delivery(1), delivery(2, data: "no json"), delivery(4)])
      #expect(try await kept.count() == 3)
      #expect(try await database.count(Statement("SELECT count(*) FROM pending_events")) == 2)
      #expect(
        try await database.count(
          Statement(
            "SELECT count(*) FROM deliveries WHERE quarantine = 'refused_by_database'")) == 1)
      #expect(kept.spool.pendingCount == 0)
    }
  }

  @Test func `a day without its partition gets it`() async throws {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      let kept = try Kept(database, directory: temporaryDirectory("keeper") + "/spool")
      _ = try await database.query(
        Statement(
          """
          DO $$ BEGIN
            EXECUTE format('DROP TABLE %I', 'deliveries' || to_char(now() AT TIME ZONE 'UTC', '_YYYYMMDD'));
          END $$
          """))
      try await kept.keeper.keep([delivery(1)])
      #expect(try await kept.count() == 1)
    }
  }

  @Test func `while the database is away the disk keeps them, also over a restart of ours`()
    async throws
  {
    try await withOwnCluster { cluster in
      var settings = cluster.databaseSettings()
      settings.acquireTimeout = .seconds(3)
      let database = Database(settings: settings, reactor: TestCluster.reactor, logger: .quiet)
      try await Migrator(Migrations.all, logger: .quiet).apply(on: database)
      let directory = try temporaryDirectory("keeper") + "/spool"
      let before = try Kept(database, directory: directory)
      try await before.keeper.keep([delivery(1)])
      try await cluster.interrupt(.immediate)
      // The first finds out, those after it do not wait for that again.
      try await before.keeper.keep([delivery(1), delivery(2)])
      let began = ContinuousClock.now
      try await before.keeper.keep([delivery(4), delivery(5)])
      #expect(ContinuousClock.now - began < settings.acquireTimeout - .milliseconds(500))
      await before.replay.pass()
      #expect(before.spool.pendingCount == 2)
      let after = try Kept(database, directory: directory)
      _ = try await cluster.start()
      #expect(
        try await eventually(within: .seconds(30)) {
          await after.replay.pass()
          return after.spool.pendingCount == 0
        })
      #expect(try await after.count() == 4)
      #expect(try await database.count(Statement("SELECT count(*) FROM pending_events")) == 4)
      await database.close()
    }
  }
}

private func keyring() throws -> Keyring {
  try Keyring(parsing: Secret("k1:" + Base64.encode(Array(repeating: 7, count: 32))))
}
