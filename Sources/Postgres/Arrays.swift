/// A value that an array of the server can hold: no NULL, one dimension.
package protocol PostgresArrayElement: PostgresBindable, PostgresDecodable {
  /// The type of an array of these.
  static var arrayType: PostgresType { get }
}

extension String: PostgresArrayElement {
  package static var arrayType: PostgresType { .textArray }
}

extension Int64: PostgresArrayElement {
  package static var arrayType: PostgresType { .int8Array }
}

/// An array of bytes is a `bytea`, and several are an array of these.
extension Array: PostgresArrayElement where Element == UInt8 {
  package static var arrayType: PostgresType { .byteaArray }
}

/// Bytes are `bytea`, everything else is an array.
extension UInt8: PostgresArrayElement {
  package static var arrayType: PostgresType { .bytea }
  package static var postgresType: PostgresType { .int2 }
  package static var expected: String { "a byte" }

  package func encode(into bytes: inout [UInt8]) -> Bool {
    Int16(self).append(to: &bytes)
    return true
  }

  package static func decode(_ cell: Cell) -> UInt8? {
    Int16(highestFirst: cell.bytes(of: .int2)).flatMap { UInt8(exactly: $0) }
  }
}

extension Array: PostgresBindable where Element: PostgresArrayElement {
  package static var postgresType: PostgresType { Element.arrayType }

  package func encode(into bytes: inout [UInt8]) throws(BindProblem) -> Bool {
    // The type is asked first: an empty array of anything can be cast to bytes.
    if Element.arrayType == .bytea, let plain = self as? [UInt8] {
      bytes.append(contentsOf: plain)
      return true
    }
    // Dimensions, whether there are NULLs, element type; then length and lower bound of the
    // dimension.
    Int32(isEmpty ? 0 : 1).append(to: &bytes)
    Int32(0).append(to: &bytes)
    Element.postgresType.objectID.append(to: &bytes)
    guard !isEmpty else { return true }
    Int32(count).append(to: &bytes)
    Int32(1).append(to: &bytes)
    for element in self {
      let start = bytes.count
      Int32(0).append(to: &bytes)
      _ = try element.encode(into: &bytes)
      let length = UInt32(bytes.count - start - 4)
      for index in 0..<4 {
        bytes[start + index] = UInt8(truncatingIfNeeded: length >> (24 - 8 * UInt32(index)))
      }
    }
    return true
  }
}

extension Array: PostgresDecodable where Element: PostgresArrayElement {
  package static var expected: String {
    Element.arrayType == .bytea ? "bytea" : "an array of \(Element.expected) without NULL"
  }

  package static func decode(_ cell: Cell) -> [Element]? {
    if Element.arrayType == .bytea {
      return cell.bytes(of: .bytea).map(Array<UInt8>.init) as? [Element]
    }
    guard cell.type == Element.arrayType, var bytes = cell.bytes,
      let dimensions = bytes.takeInt32(), bytes.takeInt32() != nil,
      let type = bytes.takeInt32().map({ PostgresType(UInt32(bitPattern: $0)) })
    else { return nil }
    if dimensions == 0 { return [] }
    guard dimensions == 1, let count = bytes.takeInt32(), count >= 0, bytes.takeInt32() != nil
    else {
      return nil
    }
    var elements: [Element] = []
    for _ in 0..<count {
      guard let length = bytes.takeInt32(), length >= 0, bytes.count >= length,
        let element = Element.decode(Cell(type: type, bytes: bytes.prefix(Int(length))))
      else { return nil }
      elements.append(element)
      bytes = bytes.dropFirst(Int(length))
    }
    return elements
  }
}

extension ArraySlice where Element == UInt8 {
  /// Removes four bytes and reads them, highest first.
  fileprivate mutating func takeInt32() -> Int32? {
    guard let value = Int32(highestFirst: prefix(4)) else { return nil }
    self = dropFirst(4)
    return value
  }
}
