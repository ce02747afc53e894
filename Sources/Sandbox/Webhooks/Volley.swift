import Base
import NIOCore

/// An order to fire synthetic events, at once or so many a second, over several stores in turn.
struct Volley {
  let scope: String
  /// The `data` of each, its integer `id` counting upward; `nil` for what the family has.
  let data: JSONValue?
  let stores: [Store]
  let count: Int
  /// Events a second; `nil` as fast as there is room.
  let rate: Double?
  let started = NIODeadline.now()
  private(set) var made = 0

  init(scope: String, data: JSONValue?, stores: [Store], count: Int, rate: Double?) {
    self.scope = scope
    self.data = data
    self.stores = stores
    self.count = count
    self.rate = rate
  }

  var remaining: Int { count - made }

  /// How many are due, at most so many.
  func due(at now: NIODeadline, atMost limit: Int) -> Int {
    guard let rate else { return min(remaining, limit) }
    let seconds = Double((now - started).nanoseconds) / 1e9
    return max(0, min(limit, min(count, Int(seconds * rate) + 1) - made))
  }

  /// The next event and its store.
  mutating func next(text: RandomText) -> (Store, Happening) {
    defer { made += 1 }
    let store = stores[made % stores.count]
    guard let data else {
      return (store, Happening(scope: scope, data: sample(text)))
    }
    guard count > 1, let id = data["id"]?.integer else {
      return (store, Happening(scope: scope, data: data))
    }
    return (store, Happening(scope: scope, data: data.setting("id", .integer(id + Int64(made)))))
  }

  /// `{"type": "order", "id": 17}`, as most families write it.
  private func sample(_ text: RandomText) -> JSONValue {
    let family = scope.split(separator: "/").dropFirst().first.map(String.init) ?? "store"
    let id: JSONValue = family == "cart" ? .string(text.uuid()) : .integer(made + 1)
    return ["type": .string(family), "id": id]
  }
}

extension WebhookSender {
  /// Events that one beat makes at most, so that others get their turn on the event loop.
  private static let burst = 1000

  /// Begins a volley; its first events are made before this returns.
  func begin(_ volley: Volley) {
    volleys.append(volley)
    fireVolleys()
  }

  private func fireVolleys() {
    beat = nil
    for index in volleys.indices {
      let room = pendingLimit / 2 - ledger.counts[.pending]
      let limit = volleys[index].rate == nil ? min(room, WebhookSender.burst) : WebhookSender.burst
      for _ in 0..<max(0, volleys[index].due(at: .now(), atMost: limit)) {
        let (store, happening) = volleys[index].next(text: text)
        let now = clock.now()
        let hooks = store.withHooks { $0.listeners(to: happening.scope, at: now) }
        accept(Occurrence(store: store, happening: happening, at: now, hooks: hooks))
      }
    }
    volleys.removeAll { $0.remaining <= 0 }
    guard !volleys.isEmpty, beat == nil else { return }
    beat = loop.assumeIsolated().scheduleTask(in: .milliseconds(5)) { [weak self] in
      self?.fireVolleys()
    }
  }
}
