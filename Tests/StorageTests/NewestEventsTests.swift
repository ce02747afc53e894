import Base
import Postgres
import Storage
import TestSupport
import Testing

@Suite struct `The newest events` {
  private func with<T: Sendable>(
    _ types: [String], _ body: @Sendable (Database, EventFeed) async throws -> T
  ) async throws -> T {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      _ = try await database.query(
        Statement(
          """
          INSERT INTO pending_events (app_id, store_hash, type, data)
          SELECT 'default', CASE WHEN n % 2 = 0 THEN 'even' ELSE 'odd' END, type, '{}'
          FROM unnest($1::text[]) WITH ORDINALITY AS event (type, n) ORDER BY n
          """, [types]))
      let sequencer = Sequencer(database: database, holder: "a")
      #expect(try await sequencer.claim())
      while try await sequencer.step(above: 0).count > 0 {}
      return try await body(database, EventFeed(database: database))
    }
  }

  @Test func `come newest first, page after page, each once`() async throws {
    try await with((1...7).map { "t/\($0)" }) { _, feed in
      var seen: [Int64] = []
      var before: Int64?
      repeat {
        let page = try await feed.newest(before: before, EventFilter(), limit: 3)
        #expect(page.events.count <= 3)
        seen += page.events.map(\.position)
        before = page.before
      } while before != nil
      #expect(seen == [7, 6, 5, 4, 3, 2, 1])
      // What comes meanwhile is not on an older page; a position that is not there yet is the end.
      let (events, rest) = try await feed.newest(before: 3, EventFilter(), limit: 9)
      #expect(events.map(\.position) == [2, 1] && rest == nil)
      #expect(try await feed.newest(before: 1000, EventFilter(), limit: 1).events[0].position == 7)
      #expect(try await feed.newest(before: 1, EventFilter(), limit: 1).events.isEmpty)
    }
  }

  @Test func `are told by type, family and store`() async throws {
    try await with(["t/1", "t/2", "u/1", "t/1", "u/2"]) { _, feed in
      var filter = EventFilter()
      filter.types = ["t/*"]
      let family = try await feed.newest(before: nil, filter, limit: 9)
      #expect(family.events.map(\.position) == [4, 2, 1])
      filter.types = ["t/1", "u/2"]
      filter.store = StoreHash("odd")
      let ofStore = try await feed.newest(before: nil, filter, limit: 9)
      #expect(ofStore.events.map(\.position) == [5, 1])
      filter.types = ["none/*"]
      let nothing = try await feed.newest(before: nil, filter, limit: 9)
      #expect(nothing.events.isEmpty && nothing.before == nil)
    }
  }

  @Test func `are looked for in so many positions at a time, and not before what is kept`()
    async throws
  {
    try await with(["t/1"]) { database, feed in
      // A rare type, far below the end of the feed.
      _ = try await database.query(
        Statement(
          """
          INSERT INTO events (app_id, store_hash, position, recorded_on, recorded_at, event_id, type, origin, occurred_at, data)
          SELECT 'default', 'abc', n, (now() AT TIME ZONE 'UTC')::date, now(), 'evt_' || n, 't/2', 'platform', now(), '{}'
          FROM generate_series(2, $1::bigint) AS n
          """, [EventFeed.span + 10]))
      _ = try await database.query(
        Statement("UPDATE feed SET last_position = $1", [EventFeed.span + 10]))
      var filter = EventFilter()
      filter.types = ["t/1"]
      let first = try await feed.newest(before: nil, filter, limit: 5)
      let reached = try #require(first.before)
      #expect(first.events.isEmpty && reached == 11)
      let second = try await feed.newest(before: reached, filter, limit: 5)
      #expect(second.events.map(\.position) == [1] && second.before == nil)
      // Once the first day is dropped, what was in it is not looked for.
      _ = try await database.query(Statement("UPDATE event_days SET first_position = 8"))
      let kept = try await feed.newest(before: reached, filter, limit: 5)
      #expect(kept.events.isEmpty && kept.before == nil)
    }
  }
}
