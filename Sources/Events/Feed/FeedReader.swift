package import Base
package import Postgres
package import Storage

/// Reads the feed for callers: cursors in, pages out, waiting for news where it is wanted.
package struct FeedReader: Sendable {
  /// What a caller gets.
  package struct Page: Sendable {
    package let events: [EventRecord]
    /// Where each event stands, in the same order.
    package let cursors: [FeedCursor]
    /// Where to go on.
    package let next: FeedCursor
    /// Whether nothing was behind `next`, of whatever kind.
    package let isAtEnd: Bool
  }

  /// Where a caller wants to begin.
  package enum Start: Hashable, Sendable {
    case oldest
    case newest
    case after(FeedCursor)
  }

  /// Why there is no page.
  package enum Failure: Error {
    case cursor(FeedCursor.Fault)
    case database(PostgresError)
  }

  /// How long one call may look for events that are rare before it says how far it has come.
  private static let lookFor = Duration.seconds(2)

  private let feed: EventFeed
  private let watch: FeedWatch
  private let clock: MonotonicClock

  package init(feed: EventFeed, watch: FeedWatch, clock: MonotonicClock = .system) {
    self.feed = feed
    self.watch = watch
    self.clock = clock
  }

  /// The next events, at most `limit`; waits for the first of them for at most `wait`.
  ///
  /// `isAllowed` says whether the caller may see an event; `isOver` is asked about once a second and
  /// ends the waiting.
  ///
  /// - Returns: no events when there are none, or none yet; its `next` leads on all the same.
  /// - Throws: for a cursor that leads nowhere, and when the database cannot be read.
  package func page(
    from start: Start, _ filter: EventFilter, limit: Int, wait: Duration = .zero,
    isAllowed: (EventRecord) -> Bool, isOver: () -> Bool = { false }
  ) async throws(Failure) -> Page {
    let began = clock.now()
    var state = try await state()
    var position = try position(of: start, in: state)
    while true {
      let page = try await read(after: position, upTo: state.last, filter, limit)
      position = page.position
      let events = page.events.filter(isAllowed)
      let spent = clock.now() - began
      let isAtEnd = position >= state.last
      if !events.isEmpty || Task.isCancelled || (!isAtEnd && spent >= Self.lookFor + wait) {
        return Page(events, at: position, in: state)
      }
      guard isAtEnd else { continue }
      guard spent < wait, !isOver() else { return Page([], at: position, in: state) }
      await watch.wait(behind: position, atMost: min(wait - spent, .seconds(1)))
      let place = FeedCursor(position: position, in: state)
      state = try await self.state()
      // Another epoch may have begun meanwhile, with fewer events than were there.
      position = try self.position(of: .after(place), in: state)
    }
  }

  private func position(of start: Start, in state: FeedState) throws(Failure) -> Int64 {
    switch start {
    case .oldest: return FeedCursor.oldest(in: state).position
    case .newest: return state.last
    case .after(let cursor):
      do throws(FeedCursor.Fault) {
        return try cursor.resolve(in: state)
      } catch {
        throw .cursor(error)
      }
    }
  }

  private func state() async throws(Failure) -> FeedState {
    do throws(PostgresError) {
      return try await feed.state()
    } catch {
      throw .database(error)
    }
  }

  private func read(
    after position: Int64, upTo end: Int64, _ filter: EventFilter, _ limit: Int
  ) async throws(Failure) -> EventPage {
    do throws(PostgresError) {
      return try await feed.read(after: position, upTo: end, filter, limit: limit)
    } catch {
      throw .database(error)
    }
  }
}

extension FeedReader.Page {
  fileprivate init(_ events: [EventRecord], at position: Int64, in state: FeedState) {
    self.events = events
    cursors = events.map { FeedCursor(position: $0.position, in: state) }
    next = FeedCursor(position: position, in: state)
    isAtEnd = position >= state.last
  }
}
