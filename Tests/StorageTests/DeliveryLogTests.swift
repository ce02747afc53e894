import Base
import BigCommerce
import Postgres
import Storage
import TestSupport
import Testing

@Suite struct `The log of deliveries` {
  private func withLog<T: Sendable>(
    _ body: @Sendable (Database, DeliveryLog) async throws -> T
  ) async throws -> T {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      try await body(database, DeliveryLog(database: database))
    }
  }

  /// Delivery n of store `abc` for odd n, of `other` for even n; every third is quarantined.
  private func fill(_ database: Database, _ count: Int) async throws {
    let deliveries = Deliveries(database: database)
    for number in 1...count {
      try await deliveries.record([
        .sample(
          number.isMultiple(of: 2) ? "other" : "abc", key: UInt8(number),
          fate: number.isMultiple(of: 3)
            ? .quarantined(reason: "uninstalled", scope: "store/cart/created") : nil,
          signature: number == 5 ? "invalid:mac" : "valid",
          receivedAt: Timestamp(seconds: 1_700_000_000 + Int64(number)))
      ])
    }
  }

  private func all(
    _ log: DeliveryLog, _ filter: DeliveryFilter = DeliveryFilter(), limit: Int = 100
  ) async throws -> [Int64] {
    var ids: [Int64] = []
    var before: Int64?
    repeat {
      let page = try await log.read(before: before, filter, limit: limit)
      ids += page.deliveries.map(\.id)
      before = page.before
    } while before != nil
    return ids
  }

  @Test func `pages lead from the newest to the oldest, whatever their size`() async throws {
    try await withLog { database, log in
      #expect(try await all(log) == [], "nothing was ever delivered")
      try await fill(database, 7)
      for limit in [1, 2, 7, 8] {
        #expect(try await all(log, limit: limit) == [7, 6, 5, 4, 3, 2, 1])
      }
      // What comes meanwhile moves nothing.
      let page = try await log.read(before: nil, DeliveryFilter(), limit: 3)
      try await Deliveries(database: database).record([.sample("abc", key: 99)])
      let next = try await log.read(before: page.before, DeliveryFilter(), limit: 3)
      #expect(next.deliveries.map(\.id) == [4, 3, 2])
    }
  }

  @Test func `one look is bounded, and a gap in the numbers is walked over`() async throws {
    try await withLog { database, log in
      try await fill(database, 1)
      _ = try await database.query(
        Statement("SELECT setval('delivery_ids', $1)", [3 * DeliveryLog.span]))
      try await Deliveries(database: database).record([.sample("abc", key: 99)])
      var filter = DeliveryFilter()
      filter.since = Timestamp(seconds: 1_700_000_001)
      filter.until = Timestamp(microseconds: 1_700_000_001_000_001)
      let first = try await log.read(before: nil, filter, limit: 10)
      #expect(first.deliveries.isEmpty && first.before == 2 * DeliveryLog.span + 2)
      #expect(try await all(log, filter) == [1])
      #expect(try await all(log) == [3 * DeliveryLog.span + 1, 1])
    }
  }

  @Test func `filters show what they say`() async throws {
    try await withLog { database, log in
      try await database.addApp()
      try await database.addInstallation("other", sealedToken: nil)
      _ = try await database.query(Statement("UPDATE installations SET labels = '{vip}'"))
      try await fill(database, 7)
      func shown(_ change: (inout DeliveryFilter) throws -> Void) async throws -> [Int64] {
        var filter = DeliveryFilter()
        try change(&filter)
        return try await all(log, filter, limit: 2)
      }
      #expect(try await shown { $0.store = StoreHash("other") } == [6, 4, 2])
      #expect(try await shown { $0.app = AppName("nosuch") } == [])
      #expect(try await shown { $0.status = .quarantined } == [6, 3])
      #expect(try await shown { $0.status = .event } == [7, 5, 4, 2, 1])
      #expect(try await shown { $0.scopes = ["store/cart/*"] } == [6, 3])
      #expect(try await shown { $0.scopes = ["store/cart/created", "x"] } == [6, 3])
      #expect(try await shown { $0.signature = "invalid" } == [5])
      #expect(try await shown { $0.signature = "invalid:mac" } == [5])
      #expect(try await shown { $0.signature = "inv" } == [])
      #expect(try await shown { $0.since = Timestamp(seconds: 1_700_000_006) } == [7, 6])
      #expect(try await shown { $0.until = Timestamp(seconds: 1_700_000_003) } == [2, 1])
      #expect(
        try await shown { $0.granted = .only([try #require(StoreHash("abc"))]) } == [7, 5, 3, 1])
      let vip: Set<StoreLabel> = [try #require(StoreLabel("vip"))]
      #expect(try await shown { $0.granted = .only([], labels: vip) } == [6, 4, 2])
    }
  }

  @Test func `a replay is a new event, which the audit knows, and leaves the log alone`()
    async throws
  {
    try await withLog { database, log in
      try await fill(database, 3)
      let (delivery, body) = try #require(try await log.find(3))
      #expect(body == Array("{}".utf8) && delivery.bytes == ByteCount(2))
      #expect(try await log.find(4)?.delivery == nil)
      let content = Delivery.Content(
        scope: "store/cart/created", occurredAt: Timestamp(seconds: 1_700_000_000),
        data: Delivery.sampleData)
      let act = Act(actor: "key1", requestID: RequestID("request-9"))
      let event = try await log.replay(delivery, as: content, act: act)
      #expect(
        try await database.count(
          Statement(
            """
            SELECT count(*) FROM pending_events JOIN audit ON details->>'event_id' = event_id
            WHERE event_id = $1 AND origin = 'repair' AND type = 'store/cart/created' AND data::text = $2
              AND pending_events.store_hash = 'abc' AND occurred_at = timestamptz '2023-11-14T22:13:20Z'
              AND action = 'replay_delivery' AND actor = 'key1' AND request_id = 'request-9'
              AND details->>'delivery_id' = '3' AND audit.store_hash = 'abc'
            """, [event, Delivery.sampleData])) == 1)
      let again = try #require(try await log.find(3)).delivery
      #expect(again == delivery && again.quarantine == "uninstalled" && again.eventID == nil)
    }
  }
}
