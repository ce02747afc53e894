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
      "origin": "lifecycle", "synthetic": nil, "occurred_at": .string(now),
      "recorded_at": .string(now),
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
