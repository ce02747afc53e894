/// An answer of BigCommerce's as it was passed on, to be given again byte for byte.
package struct KeptAnswer: Hashable, Sendable {
  /// A field of its head.
  package struct Field: Hashable, Sendable {
    package let name: String
    package let value: String

    package init(name: String, value: String) {
      self.name = name
      self.value = value
    }
  }

  /// 200 to 599.
  package let status: Int
  /// In their order, names as they were written.
  package let fields: [Field]
  package let body: [UInt8]

  package init(status: Int, fields: [Field], body: [UInt8]) {
    self.status = status
    self.fields = fields
    self.body = body
  }
}

extension KeptAnswer {
  /// The form of the bytes; another one gets another number.
  private static let form: UInt8 = 1

  /// What is sealed: form, status (2 bytes), number of fields (2), each field's name and value with
  /// its length before it (4), then the body; numbers with the highest byte first.
  var encoded: [UInt8] {
    var bytes = [KeptAnswer.form]
    bytes.reserveCapacity(body.count + 1024)
    KeptAnswer.append(status, 2, to: &bytes)
    KeptAnswer.append(fields.count, 2, to: &bytes)
    for field in fields {
      for text in [field.name, field.value] {
        KeptAnswer.append(text.utf8.count, 4, to: &bytes)
        bytes.append(contentsOf: text.utf8)
      }
    }
    bytes.append(contentsOf: body)
    return bytes
  }

  /// Reads what was sealed; `nil` when it is not of the form above.
  init?(encoded: [UInt8]) {
    var rest = encoded[...]
    guard rest.popFirst() == KeptAnswer.form, let status = KeptAnswer.number(2, &rest),
      let count = KeptAnswer.number(2, &rest)
    else { return nil }
    var fields: [Field] = []
    for _ in 0..<count {
      guard let name = KeptAnswer.text(&rest), let value = KeptAnswer.text(&rest) else {
        return nil
      }
      fields.append(Field(name: name, value: value))
    }
    self.init(status: status, fields: fields, body: Array(rest))
  }

  private static func append(_ number: Int, _ width: Int, to bytes: inout [UInt8]) {
    for shift in stride(from: (width - 1) * 8, through: 0, by: -8) {
      bytes.append(UInt8(truncatingIfNeeded: number >> shift))
    }
  }

  private static func number(_ width: Int, _ rest: inout ArraySlice<UInt8>) -> Int? {
    guard rest.count >= width else { return nil }
    defer { rest = rest.dropFirst(width) }
    return rest.prefix(width).reduce(0) { $0 << 8 | Int($1) }
  }

  private static func text(_ rest: inout ArraySlice<UInt8>) -> String? {
    guard let length = number(4, &rest), rest.count >= length else { return nil }
    defer { rest = rest.dropFirst(length) }
    return String(validating: rest.prefix(length), as: UTF8.self)
  }
}
