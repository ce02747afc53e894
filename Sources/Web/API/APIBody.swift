package import Base

/// The JSON object of an API call's body, whose fields are read by name and type.
package struct APIBody: Sendable {
  private let value: JSONValue

  /// Reads an object.
  ///
  /// - Parameters:
  ///   - bytes: the body.
  ///   - known: the fields of the route.
  /// - Throws: 400 that names what is wrong: no JSON, no object, an unknown field.
  package init(_ bytes: [UInt8], known: Set<String>) throws(Problem) {
    do throws(JSONError) {
      value = try JSONScanner.parse(bytes)
    } catch {
      throw .badRequest("The body is not a JSON document: \(error).")
    }
    guard let members = value.members else {
      throw .badRequest("The body must be a JSON object.")
    }
    if let unknown = members.first(where: { !known.contains($0.name) }) {
      let names = known.sorted().joined(separator: ", ")
      throw .badRequest("The field \(unknown.name) is not known here. Known: \(names).")
    }
  }

  /// A text that must be there and not be empty.
  package func text(_ name: String) throws(Problem) -> String {
    guard let text = try optionalText(name), !text.isEmpty else {
      throw .badRequest("The field \(name) is missing; it is a text.")
    }
    return text
  }

  package func optionalText(_ name: String) throws(Problem) -> String? {
    switch value[name] {
    case nil, .null?: return nil
    case .string(let text)?: return try storable(text, name)
    default: throw .badRequest("The field \(name) is a text.")
    }
  }

  /// PostgreSQL keeps no text with a NUL.
  private func storable(_ text: String, _ name: String) throws(Problem) -> String {
    guard !text.utf8.contains(0) else { throw .badRequest("The field \(name) holds a NUL.") }
    return text
  }

  /// A list of texts that must be there.
  package func texts(_ name: String) throws(Problem) -> [String] {
    guard let texts = try optionalTexts(name) else {
      throw .badRequest("The field \(name) is missing; it is a list of texts.")
    }
    return texts
  }

  package func optionalTexts(_ name: String) throws(Problem) -> [String]? {
    switch value[name] {
    case nil, .null?: return nil
    case .array(let values)?:
      let texts = values.compactMap(\.string)
      guard texts.count == values.count else {
        throw .badRequest("The field \(name) is a list of texts.")
      }
      for text in texts { _ = try storable(text, name) }
      return texts
    default: throw .badRequest("The field \(name) is a list of texts.")
    }
  }

  /// `true` or `false`, if it is there.
  package func flag(_ name: String) throws(Problem) -> Bool? {
    switch value[name] {
    case nil, .null?: return nil
    case .bool(let flag)?: return flag
    default: throw .badRequest("The field \(name) is true or false.")
    }
  }

  /// A moment, such as `2026-01-31T09:30:00Z`, if it is there.
  package func time(_ name: String) throws(Problem) -> Timestamp? {
    guard let text = try optionalText(name) else { return nil }
    guard let time = Timestamp(text) else {
      throw .badRequest("The field \(name) is a UTC time such as 2026-01-31T09:30:00Z.")
    }
    return time
  }

  /// A whole number within a range, if it is there.
  package func integer(
    _ name: String, in range: ClosedRange<Int64>
  ) throws(Problem) -> Int64? {
    switch value[name] {
    case nil, .null?: return nil
    case let number?:
      guard let integer = number.wholeNumber, range.contains(integer) else {
        throw .badRequest(
          "The field \(name) is a whole number from \(range.lowerBound) to \(range.upperBound).")
      }
      return integer
    }
  }
}

extension JSONValue {
  /// A whole number however JSON writes it: `60`, `60.0` and `6e1` are the same.
  fileprivate var wholeNumber: Int64? {
    if let integer { return integer }
    guard case .number(let text) = self else { return nil }
    return Double(text).flatMap { Int64(exactly: $0) }
  }
}
