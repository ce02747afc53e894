import Base
import BigCommerce
import Events
import Postgres
import Storage

/// Pushing once more, and forgetting what is dead; either may first be counted.
extension SubscriptionsAPI {
  /// Between the clocks of BigCommerce and ours; what happened then may be recorded before.
  private static let leeway = Duration.seconds(600)

  /// `…/{id}/replay`.
  func replay(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let body = try request.object()
    let record = try await find(request)
    let chosen = try await choose(record, try await selection(body, request))
    guard try body.flag("dry_run") != true else {
      return APIAnswer(["would_replay": .integer(chosen.count)])
    }
    let count = try await stored { () throws(PostgresError) in
      try await deliveries.replay(record, events: chosen, by: request.act)
    }
    return APIAnswer(["replayed": .integer(count)])
  }

  /// `…/{id}/discard`.
  func discard(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let body = try request.object()
    let record = try await find(request)
    let chosen = try await choose(record, try await selection(body, request, isDeadOnly: true))
    guard try body.flag("dry_run") != true else {
      return APIAnswer(["would_discard": .integer(chosen.count)])
    }
    let count = try await stored { () throws(PostgresError) in
      try await deliveries.discard(record, events: chosen, by: request.act)
    }
    return APIAnswer(["discarded": .integer(count)])
  }

  /// `/v1/events/replay`: to the subscriptions that are named, or to all active ones, each of which
  /// gets what it wants of the events.
  func replayToAll(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let body = try request.object()
    let named = try body.optionalTexts("subscriptions")
    let records = try await targets(named, request)
    let selection = try await selection(body, request)
    let isDryRun = try body.flag("dry_run") == true
    var plan: [(record: SubscriptionRecord, events: [String])] = []
    for record in records {
      let chosen = try await choose(record, selection, keepsToTypes: named == nil)
      if !chosen.isEmpty { plan.append((record, chosen)) }
    }
    let word = isDryRun ? "would_replay" : "replayed"
    var total = 0
    var rows: [JSONValue] = []
    for (record, events) in plan {
      let count =
        isDryRun
        ? events.count
        : try await stored { () throws(PostgresError) in
          try await deliveries.replay(record, events: events, by: request.act)
        }
      total += count
      rows.append([
        "id": .string(record.id), "name": .string(record.name), "url": .string(record.url),
        word: .integer(count),
      ])
    }
    return APIAnswer([word: .integer(total), "subscriptions": .array(rows)])
  }

  private func targets(
    _ named: [String]?, _ request: APIRequest
  ) async throws(Problem) -> [SubscriptionRecord] {
    guard let named else {
      let all = try await translated { () throws(SubscriptionError) in
        try await subscriptions.list(within: request.reach, limit: .max)
      }
      return all.filter { $0.state == .active }
    }
    guard (1...100).contains(named.count), Set(named).count == named.count else {
      throw .badRequest("The field subscriptions is a list of 1 to 100 IDs, each once.")
    }
    var records: [SubscriptionRecord] = []
    for id in named { records.append(try await find(id, request)) }
    return records
  }

  private func choose(
    _ record: SubscriptionRecord, _ selection: PushSelection, keepsToTypes: Bool = false
  ) async throws(Problem) -> [String] {
    let chosen = try await stored { () throws(PostgresError) in
      try await deliveries.choose(record.id, selection, keepsToTypes: keepsToTypes)
    }
    guard chosen.count <= PushDeliveries.mostChosen else {
      throw .badRequest(
        """
        These are more than \(PushDeliveries.mostChosen) events of \(record.id): take them in pieces, or read the feed.
        """)
    }
    return chosen
  }

  private func selection(
    _ body: APIBody, _ request: APIRequest, isDeadOnly: Bool = false
  ) async throws(Problem) -> PushSelection {
    var selection = PushSelection()
    selection.events = try body.optionalTexts("event_ids")
    selection.isDeadOnly = try body.flag("failed") == true || isDeadOnly
    selection.filter = try request.filter(ofEvents: body)
    let (from, to) = (try body.optionalText("from"), try body.optionalText("to"))
    let isAll = try body.flag("failed") == true
    let hasStart = from != nil || selection.filter.since != nil
    guard let ids = selection.events else {
      guard isAll || hasStart, to == nil || from != nil else { throw .noSelection }
      try await limit(&selection, from: from, to: to)
      return selection
    }
    guard !isAll, !hasStart, to == nil, selection.filter.isOpen else { throw .noSelection }
    guard (1...1000).contains(ids.count) else {
      throw .badRequest("The field event_ids is a list of 1 to 1000 event IDs.")
    }
    return selection
  }

  /// Sets the positions between which to look.
  private func limit(
    _ selection: inout PushSelection, from: String?, to: String?
  ) async throws(Problem) {
    // A dead letter may outlive its event: without cursors all count.
    if selection.isDeadOnly && to == nil && (from ?? "oldest") == "oldest" { return }
    let state = try await stored { () throws(PostgresError) in try await feed.state() }
    let oldest = FeedCursor.oldest(in: state).position
    selection.through = state.last
    if let to { selection.through = try position(to, state) }
    if let from {
      selection.after = try position(from, state)
    } else if let since = selection.filter.since {
      selection.after = try await stored { () throws(PostgresError) in
        max(oldest, try await feed.position(before: since - Self.leeway))
      }
    }
    guard selection.after <= selection.through else {
      throw .badRequest("The cursor in from stands behind the one in to.")
    }
    guard
      selection.isDeadOnly
        || selection.through - selection.after <= PushDeliveries.longestLook
    else {
      throw .badRequest(
        """
        Between from and to lie more than \(PushDeliveries.longestLook) events: take them in pieces, or read the feed.
        """)
    }
  }

  private func position(_ text: String, _ state: FeedState) throws(Problem) -> Int64 {
    if text == "oldest" { return FeedCursor.oldest(in: state).position }
    guard let cursor = FeedCursor(text) else { throw .noCursor }
    do throws(FeedCursor.Fault) {
      return try cursor.resolve(in: state)
    } catch .expired(let resume) {
      throw .cursorExpired(resume)
    } catch {
      throw .noCursor
    }
  }
}

extension APIRequest {
  /// `types`, `store`, `app`, `since` and `until` of a body.
  fileprivate func filter(ofEvents body: APIBody) throws(Problem) -> EventFilter {
    let app = try body.optionalText("app")
    let tenant = try caller.tenant(
      app: app, store: try body.optionalText("store"), of: "field")
    var filter = EventFilter()
    // Not named, it is the subscription's.
    filter.app = app.flatMap { _ in tenant.app }
    filter.store = tenant.store
    if let types = try body.optionalTexts("types") { filter.types = try checkedTypes(types) }
    filter.since = try body.time("since")
    filter.until = try body.time("until")
    return filter
  }
}

extension EventFilter {
  /// Whether it leaves nothing out.
  fileprivate var isOpen: Bool { self == EventFilter() }
}

extension Problem {
  fileprivate static let noCursor = badRequest(
    "The fields from and to are cursors of this feed (an event's cursor, or next), or oldest.")

  fileprivate static let noSelection = badRequest(
    """
    Give one of: event_ids (a list, alone), from with or without to (cursors of the feed; from is excluded, as in \
    after=), since (a time), or failed (true: all dead letters). until, types, store and app narrow all but the first.
    """)
}
