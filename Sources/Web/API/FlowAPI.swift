package import Base
import BigCommerce
import HTTPTypes
import Postgres
package import Storage

/// `/v1/flow`: what came in, went out and waited, by time, of all stores together.
package struct FlowAPI: Sendable {
  private static let most = Duration.seconds(400 * 86400)

  let ledger: FlowLedger
  let clock: WallClock

  package init(ledger: FlowLedger, clock: WallClock = .system) {
    self.ledger = ledger
    self.clock = clock
  }

  package var routes: [APIRoute] {
    [APIRoute(.showFlow) { request throws(Problem) in try await read(request) }]
  }

  private func read(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    guard request.caller.grant.seesBacklog else {
      throw .grantMissing("What comes and waits is told of all stores of all apps together only.")
    }
    let query = request.query
    let until = try query.time("until") ?? clock.now()
    let since = try query.time("since") ?? (until - .seconds(3600))
    guard since < until, until - since <= Self.most else {
      throw .badRequest("The query parameter since lies before until, by at most 400 days.")
    }
    let grain =
      try query.word("step", FlowLedger.Grain.self)
      ?? (until - since <= .seconds(3 * 3600) ? .minute : .hour)
    let limit = try query.limit()
    let after = try query.after { (text) throws(Problem) in try FlowCursor(text).startsAt }
    // Behind the beginning of a step is the next one.
    let first = after.map { $0 + .seconds(1) } ?? since.start(of: grain)
    let found = try await stored { () throws(PostgresError) in
      try await ledger.read(grain, since: first, until: until, limit: limit + 1)
    }
    let page = found.prefix(limit)
    let next = found.count > limit ? page.last.map { FlowCursor(startsAt: $0.startsAt) } : nil
    return .page(page.map(\.document), next: next?.text)
  }
}

extension Grant {
  /// What waits is not told apart by store, so it is for those who may read all events.
  var seesBacklog: Bool { app == nil && stores == .all && allows(.eventsRead) }
}

/// Where a page ends: with the step that began then.
private struct FlowCursor {
  let startsAt: Timestamp

  init(startsAt: Timestamp) {
    self.startsAt = startsAt
  }

  init(_ text: String) throws(Problem) {
    let seconds = try NumberCursor(text, "f").number
    // Until the year 9999.
    guard (0...253_402_300_799).contains(seconds) else {
      throw .badRequest("The query parameter after takes the next of the previous answer.")
    }
    startsAt = Timestamp(seconds: seconds)
  }

  var text: String { NumberCursor(number: startsAt.seconds, "f").text }
}

extension Timestamp {
  /// The beginning of the minute or hour in UTC.
  fileprivate func start(of grain: FlowLedger.Grain) -> Timestamp {
    Timestamp(seconds: seconds - seconds % (grain == .minute ? 60 : 3600))
  }
}

extension FlowRow {
  fileprivate var document: JSONValue {
    [
      "starts_at": .time(startsAt), "deliveries_taken": .integer(counts.deliveriesTaken),
      "deliveries_refused": .integer(counts.deliveriesRefused), "events": .integer(events),
      "pushes_made": .integer(counts.pushesMade), "pushes_failed": .integer(counts.pushesFailed),
      "pending_events": .integer(most.pendingEvents), "behind_events": .integer(most.behind),
      "pushes_pending": .integer(most.pending), "pushes_due": .integer(most.due),
      "pushes_dead": .integer(most.dead), "feed_lag_seconds": .seconds(feedLag),
      "push_lag_seconds": .seconds(most.overdue),
    ]
  }
}

extension JSONValue {
  fileprivate static func seconds(_ duration: Duration) -> JSONValue {
    .number(String(duration.inSeconds))
  }
}
