import Base

/// A misbehaviour of the sender, and the deliveries that it meets.
struct WebhookFault: Sendable {
  /// What goes wrong.
  enum Kind: String, Sendable, CaseIterable {
    /// The delivery is made `copies` times more.
    case duplicate
    /// The delivery waits until `behind` later ones of its store were sent, or for `delay_ms`.
    case reorder
    /// The delivery is never made.
    case lose
    /// Each attempt is made `delay_ms` late.
    case delay
    /// Nobody answers at the destination.
    case dead
    /// The `webhook-signature` is missing, or all three headers of Standard Webhooks.
    case unsigned
    case noSignatureHeaders = "no_signature_headers"
    /// Another secret signs.
    case wrongSecret = "wrong_secret"
    /// The timestamp is `seconds` old, and signed like that; negative for the future.
    case stale
    /// The body is changed after it was signed.
    case altered
    /// The webhook's own headers are missing.
    case noCustomHeaders = "no_custom_headers"
  }

  let kind: Kind
  private let store: String?
  private let scopePrefix: String
  private var skip: Int
  private var remaining: Int?
  private var chance: FaultChance?
  private var hits = 0
  /// `copies`, `behind`, `delay_ms` or `seconds`, by kind.
  let amount: Int64
  let delay: Duration
  private let order: JSONValue

  private static let knownNames: Set<String> = [
    "kind", "store", "scope", "times", "skip", "share", "seed", "copies", "behind", "delay_ms",
    "seconds",
  ]

  /// Reads `{"kind": …, "store": …, "scope": PREFIX, "share": …, "seed": …, "times": …}`.
  init(order: JSONValue) throws(ControlError) {
    guard let name = order["kind"]?.string, let kind = Kind(rawValue: name) else {
      throw .invalid("kind must be one of " + Kind.allCases.map(\.rawValue).joined(separator: " "))
    }
    if let unknown = order.members?.first(where: { !WebhookFault.knownNames.contains($0.name) }) {
      throw .invalid("unknown field \(unknown.name)")
    }
    self.kind = kind
    store = order["store"]?.string
    scopePrefix = order["scope"]?.string ?? ""
    skip = Int(order["skip"]?.integer ?? 0)
    remaining = order["times"]?.integer.map { Int($0) }
    chance = try FaultChance(order: order)
    delay = .milliseconds(order["delay_ms"]?.integer ?? 1000)
    switch kind {
    case .duplicate: amount = min(100, order["copies"]?.integer ?? 1)
    case .reorder: amount = order["behind"]?.integer ?? 1
    case .stale: amount = order["seconds"]?.integer ?? 864_000
    default: amount = 0
    }
    self.order = order
  }

  /// Whether it meets this event; counts it as met.
  mutating func meets(_ event: WebhookEvent) -> Bool {
    guard store == nil || store == event.store.hash, event.scope.hasPrefix(scopePrefix),
      remaining != 0
    else { return false }
    guard skip == 0 else {
      skip -= 1
      return false
    }
    guard chance?.falls() != false else { return false }
    remaining? -= 1
    hits += 1
    return true
  }

  var listed: JSONValue {
    order.setting("hits", .integer(hits))
      .setting("remaining", remaining.map { .integer($0) } ?? .null)
  }
}

extension [WebhookFault] {
  /// The first fault of that kind that meets the event.
  mutating func take(_ kind: WebhookFault.Kind, for event: WebhookEvent) -> WebhookFault? {
    for index in indices where self[index].kind == kind && self[index].meets(event) {
      return self[index]
    }
    return nil
  }
}
