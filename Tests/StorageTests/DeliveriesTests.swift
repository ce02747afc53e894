import Base
import Postgres
import Storage
import TestSupport
import Testing

@Suite struct `Deliveries in the database` {
  private func withDeliveries<T: Sendable>(
    _ body: @Sendable (Database, Deliveries) async throws -> T
  ) async throws -> T {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      try await body(database, Deliveries(database: database))
    }
  }

  @Test func `a delivery is logged byte for byte and becomes one pending event`() async throws {
    try await withDeliveries { database, deliveries in
      let body: [UInt8] = Array(#"{"data":{"id":18446744073709551616,"a":"\u0000","a ":1.0}}"#.utf8)
      #expect(try await deliveries.record([.sample("abc", key: 1, body: body)]) == 1)
      let rows = try await database.query(
        Statement(
          """
          SELECT delivery.body, delivery.webhook_id, delivery.signature, event.type, event.data::text AS data,
            event.event_id = delivery.event_id AND event.event_id ~ '^evt_[0-9a-f]{32}$' AS fits,
            event.occurred_at, delivery.received_at
          FROM deliveries delivery, pending_events event
          """)
      ).rows
      let row = try #require(rows.first)
      #expect(rows.count == 1)
      #expect(try row.decode("body", as: [UInt8].self) == body)
      #expect(try row.decode("data", as: String.self) == Delivery.sampleData)
      #expect(try row.decode("type", as: String.self) == "store/order/created")
      #expect(try row.decode("webhook_id", as: String?.self) == "msg_1")
      #expect(try row.decode("fits", as: Bool.self))
      #expect(
        try row.decode("occurred_at", as: Timestamp.self) == Timestamp(seconds: 1_700_000_000))
      #expect(
        try row.decode("received_at", as: Timestamp.self)
          == Timestamp(microseconds: 1_700_000_001_000_002))
    }
  }

  @Test func `a repetition counts at the first, in the same batch, a later one, and at once`()
    async throws
  {
    try await withDeliveries { database, deliveries in
      let first = try Delivery.sample("abc", key: 1)
      #expect(try await deliveries.record([first, .sample("abc", key: 2), first]) == 2)
      #expect(try await deliveries.record([first]) == 0)
      #expect(try await deliveries.record([.sample("other", key: 1)]) == 1, "another store's")
      // Batches that overlap in opposite orders, all at once: no deadlock, each event once.
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<20 {
          group.addTask {
            let keys = number.isMultiple(of: 2) ? Array(10..<60) : (10..<60).reversed()
            try await deliveries.record(keys.map { try .sample("abc", key: UInt8($0)) })
          }
        }
        try await group.waitForAll()
      }
      #expect(try await database.count(Statement("SELECT count(*) FROM pending_events")) == 53)
      #expect(try await database.count(Statement("SELECT count(*) FROM deliveries")) == 53)
      #expect(
        try await database.count(
          Statement("SELECT sum(repeats)::bigint AS count FROM delivery_keys")) == 2 + 19 * 50)
    }
  }

  @Test func `what is quarantined is in the log and not in the feed`() async throws {
    try await withDeliveries { database, deliveries in
      try await deliveries.record([
        .sample("abc", key: 1, fate: .quarantined(reason: "uninstalled", scope: nil)),
        .sample("abc", key: 2, fate: .quarantined(reason: "unknown_scope", scope: "x/y")),
      ])
      #expect(try await database.count(Statement("SELECT count(*) FROM pending_events")) == 0)
      #expect(
        try await database.count(
          Statement(
            """
            SELECT count(*) FROM deliveries WHERE quarantine = 'uninstalled' AND scope IS NULL
              OR quarantine = 'unknown_scope' AND scope = 'x/y'
            """)) == 2)
    }
  }

  @Test func `keys are forgotten when nothing is sent again`() async throws {
    try await withDeliveries { database, deliveries in
      try await deliveries.record([.sample("abc", key: 1), .sample("abc", key: 2)])
      #expect(try await deliveries.forgetKeys() == 0)
      _ = try await database.query(
        Statement(
          "UPDATE delivery_keys SET first_received_at = now() - interval '97 hours' WHERE key = '\\x01'"
        ))
      #expect(try await deliveries.forgetKeys() == 1)
      #expect(try await deliveries.record([.sample("abc", key: 1), .sample("abc", key: 2)]) == 1)
    }
  }

  @Test func `days are made ahead by the service's role, and dropped when they are over`()
    async throws
  {
    try await withTemporaryDatabase(Migrations.all) { (temporary: TemporaryDatabase) in
      let database = temporary.database
      let role = "service_of_\(temporary.name)"
      try await temporary.createRole(role)
      try await ServiceRole.grant(to: role, on: database)
      let ahead = EventDays.ahead + 1
      #expect(try await database.count(.partitions) == 2 * ahead)
      _ = try await database.query(
        Statement(
          """
          DO $$ BEGIN
            EXECUTE format('DROP TABLE %I', 'events' || to_char(now() AT TIME ZONE 'UTC', '_YYYYMMDD'));
          END $$
          """))
      try await temporary.withDatabase(as: role) { service in
        let days = EventDays(database: service)
        #expect(try await days.make() == 1)
        #expect(try await days.make() == 0)
        try await Deliveries(database: service).record([.sample("abc", key: 1)])
        #expect(try await days.drop(eventsOlderThan: 0, deliveriesOlderThan: 0) == 0)
      }
      for parent in ["deliveries", "events"] {
        for days in [2, 3, 10] { try await database.addDay(of: parent, daysAgo: days) }
      }
      _ = try await database.query(
        Statement(
          "INSERT INTO event_days SELECT (now() AT TIME ZONE 'UTC')::date - n, 1 FROM unnest('{2,3,10}'::int[]) AS n"
        ))
      try await temporary.withDatabase(as: role) { service in
        let days = EventDays(database: service)
        let dropped = try await days.drop(eventsOlderThan: 5, deliveriesOlderThan: 2)
        #expect(dropped == 3)
        #expect(try await database.count(Statement("SELECT count(*) FROM event_days")) == 2)
        #expect(try await days.drop(eventsOlderThan: 1, deliveriesOlderThan: 1) == 3)
      }
      #expect(try await database.count(.partitions) == 2 * ahead)
    }
  }
}

