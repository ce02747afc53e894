import Base
import Logging
import Postgres
import Storage
import TestSupport
import Testing

@testable import Events

@Suite struct `Reading the feed` {
  private struct Running: Sendable {
    let database: Database
    let reader: FeedReader

    func add(_ type: String, store: String = "abc") async throws {
      _ = try await database.query(
        Statement(
          "INSERT INTO pending_events (app_id, store_hash, type, data) VALUES ('default', $1, $2, '{}')",
          [store, type]))
    }

    func page(
      _ start: FeedReader.Start, limit: Int = 100, wait: Duration = .zero,
      isAllowed: (EventRecord) -> Bool = { _ in true }
    ) async throws -> FeedReader.Page {
      try await reader.page(
        from: start, EventFilter(), limit: limit, wait: wait, isAllowed: isAllowed)
    }
  }

  /// With the feed's services running.
  private func withFeed(
    _ body: @escaping @Sendable (Running) async throws -> Void
  ) async throws {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      let feed = EventFeed(database: database)
      let watch = FeedWatch(feed: feed, logger: .quiet)
      let sequencer = SequencerService(
        sequencer: Sequencer(database: database, holder: "test"), logger: .quiet)
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { await watch.run() }
        group.addTask { await sequencer.run() }
        try await body(Running(database: database, reader: FeedReader(feed: feed, watch: watch)))
        group.cancelAll()
      }
    }
  }

  @Test func `pages lead from one to the next, and an empty one leads on`() async throws {
    try await withFeed { running in
      for number in 1...5 { try await running.add("t/\(number)") }
      let first = try await running.page(.oldest, limit: 2, wait: .seconds(30))
      var types = first.events.map(\.type)
      var next = first.next
      while types.count < 5 {
        let page = try await running.page(.after(next), limit: 2, wait: .seconds(30))
        types += page.events.map(\.type)
        next = page.next
      }
      #expect(types == (1...5).map { "t/\($0)" })
      let empty = try await running.page(.after(next))
      #expect(empty.events.isEmpty && empty.next == next)
    }
  }

  @Test func `who waits hears of an event soon, and of none when the time is over`() async throws {
    try await withFeed { running in
      let start = try await running.page(.newest).next
      async let waiting = running.page(.after(start), wait: .seconds(60))
      try await running.add("t/late")
      #expect(try await waiting.events.map(\.type) == ["t/late"])
      let began = ContinuousClock.now
      let none = try await running.page(.newest, wait: .milliseconds(300))
      #expect(none.events.isEmpty)
      #expect(ContinuousClock.now - began >= .milliseconds(300))
    }
  }

  @Test func `a caller never sees what it may not, and passes over it`() async throws {
    try await withFeed { running in
      for number in 1...20 {
        try await running.add("t/\(number)", store: number.isMultiple(of: 10) ? "mine" : "other")
      }
      var seen: [String] = []
      var start = FeedReader.Start.oldest
      while seen.count < 2 {
        let page = try await running.page(start, limit: 3, wait: .seconds(30)) {
          $0.store?.text == "mine"
        }
        seen += page.events.map(\.type)
        start = .after(page.next)
      }
      #expect(seen == ["t/10", "t/20"])
    }
  }

  @Test func `a reader that goes away waits no longer`() async throws {
    try await withFeed { running in
      let start = try await running.page(.newest).next
      let waiting = Task { try await running.page(.after(start), wait: .seconds(600)) }
      waiting.cancel()
      // Nobody is left to hear how it ended.
      _ = await waiting.result
    }
  }
}
