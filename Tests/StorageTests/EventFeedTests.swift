import Base
import Postgres
import Storage
import TestSupport
import Testing

@Suite struct `The feed` {
  private struct Feed: Sendable {
    let database: Database
    let sequencer: Sequencer
    let feed: EventFeed

    /// Writes events, each in a transaction of its own.
    func add(_ types: [String], store: String = "abc", app: String = "default") async throws {
      for type in types {
        _ = try await database.query(
          Statement(
            "INSERT INTO pending_events (app_id, store_hash, type, data) VALUES ($1, $2, $3, '{}')",
            [app, store, type]))
      }
    }

    /// All events behind a position.
    func all(after position: Int64 = 0, matching filter: EventFilter = EventFilter()) async throws
      -> [EventRecord]
    {
      try await feed.read(after: position, upTo: try await feed.lastPosition(), filter, limit: 1000)
        .events
    }
  }

  private func withFeed<T: Sendable>(
    _ body: @Sendable (Feed) async throws -> T
  ) async throws -> T {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      try await body(
        Feed(
          database: database, sequencer: Sequencer(database: database, holder: "a"),
          feed: EventFeed(database: database)))
    }
  }

  @Test func `positions have no gaps, and what is pending is in no page`() async throws {
    try await withFeed { feed in
      try await feed.add(["t/1", "t/2"])
      #expect(try await feed.all().isEmpty)
      #expect(try await feed.sequencer.claim())
      #expect(try await feed.sequencer.step(above: 0).count == 2)
      #expect(try await feed.sequencer.step(above: 0).count == 0)
      try await feed.add(["t/3"])
      #expect(try await feed.sequencer.step(above: 0).count == 1)
      let events = try await feed.all()
      #expect(events.map(\.type) == ["t/1", "t/2", "t/3"])
      #expect(events.map(\.position) == [1, 2, 3])
      #expect(Set(events.map(\.id)).count == 3)
      #expect(try await feed.all(after: 2).map(\.type) == ["t/3"])
      #expect(try await feed.feed.find(events[1].id) == events[1])
      #expect(try await feed.feed.find("evt_none") == nil)
      #expect(try await feed.feed.state().last == 3)
    }
  }

  @Test func `filters by type, family, store, app and time; a page says how far it looked`()
    async throws
  {
    try await withFeed { feed in
      try await feed.add(["store/order/created", "store/order/updated", "store/orderly"])
      try await feed.add(["store/order/created"], store: "other")
      try await feed.add(["app/installed"], store: "third", app: "second")
      #expect(try await feed.sequencer.claim())
      _ = try await feed.sequencer.step(above: 0)
      var filter = EventFilter()
      filter.types = ["store/order/*", "app/installed"]
      #expect(try await feed.all(matching: filter).map(\.position) == [1, 2, 4, 5])
      filter.store = StoreHash("abc")
      #expect(try await feed.all(matching: filter).map(\.position) == [1, 2])
      filter = EventFilter()
      filter.app = AppName("second")
      #expect(try await feed.all(matching: filter).map(\.position) == [5])
      filter.types = ["store/%"]
      let nothing = try await feed.feed.read(after: 0, upTo: 5, filter, limit: 10)
      #expect(nothing.events.isEmpty && nothing.position == 5)
      let cut = try await feed.feed.read(after: 0, upTo: 5, EventFilter(), limit: 2)
      #expect(cut.events.count == 2 && cut.position == 2)
      filter = EventFilter()
      filter.since = Timestamp(seconds: 4_000_000_000)
      #expect(try await feed.all(matching: filter).isEmpty)
    }
  }

  @Test func `one replica moves the feed at a time, and another takes over`() async throws {
    try await withFeed { feed in
      let other = Sequencer(database: feed.database, holder: "b")
      #expect(try await feed.sequencer.claim())
      #expect(try await feed.sequencer.claim(), "its own")
      #expect(try await !other.claim())
      try await feed.add(["t/1"])
      #expect(try await other.step(above: 0).count == 0, "who has no lease takes nothing")
      try await feed.sequencer.release()
      #expect(try await other.claim())
      #expect(try await feed.sequencer.step(above: 0).count == 0)
      #expect(try await other.step(above: 0).count == 1)
      _ = try await feed.database.query(
        Statement("UPDATE feed SET lease_until = now() - interval '1 second'"))
      #expect(try await feed.sequencer.claim(), "a lease that ran out")
    }
  }

  @Test func `another history of the server begins another epoch, and the same does not`()
    async throws
  {
    try await withFeed { feed in
      #expect(try await feed.sequencer.claim())
      try await feed.add(["t/1"])
      _ = try await feed.sequencer.step(above: 0)
      #expect(try await feed.sequencer.claim())
      #expect(try await feed.feed.state().epochs == [1: 0])
      _ = try await feed.database.query(Statement("UPDATE feed SET server = 'restored'"))
      #expect(try await feed.sequencer.claim())
      let state = try await feed.feed.state()
      #expect(state.epoch == 2 && state.epochs == [1: 0, 2: 1])
    }
  }

  @Test func `nothing gets a position on another history before that is noticed`() async throws {
    try await withFeed { feed in
      #expect(try await feed.sequencer.claim())
      try await feed.add(["t/1"])
      _ = try await feed.sequencer.step(above: 0)
      // A backup takes the database's place between two statements; the lease is in it.
      _ = try await feed.database.query(Statement("UPDATE feed SET server = 'before the backup'"))
      try await feed.add(["t/2"])
      #expect(try await feed.sequencer.step(above: 0).count == 0)
      #expect(try await feed.sequencer.claim())
      #expect(try await feed.sequencer.step(above: 0).count == 1)
      #expect(try await feed.feed.state().epochs == [1: 0, 2: 1])
    }
  }

  @Test func `a day never goes back, and a reader finds all days from its position on`()
    async throws
  {
    try await withFeed { feed in
      #expect(try await feed.sequencer.claim())
      // As when the server before this one was ahead of it by three days.
      _ = try await feed.database.query(
        Statement(
          "INSERT INTO event_days VALUES ((now() AT TIME ZONE 'UTC')::date, 1), ((now() AT TIME ZONE 'UTC')::date + 3, 2)"
        ))
      _ = try await feed.database.query(
        Statement(
          """
          INSERT INTO events SELECT 'default', 'abc', 1, (now() AT TIME ZONE 'UTC')::date, now(), 'evt_1', 't/1',
            'lifecycle', now(), '{}'
          """))
      _ = try await feed.database.query(Statement("UPDATE feed SET last_position = 1"))
      try await feed.add(["t/2", "t/3"])
      #expect(try await feed.sequencer.step(above: 0).count == 2)
      #expect(try await feed.all().map(\.position) == [1, 2, 3])
      #expect(try await feed.all(after: 1).map(\.position) == [2, 3])
      #expect(
        try await feed.database.count(
          Statement(
            "SELECT count(*) FROM events WHERE recorded_on = (now() AT TIME ZONE 'UTC')::date + 3"))
          == 2)
    }
  }
}
