package import Base
package import Fields
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
  package init(_ fields: FieldSection) throws(ControlFault) {
    var given: FieldNameSet = []
    for line in fields.lines where Controls.names.contains(line.name) {
      guard !given.contains(line.name) else { throw ControlFault(line.name, "may be given once") }
      given.insert(line.name)
      try take(line.name, fields.value(of: line))
    }
  }

  private static let names: FieldNameSet = [
    .latchkeyTimeout, .latchkeyMaxWait, .latchkeyRetry, .latchkeyPriority, .latchkeyApp,
    .latchkeyDryRun, .idempotencyKey,
  ]

  private mutating func take(_ name: FieldName, _ text: String) throws(ControlFault) {
    switch name {
    case .latchkeyTimeout:
      timeout = .seconds(try Controls.number(name, text, in: Controls.timeouts))
    case .latchkeyMaxWait:
      maxWait = .seconds(try Controls.number(name, text, in: Controls.waits))
    case .latchkeyRetry: retries = try Controls.number(name, text, in: Controls.repetitions)
    case .latchkeyPriority:
      guard let priority = CallPriority(rawValue: text) else {
        throw ControlFault(name, "is 'interactive' or 'bulk'")
      }
      self.priority = priority
    case .latchkeyApp:
      guard let app = AppName(text) else {
        throw ControlFault(name, "is the name of an app of this deployment")
      }
      self.app = app
    case .latchkeyDryRun:
      guard let isDryRun = Bool(text) else { throw ControlFault(name, "is 'true' or 'false'") }
      self.isDryRun = isDryRun
    case .idempotencyKey:
      guard let key = IdempotencyKey(text) else {
        throw ControlFault(name, "is 1 to 255 printable ASCII characters without spaces")
      }
      idempotencyKey = key
    default: break
    }
  }

  private static func number(
    _ name: FieldName, _ text: String, in range: ClosedRange<Int>
  ) throws(ControlFault) -> Int {
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

  init(_ name: FieldName, _ rule: String) {
    field = name.spelling
    self.rule = rule
  }

  package var problem: Problem {
    Problem(
      status: 400, code: "bad_control", title: "A control field cannot be taken",
      detail: "\(field) \(rule).", fields: [.init("field", .string(field))])
  }
}
