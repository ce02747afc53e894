import Base

/// How the sender works.
struct WebhookSettings: Sendable {
  /// By how much the platform's times are divided: retries, the blocklist, the pause between
  /// exceptions.
  var speed: Double
  /// Time for one attempt, connecting included.
  var timeout: Duration
  /// Connections to one destination; with one, deliveries arrive in order.
  var connections: Int
  /// Time until a new webhook hears of events; a minute on the platform.
  var activation: Duration
  var faults: [WebhookFault] = []

  init(_ configuration: SandboxConfiguration) {
    speed = configuration.webhookSpeed
    timeout = configuration.webhookTimeout
    connections = configuration.webhookConnections
    activation = configuration.webhookActivation
  }

  private static let knownNames: Set<String> = [
    "speed", "timeout_ms", "connections", "activation_ms", "faults",
  ]

  /// Changes what the order names; `faults` takes the place of all earlier ones.
  mutating func change(_ order: JSONValue) throws(ControlError) {
    if let unknown = order.members?.first(where: { !WebhookSettings.knownNames.contains($0.name) })
    {
      throw .invalid("unknown field \(unknown.name)")
    }
    if let wanted = order["speed"] {
      guard let speed = wanted.lenientDecimal, (0.001...1e9).contains(speed) else {
        throw .invalid("speed must be 0.001 to 1e9")
      }
      self.speed = speed
    }
    if let timeout = try WebhookSettings.number("timeout_ms", order, 1...600_000) {
      self.timeout = .milliseconds(timeout)
    }
    if let connections = try WebhookSettings.number("connections", order, 1...1000) {
      self.connections = Int(connections)
    }
    if let activation = try WebhookSettings.number("activation_ms", order, 0...3_600_000) {
      self.activation = .milliseconds(activation)
    }
    if let orders = order["faults"] {
      guard let orders = orders.array, orders.count <= 100 else {
        throw .invalid("faults must be an array of at most 100")
      }
      var faults: [WebhookFault] = []
      for order in orders { faults.append(try WebhookFault(order: order)) }
      self.faults = faults
    }
  }

  private static func number(
    _ name: String, _ order: JSONValue, _ range: ClosedRange<Int64>
  ) throws(ControlError) -> Int64? {
    guard let wanted = order[name] else { return nil }
    guard let number = wanted.integer, range.contains(number) else {
      throw .invalid("\(name) must be \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  var document: JSONValue {
    [
      "speed": .decimal(speed), "timeout_ms": .integer(timeout.inMilliseconds),
      "connections": .integer(connections), "activation_ms": .integer(activation.inMilliseconds),
      "faults": .array(faults.map(\.listed)),
    ]
  }
}
