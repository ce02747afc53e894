import Base
import NIOCore
import NIOHTTP1
import Synchronization

/// Commands on the webhook sender: how it works and misbehaves, events to fire, what became of
/// them.
enum ControlWebhooks {
  static let commands: [ControlAPI.Command] = [
    .init(.GET, "webhooks", "the sender's settings, faults, and the last notices") { call in
      .later(
        call.platform.webhooks.ask { $0.settings.document.setting("notices", .array($0.notices)) }
          .map { .json($0) })
    },
    .init(
      .PUT, "webhooks", "changes the sender: speed, timeout_ms, connections, activation_ms, faults",
      change),
    .init(.POST, "webhooks", arguments: 1, "flush: what waits for its time is due at once") {
      call throws(ControlError) in
      guard call.rest == ["flush"] else { throw .notFound("webhooks/\(call.rest[0])") }
      return .later(
        call.platform.webhooks.ask { $0.flush() }.map { .json(["flushed": .integer($0)]) })
    },
    .init(
      .POST, "events",
      "fires events: scope, data, store_hash (or store_hashes, or *), count, rate (a second)", fire
    ),
    .init(.GET, "events", "deliveries in all, and what became of them") { call in
      .later(call.platform.webhooks.ask { counts($0) }.map { .json($0) })
    },
    .init(.DELETE, "events", "ends the events that are still to be fired") { call in
      .later(call.platform.webhooks.ask { $0.volleys = [] }.map { .json(["done": true]) })
    },
    .init(
      .GET, "events", arguments: 1,
      "acknowledged, pending, lost or given_up deliveries: ?after=NUMBER&limit=&store=", list),
    .init(
      .GET, "deliveries", "attempts, oldest first: ?after=NUMBER&limit=&store=", attempts),
    .init(
      .POST, "cancel_store", "the store leaves the platform: store/app/uninstalled, then no tokens"
    ) { call throws(ControlError) in
      let store = try call.store()
      store.withData { $0.happen("store/app/uninstalled", ["type": "store"]) }
      call.platform.accounts.withLock { $0.revokeAll(of: store) }
      return .done
    },
  ]

  private static func change(_ call: ControlCall) throws(ControlError) -> Outcome {
    let order = call.body
    return .later(
      call.platform.webhooks.ask { sender -> SandboxResponse in
        do throws(ControlError) {
          try sender.settings.change(order)
        } catch {
          return error.response
        }
        sender.blocklist.setSpeed(sender.settings.speed)
        sender.rearm()
        return .json(sender.settings.document)
      })
  }

  private static func fire(_ call: ControlCall) throws(ControlError) -> Outcome {
    let scope = try call.text("scope")
    guard scope.hasPrefix("store/") else { throw .invalid("scope must begin with store/") }
    let count = Int(call.body["count"]?.integer ?? 1)
    guard (1...10_000_000).contains(count) else { throw .invalid("count must be 1 to 10000000") }
    let rate = call.body["rate"]?.lenientDecimal
    guard rate.map({ $0 > 0 }) != false else { throw .invalid("rate must be above 0") }
    let volley = Volley(
      scope: scope, data: call.body["data"], stores: try stores(call), count: count, rate: rate)
    return .later(
      call.platform.webhooks.ask { sender -> JSONValue in
        let before = sender.ledger.counts.fired
        sender.begin(volley)
        return [
          "events": .integer(count),
          "deliveries_begun": .integer(sender.ledger.counts.fired - before),
        ]
      }.map { .json($0, status: .created) })
  }

  private static func stores(_ call: ControlCall) throws(ControlError) -> [Store] {
    if call.body["store_hash"] == "*" {
      return call.platform.stores.withLock { $0.all }
    }
    guard let hashes = call.body["store_hashes"]?.array else { return [try call.store()] }
    var stores: [Store] = []
    for hash in hashes.compactMap(\.string) {
      guard let store = call.platform.store(hash) else { throw .notFound("store \(hash)") }
      stores.append(store)
    }
    guard !stores.isEmpty else { throw .invalid("store_hashes is empty") }
    return stores
  }

  private static func counts(_ sender: WebhookSender) -> JSONValue {
    let counts = sender.ledger.counts
    return [
      "fired": .integer(counts.fired), "acknowledged": .integer(counts[.acknowledged]),
      "pending": .integer(counts[.pending]), "lost": .integer(counts[.lost]),
      "given_up": .integer(counts[.givenUp]), "refused": .integer(counts.refused),
      "attempts": .integer(counts.attempts),
      "to_fire": .integer(sender.volleys.reduce(0) { $0 + $1.remaining }),
    ]
  }

  private static func list(_ call: ControlCall) throws(ControlError) -> Outcome {
    guard let state = DeliveryLedger.State(call.rest[0]) else {
      throw .notFound("events/\(call.rest[0])")
    }
    let page = LedgerPage(call.query)
    return .later(
      call.platform.webhooks.ask {
        $0.ledger.entries(state, after: page.after, store: page.store, limit: page.limit)
      }.hop(to: call.client.loop).map { .json(.array($0.map(document))) })
  }

  private static func attempts(_ call: ControlCall) throws(ControlError) -> Outcome {
    let page = LedgerPage(call.query)
    return .later(
      call.platform.webhooks.ask {
        $0.ledger.attempts(after: page.after, store: page.store, limit: page.limit)
      }.hop(to: call.client.loop).map { .json(.array($0.map(document))) })
  }

  /// The part of the ledger that a query asks for.
  private struct LedgerPage {
    let after: Int
    let limit: Int
    let store: String?

    init(_ query: Query) {
      after = query["after"].flatMap { Int($0) } ?? 0
      limit = min(100_000, query["limit"].flatMap { Int($0) } ?? 1000)
      store = query["store"]
    }
  }

  private static func document(_ entry: DeliveryLedger.Entry) -> JSONValue {
    [
      "number": .integer(entry.number), "event_id": .string(entry.id),
      "scope": .string(entry.scope), "store_hash": .string(entry.store),
      "hook_id": .number(entry.hook), "attempts": .integer(entry.attempts),
    ]
  }

  private static func document(_ entry: DeliveryLedger.AttemptEntry) -> JSONValue {
    let delivery = entry.delivery
    return [
      "number": .integer(entry.number),
      "delivery": delivery.map { .integer($0.number) } ?? .null,
      "event_id": delivery.map { .string($0.id) } ?? .null,
      "scope": delivery.map { .string($0.scope) } ?? .null,
      "store_hash": delivery.map { .string($0.store) } ?? .null,
      "hook_id": delivery.map { .number($0.hook) } ?? .null,
      "attempt": .integer(entry.attempt),
      "status": entry.status.map { .integer($0) } ?? .null,
      "failure": entry.failure.map { .string($0.rawValue) } ?? .null,
      "acknowledged": .bool(entry.failure == nil),
      "sent_at": .string(entry.sent.description),
      "latency_ms": .number("\(Double(entry.took.inMicroseconds) / 1000)"),
    ]
  }
}
