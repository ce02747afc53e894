import Base
import BigCommerce
import Events
import Postgres
import Storage

extension SubscriptionsAPI {
  /// Sends a test event now and tells what came back; nothing of it is kept.
  func ping(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let record = try await find(request)
    let keys = try await translated { () throws(SubscriptionError) in
      try await subscriptions.keys(of: record)
    }
    let id = "evt_" + Hex.encode(random.bytes(16))
    let now = WallClock.system.now().description
    let event: JSONValue = [
      "id": .string(id), "type": "app/subscription_ping",
      "app": record.filter.app.map { .string($0.text) } ?? .null, "store_hash": nil,
      "origin": "lifecycle", "occurred_at": .string(now), "recorded_at": .string(now),
      "data": ["subscription_id": .string(record.id)],
    ]
    let answer = await client.send(
      to: record.url, id: id, body: event.encoded(), keys: keys)
    guard let answer else {
      throw Problem(
        status: 503, code: "draining", title: "Draining",
        detail: "This replica is shutting down; ask another.", retryAfter: 2)
    }
    let facts: [JSONValue.Member] = [
      .init("delivered", .bool(answer.verdict == .accepted)), .init("event_id", .string(id)),
    ]
    return APIAnswer(.object(facts + (answer.attempt.document.members ?? [])))
  }

  func replay(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let body = try APIBody(request.body, known: ["event_ids", "from", "to", "failed"])
    let record = try await find(request)
    let what = try await wanted(body)
    let count = try await stored { () throws(PostgresError) in
      try await deliveries.replay(record.id, what)
    }
    try await translated { () throws(SubscriptionError) in
      try await subscriptions.noteReplay(record, count: count, by: request.act)
    }
    return APIAnswer(["replayed": .integer(count)])
  }

  private func wanted(_ body: APIBody) async throws(Problem) -> PushReplay {
    let ids = try body.optionalTexts("event_ids")
    let (from, to) = (try body.optionalText("from"), try body.optionalText("to"))
    let failed = try body.flag("failed")
    switch (ids, from, to, failed) {
    case (let ids?, nil, nil, nil):
      guard (1...1000).contains(ids.count) else {
        throw .badRequest("The field event_ids is a list of 1 to 1000 event IDs.")
      }
      return .events(ids)
    case (nil, let from?, let to, nil):
      return try await range(from: from, to: to)
    case (nil, nil, nil, true?):
      return .dead
    default:
      throw .badRequest(
        """
        Give one of: event_ids (a list), from with or without to (cursors of the feed; from is excluded, as in after=), \
        or failed (true: all dead letters).
        """)
    }
  }

  private func range(from: String, to: String?) async throws(Problem) -> PushReplay {
    let state = try await stored { () throws(PostgresError) in try await feed.state() }
    func position(_ text: String) throws(Problem) -> Int64 {
      if text == "oldest" { return FeedCursor.oldest(in: state).position }
      guard let cursor = FeedCursor(text) else { throw .badCursor }
      do throws(FeedCursor.Fault) {
        return try cursor.resolve(in: state)
      } catch .expired(let resume) {
        throw .cursorExpired(resume)
      } catch {
        throw .badCursor
      }
    }
    let after = try position(from)
    let through = try to.map { text throws(Problem) in try position(text) } ?? state.last
    guard after <= through else {
      throw .badRequest("The cursor in from stands behind the one in to.")
    }
    guard through - after <= PushDeliveries.longestReplay else {
      throw .badRequest(
        """
        Between from and to lie more than \(PushDeliveries.longestReplay) events: replay them in pieces, or read the feed.
        """)
    }
    return .range(after: after, through: through)
  }
}

extension SubscriptionRecord {
  var document: JSONValue {
    [
      "id": .string(id), "name": .string(name), "url": .string(url),
      "app": filter.app.map { .string($0.text) } ?? .null,
      "stores": .array((storeNames ?? ["*"]).map { .string($0) }),
      "types": .array((filter.types.isEmpty ? ["*"] : filter.types).map { .string($0) }),
      "concurrency": .integer(concurrency), "state": .string(state.rawValue),
      "state_changed_at": .time(stateChangedAt), "created_by": .string(createdBy),
      "created_at": .time(createdAt), "pending": .integer(pending), "dead": .integer(dead),
      "failures": .integer(failures), "failing_since_at": .time(failingSince),
      "last_failed_at": .time(lastFailedAt), "last_succeeded_at": .time(lastSucceededAt),
      "paused_until_at": .time(pausedUntil),
    ]
  }

  /// The only place where a secret goes out; it is shown once.
  func document(secret: Secret<String>) -> JSONValue {
    .object((document.members ?? []) + [.init("secret", .string(secret.expose()))])
  }
}

extension PushRecord {
  /// The event is the body of each request; `webhook-id` is its ID.
  var document: JSONValue {
    [
      "id": .string(String(number)), "event": EventDocument.json(for: event),
      "state": .string(state), "attempts": .integer(attempts),
      "due_at": finishedAt == nil ? .time(dueAt) : .null, "under_way": .bool(isUnderWay),
      "created_at": .time(createdAt), "finished_at": .time(finishedAt), "log": log,
    ]
  }
}
