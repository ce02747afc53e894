package import Base

/// The query of an API call: known parameters, each at most once.
package struct APIQuery: Sendable {
  private let values: [String: String]

  /// Reads a raw query.
  ///
  /// - Parameters:
  ///   - raw: as it arrived, without `?`.
  ///   - known: the parameters of the route.
  /// - Throws: 400 that names the parameter which is unknown, given twice or not well encoded.
  package init(_ raw: String, known: Set<String>) throws(Problem) {
    var values: [String: String] = [:]
    for item in raw.split(separator: "&") {
      let parts = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard let name = APIQuery.decoded(parts[0]), known.contains(name) else {
        let names = known.isEmpty ? "none" : known.sorted().joined(separator: ", ")
        throw .badRequest("The query parameter \(parts[0]) is not known here. Known: \(names).")
      }
      guard let value = APIQuery.decoded(parts.count == 2 ? parts[1] : "") else {
        throw .badRequest(
          "The value of the query parameter \(name) is not valid percent-encoded UTF-8.")
      }
      // PostgreSQL keeps no text with it.
      guard !value.utf8.contains(0) else {
        throw .badRequest("The value of the query parameter \(name) holds a NUL.")
      }
      guard values.updateValue(value, forKey: name) == nil else {
        throw .badRequest("The query parameter \(name) is given twice.")
      }
    }
    self.values = values
  }

  package subscript(_ name: String) -> String? { values[name] }

  /// A flag: `true`, `false`, or absent for `false`.
  package func flag(_ name: String) throws(Problem) -> Bool {
    switch values[name] {
    case nil, "false": return false
    case "true": return true
    default: throw .badRequest("The query parameter \(name) is true or false.")
    }
  }

  /// What `limit` may be.
  static let limits = 1...1000

  /// `limit`; 100 when absent.
  package func limit() throws(Problem) -> Int {
    try wholeNumber("limit", Self.limits) ?? 100
  }

  /// Decodes `%XX` and `+`; `nil` when that is not UTF-8 or an escape is cut.
  static func decoded(_ text: Substring) -> String? {
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: "%"):
        guard let high = rest.popFirst().flatMap(Hex.value),
          let low = rest.popFirst().flatMap(Hex.value)
        else { return nil }
        bytes.append(high << 4 | low)
      case UInt8(ascii: "+"): bytes.append(0x20)
      default: bytes.append(byte)
      }
    }
    return String(validating: bytes, as: UTF8.self)
  }
}

extension APIQuery {
  /// A whole number within bounds; `nil` when it is absent.
  package func wholeNumber(
    _ name: String, _ range: ClosedRange<Int>
  ) throws(Problem) -> Int? {
    guard let text = self[name] else { return nil }
    guard let number = Int(text), range.contains(number) else {
      throw .badRequest(
        "The query parameter \(name) is a whole number from \(range.lowerBound) to \(range.upperBound)."
      )
    }
    return number
  }

  /// A moment, such as `2026-01-31T09:30:00Z`; `nil` when it is absent.
  package func time(_ name: String) throws(Problem) -> Timestamp? {
    guard let text = self[name] else { return nil }
    guard let time = Timestamp(text) else {
      throw .badRequest(
        "The query parameter \(name) is a UTC time such as 2026-01-31T09:30:00Z.")
    }
    return time
  }

  /// One of the words of an enumeration; `nil` when it is absent.
  func word<Word: RawRepresentable & CaseIterable>(
    _ name: String, _ type: Word.Type
  ) throws(Problem) -> Word? where Word.RawValue == String {
    guard let text = self[name] else { return nil }
    guard let word = Word(rawValue: text) else {
      let words = Word.allCases.map(\.rawValue).joined(separator: ", ")
      throw .badRequest("The query parameter \(name) is one of \(words).")
    }
    return word
  }

  /// A cursor, which must be read as a type's initialiser does; `nil` when it is absent.
  func after<Cursor>(
    _ read: (String) throws(Problem) -> Cursor
  ) throws(Problem) -> Cursor? {
    guard let text = self["after"] else { return nil }
    return try read(text)
  }

  /// A store hash; `nil` when it is absent.
  func store() throws(Problem) -> StoreHash? {
    guard let text = self["store"] else { return nil }
    guard let store = StoreHash(text) else {
      throw .badRequest("The query parameter store is a store hash.")
    }
    return store
  }
}
