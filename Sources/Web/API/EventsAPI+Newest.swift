import Base
import Events
import Postgres
import Storage

extension EventsAPI {
  /// How long one call may look for events that are rare before it says how far it has come.
  private static let lookFor = Duration.seconds(2)

  /// Backwards from the newest: for people who look what happened, not for readers of the feed.
  func listNewest(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let filter = try EventQuery.filter(request.query, request.caller)
    let limit = try request.query.limit()
    var before = try request.query.after { (text) throws(Problem) in
      try NumberCursor(text, "e").number
    }
    let began = clock.now()
    var found: [EventRecord] = []
    repeat {
      let page = try await stored { [before, room = limit - found.count] () throws(PostgresError) in
        try await feed.newest(before: before, filter, limit: room)
      }
      // The key may have ended while we looked.
      let caller = try request.caller.now()
      found += page.events.filter(caller.maySee)
      before = page.before
    } while before != nil && found.count < limit && clock.now() - began < Self.lookFor
    return .page(
      found.map { EventDocument.json(for: $0) },
      next: before.map { NumberCursor(number: $0, "e").text })
  }
}
