package import Base
package import HTTPTypes
package import Upstream

/// What the caller asks of this one call, from its `Latchkey-*` fields.
package struct Controls: Hashable, Sendable {
  /// From the call's place in the quota until the head of BigCommerce's answer, repetitions
  /// included; `Latchkey-Timeout`, 1 to 120 s.
  package var timeout: Duration = .seconds(30)
  /// How long the call may wait for quota; `Latchkey-Max-Wait`, 0 to 120 s.
  package var maxWait: Duration = .seconds(10)
  package var priority: CallPriority = .interactive
  /// How often the call may be repeated; `Latchkey-Retry`, 0 to 5.
  package var retries = 2
  /// Whether to say what would be decided, and call nothing; `Latchkey-Dry-Run`.
  package var isDryRun = false
  /// The app meant by a key that holds for all apps; `Latchkey-App`.
  package var app: AppName?
  /// What a write's repetitions have in common; `Idempotency-Key`, which reads do not heed.
  package var idempotencyKey: IdempotencyKey?

  package static let timeouts = 1...120
  package static let waits = 0...120
  package static let repetitions = 0...5

  package init() {}

  /// Reads the controls strictly: a value that is not exactly one of those allowed is refused.
  package init(_ fields: HTTPFields) throws(ControlFault) {
    guard fields.contains(where: { Controls.isControl($0.name) }) else { return }
    if let seconds = try Controls.number(.latchkeyTimeout, in: Controls.timeouts, fields) {
      timeout = .seconds(seconds)
    }
    if let seconds = try Controls.number(.latchkeyMaxWait, in: Controls.waits, fields) {
      maxWait = .seconds(seconds)
    }
    if let count = try Controls.number(.latchkeyRetry, in: Controls.repetitions, fields) {
      retries = count
    }
    if let text = try Controls.single(.latchkeyPriority, fields) {
      guard let priority = CallPriority(rawValue: text) else {
        throw ControlFault(.latchkeyPriority, "is 'interactive' or 'bulk'")
      }
      self.priority = priority
    }
    if let text = try Controls.single(.latchkeyApp, fields) {
      guard let app = AppName(text) else {
        throw ControlFault(.latchkeyApp, "is the name of an app of this deployment")
      }
      self.app = app
    }
    if let text = try Controls.single(.latchkeyDryRun, fields) {
      guard let isDryRun = Bool(text) else {
        throw ControlFault(.latchkeyDryRun, "is 'true' or 'false'")
      }
      self.isDryRun = isDryRun
    }
    if let text = try Controls.single(.idempotencyKey, fields) {
      guard let key = IdempotencyKey(text) else {
        throw ControlFault(.idempotencyKey, "is 1 to 255 printable ASCII characters without spaces")
      }
      idempotencyKey = key
    }
  }

  private static func isControl(_ name: HTTPField.Name) -> Bool {
    name.canonicalName.hasPrefix("latchkey-") || name == .idempotencyKey
  }

  private static func single(
    _ name: HTTPField.Name, _ fields: HTTPFields
  ) throws(ControlFault) -> String? {
    let values = fields[values: name]
    guard values.count <= 1 else { throw ControlFault(name, "may be given once") }
    return values.first
  }

  private static func number(
    _ name: HTTPField.Name, in range: ClosedRange<Int>, _ fields: HTTPFields
  ) throws(ControlFault) -> Int? {
    guard let text = try single(name, fields) else { return nil }
    let isPlain =
      (1...3).contains(text.utf8.count) && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
    guard isPlain, let value = Int(text), range.contains(value) else {
      throw ControlFault(
        name, "is a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }
}

/// A control field whose value cannot be taken.
package struct ControlFault: Error, Equatable {
  /// The field's name as documented.
  package let field: String
  /// What the field may be, to follow its name in a sentence.
  package let rule: String

  init(_ name: HTTPField.Name, _ rule: String) {
    field = name.rawName
    self.rule = rule
  }

  package var problem: Problem {
    Problem(
      status: 400, code: "bad_control", title: "A control field cannot be taken",
      detail: "\(field) \(rule).", fields: [.init("field", .string(field))])
  }
}
