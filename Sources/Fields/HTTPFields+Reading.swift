package import HTTPTypes

/// Names of HTTPTypes, ready made where they are known.
///
/// `HTTPField.Name` checks, folds and copies a name each time it is made.
package enum FieldNames {
  /// By the number of a ``FieldName``: as it is written, and in lower case.
  private static let written: [HTTPField.Name?] = FieldName.allCases.map {
    HTTPField.Name($0.spelling)
  }
  private static let lowered: [HTTPField.Name?] = FieldName.allCases.map {
    HTTPField.Name($0.spelling.lowercased())
  }

  /// The field name of these bytes in their spelling; `nil` when they are none.
  package static func name(_ bytes: Span<UInt8>) -> HTTPField.Name? {
    let known = FieldName.named(bytes)
    if known != .other {
      let number = Int(known.rawValue)
      if let name = written[number], bytes.isText(name.rawName) { return name }
      if let name = lowered[number], bytes.isText(name.rawName) { return name }
    }
    guard let text = try? UTF8Span(validating: bytes) else { return nil }
    return HTTPField.Name(String(copying: text))
  }
}

extension HTTPField.Name {
  /// A name written in the source.
  package static func known(_ text: StaticString) -> HTTPField.Name {
    guard let name = HTTPField.Name(text.description) else {
      preconditionFailure("not a field name: \(text)")
    }
    return name
  }
}

extension HTTPFields {
  /// The value of the first field of that name; the subscript joins all of them, at the price of
  /// several allocations.
  package func firstValue(of name: HTTPField.Name) -> String? {
    for field in self where field.name == name { return field.value }
    return nil
  }

  /// The value of the one field of that name; `nil` when there is none, or more than one.
  package func onlyValue(of name: HTTPField.Name) -> String? {
    var found: String?
    for field in self where field.name == name {
      guard found == nil else { return nil }
      found = field.value
    }
    return found
  }

  /// Whether there is a field of that name.
  package func has(_ name: HTTPField.Name) -> Bool {
    for field in self where field.name == name { return true }
    return false
  }
}
