package import Base
import BigCommerce
package import Events
import HTTPTypes
import Postgres
package import Storage

/// `/v1/events`: the ordered feed, a page at a time.
package struct EventsAPI: Sendable {
  /// The longest that a caller may let a page wait for its first event.
  static let longestWait = 60

  let reader: FeedReader
  let feed: EventFeed
  let draining: Draining
  let clock: MonotonicClock

  package init(
    reader: FeedReader, feed: EventFeed, draining: Draining, clock: MonotonicClock = .system
  ) {
    self.reader = reader
    self.feed = feed
    self.draining = draining
    self.clock = clock
  }

  package var routes: [APIRoute] {
    [
      APIRoute(.listEvents) { request throws(Problem) in try await list(request) },
      APIRoute(.listNewestEvents) { request throws(Problem) in try await listNewest(request) },
      APIRoute(.showEvent) { request throws(Problem) in try await show(request) },
    ]
  }

  private func list(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let wanted = try EventQuery(request.query, request.caller)
    let wait = try request.query.wholeNumber("wait", 0...EventsAPI.longestWait) ?? 0
    let page = try await reader.find(
      wanted, limit: try request.query.limit(), wait: .seconds(wait), request.caller
    ) { draining.isDraining }
    let data = zip(page.events, page.cursors).map { EventDocument.json(for: $0, at: $1) }
    return APIAnswer([
      "data": .array(data), "next": .string(page.next.text), "more": .bool(!page.isAtEnd),
    ])
  }

  private func show(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let event = try await stored { () throws(PostgresError) in
      try await feed.find(request.arguments[0])
    }
    guard let event, request.caller.maySee(event) else { throw .unknown("event") }
    return APIAnswer(EventDocument.json(for: event))
  }
}

/// Which events a caller asks for, and from where on.
struct EventQuery: Sendable {
  var start: FeedReader.Start
  let filter: EventFilter

  /// `after` is a cursor, `oldest` (also when it is absent) or `newest`.
  ///
  /// - Throws: 400 for what is malformed, 403 for what the caller's grant does not hold.
  init(_ query: APIQuery, _ caller: APICaller) throws(Problem) {
    start = try EventQuery.start(query["after"])
    filter = try EventQuery.filter(query, caller)
  }

  static func filter(_ query: APIQuery, _ caller: APICaller) throws(Problem) -> EventFilter {
    var filter = EventFilter()
    (filter.app, filter.store) = try query.tenant(of: caller)
    filter.types = try query.patterns("type")
    filter.since = try query.time("since")
    filter.until = try query.time("until")
    return filter
  }

  static func start(_ text: String?) throws(Problem) -> FeedReader.Start {
    switch text {
    case nil, "oldest": return .oldest
    case "newest": return .newest
    case .some(let text):
      guard let cursor = FeedCursor(text) else { throw .badCursor }
      return .after(cursor)
    }
  }
}

extension APIQuery {
  /// `app` and `store`, within the caller's grant.
  ///
  /// - Throws: 400 for what is malformed, 403 for what the grant does not hold.
  func tenant(of caller: APICaller) throws(Problem) -> (app: AppName?, store: StoreHash?) {
    try caller.tenant(app: self["app"], store: self["store"], of: "query parameter")
  }

  /// Types of events, and patterns that end in `/*`, with commas between; none when it is absent.
  func patterns(_ name: String) throws(Problem) -> [String] {
    guard let text = self[name] else { return [] }
    let patterns = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    let isFine = patterns.allSatisfy { pattern in
      !pattern.isEmpty && !pattern.utf8.contains(0)
        && !pattern.dropLast(pattern.hasSuffix("/*") ? 1 : 0).contains("*")
    }
    guard isFine, patterns.count <= 50 else {
      throw .badRequest(
        "The query parameter \(name) is up to 50 of store/order/created or store/order/*, with commas between."
      )
    }
    return patterns
  }
}

extension FeedReader {
  /// ``page(from:_:limit:wait:isAllowed:isOver:)`` for a caller, with the API's problems.
  ///
  /// The key is checked again all the while; a page is refused when it no longer counts, so that
  /// nothing is passed over.
  func find(
    _ query: EventQuery, limit: Int, wait: Duration, _ caller: APICaller, isOver: () -> Bool
  ) async throws(Problem) -> Page {
    var refusal: Problem?
    func current() -> APICaller? {
      guard refusal == nil else { return nil }
      do throws(Problem) {
        return try caller.now()
      } catch {
        refusal = error
        return nil
      }
    }
    let found: Page
    do throws(Failure) {
      found = try await page(
        from: query.start, query.filter, limit: limit, wait: wait,
        isAllowed: { current()?.maySee($0) ?? false }, isOver: { current() == nil || isOver() })
    } catch {
      switch error {
      case .database(let error): throw .database(error)
      case .cursor(.foreign): throw .badCursor
      case .cursor(.expired(let resume)): throw .cursorExpired(resume)
      }
    }
    _ = current()
    if let refusal { throw refusal }
    return found
  }
}

extension APICaller {
  /// An app and a store as a caller named them, within its grant; without an app, the key's own.
  ///
  /// - Throws: 400 for what is malformed, 403 for what the grant does not hold.
  func tenant(
    app name: String?, store hash: String?, of place: String
  ) throws(Problem) -> (app: AppName?, store: StoreHash?) {
    var app = grant.app
    if let name {
      guard let known = AppName(name) else {
        throw .badRequest("The \(place) app is an app's name.")
      }
      guard grant.allows(app: known) else {
        throw .grantMissing("This key is not for the app \(known).")
      }
      app = known
    }
    guard let hash else { return (app, nil) }
    guard let store = StoreHash(hash) else {
      throw .badRequest("The \(place) store is 1 to 32 lower-case letters and digits.")
    }
    guard mayName(InstallationID(app: app ?? .default, store: store)) else {
      throw .grantMissing("This key is not for the store \(store).")
    }
    return (app, store)
  }

  /// Events of an app as a whole are for keys of all its stores.
  func maySee(_ event: EventRecord) -> Bool {
    guard let store = event.store else {
      return grant.stores == .all && grant.allows(app: event.app)
    }
    return mayName(InstallationID(app: event.app, store: store))
  }
}

extension EventDocument {
  /// The event with its cursor, from which the feed goes on behind it.
  static func json(for event: EventRecord, at cursor: FeedCursor) -> JSONValue {
    .object((json(for: event).members ?? []) + [.init("cursor", .string(cursor.text))])
  }
}

extension Problem {
  static let badCursor = Problem.badRequest(
    "The query parameter after is a cursor of this feed (next, or an event's cursor), oldest or newest."
  )

  static func cursorExpired(_ resume: FeedCursor) -> Problem {
    Problem(
      status: 410, code: "cursor_expired", title: "Cursor expired",
      detail:
        "What follows this cursor is no longer kept. Go on with the cursor in oldest, and compare what you hold with the stores.",
      fields: [.init("oldest", .string(resume.text))])
  }
}