extension Statement {
  fileprivate static let partitions = Statement(
    "SELECT count(*) FROM pg_inherits WHERE inhparent IN ('deliveries'::regclass, 'events'::regclass)"
  )
}

extension Database {
  /// A partition of a day that is over.
  fileprivate func addDay(of parent: String, daysAgo days: Int) async throws {
    _ = try await transaction([
      Statement(
        "SELECT set_config('test.parent', $1, true), set_config('test.days', $2::text, true)",
        [parent, String(days)]),
      Statement(
        """
        DO $$
        DECLARE
          day date := (now() AT TIME ZONE 'UTC')::date - current_setting('test.days')::integer;
          parent text := current_setting('test.parent');
        BEGIN
          EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
            parent || to_char(day, '_YYYYMMDD'), parent, day, day + 1);
        END $$
        """),
    ])
  }
}

extension Delivery {
  static let sampleData = #"{"type":"order","id":18446744073709551616,"note":"\u0000"}"#

  static func sample(
    _ store: String, key: UInt8, fate: Fate? = nil, body: [UInt8] = Array("{}".utf8),
    signature: String = "valid",
    receivedAt: Timestamp = Timestamp(microseconds: 1_700_000_001_000_002)
  ) throws -> Delivery {
    Delivery(
      installation: InstallationID(app: .default, store: try #require(StoreHash(store))),
      key: [key],
      receivedAt: receivedAt, webhookID: "msg_\(key)", signature: signature,
      fate: fate
        ?? .event(
          Content(
            scope: "store/order/created", occurredAt: Timestamp(seconds: 1_700_000_000),
            data: sampleData)), requestID: try #require(RequestID("request-\(key)")), body: body)
  }
}
