package import Base

/// A value that can be read from a column.
package protocol PostgresDecodable: Sendable {
  /// The types that fit, for error messages.
  static var expected: String { get }

  /// - Returns: `nil` when the cell holds something else.
  static func decode(_ cell: Cell) -> Self?
}

/// One value of a row in the server's binary format.
package struct Cell {
  package let type: PostgresType
  /// `nil` is NULL.
  package let bytes: ArraySlice<UInt8>?

  /// The bytes when the column has one of these types and is not NULL.
  func bytes(of types: PostgresType...) -> ArraySlice<UInt8>? {
    types.contains(type) ? bytes : nil
  }
}

extension FixedWidthInteger {
  /// Appends the bytes, highest first.
  func append(to bytes: inout [UInt8]) {
    for index in stride(from: Self.bitWidth - 8, through: 0, by: -8) {
      bytes.append(UInt8(truncatingIfNeeded: self >> index))
    }
  }

  /// Reads all bytes, highest first.
  init?(highestFirst bytes: ArraySlice<UInt8>?) {
    guard let bytes, bytes.count == Self.bitWidth / 8 else { return nil }
    self = bytes.reduce(0) { $0 << 8 | Self(truncatingIfNeeded: $1) }
  }
}

extension String: PostgresBindable, PostgresDecodable {
  package static var postgresType: PostgresType { .text }
  package static var expected: String { "text" }

  package func encode(into bytes: inout [UInt8]) throws(BindProblem) -> Bool {
    guard !utf8.contains(0) else { throw BindProblem("a text with the character NUL") }
    bytes.append(contentsOf: utf8)
    return true
  }

  package static func decode(_ cell: Cell) -> String? {
    cell.bytes(of: .text, .varchar, .bpchar, .name, .unknown).map {
      String(decoding: $0, as: UTF8.self)
    }
  }
}

extension Int64: PostgresBindable, PostgresDecodable {
  package static var postgresType: PostgresType { .int8 }
  package static var expected: String { "an integer" }

  package func encode(into bytes: inout [UInt8]) -> Bool {
    append(to: &bytes)
    return true
  }

  package static func decode(_ cell: Cell) -> Int64? {
    Int64(highestFirst: cell.bytes(of: .int8)) ?? Int32.decode(cell).map(Int64.init)
  }
}

extension Int: PostgresBindable, PostgresDecodable {
  package static var postgresType: PostgresType { .int8 }
  package static var expected: String { "an integer" }

  package func encode(into bytes: inout [UInt8]) -> Bool {
    Int64(self).encode(into: &bytes)
  }

  package static func decode(_ cell: Cell) -> Int? {
    Int64.decode(cell).flatMap { Int(exactly: $0) }
  }
}

extension Int32: PostgresBindable, PostgresDecodable {
  package static var postgresType: PostgresType { .int4 }
  package static var expected: String { "an integer of 32 bits" }

  package func encode(into bytes: inout [UInt8]) -> Bool {
    append(to: &bytes)
    return true
  }

  package static func decode(_ cell: Cell) -> Int32? {
    Int32(highestFirst: cell.bytes(of: .int4))
      ?? Int16(highestFirst: cell.bytes(of: .int2)).map(Int32.init)
  }
}

extension Double: PostgresBindable, PostgresDecodable {
  package static var postgresType: PostgresType { .float8 }
  package static var expected: String { "double precision" }

  package func encode(into bytes: inout [UInt8]) -> Bool {
    bitPattern.append(to: &bytes)
    return true
  }

  package static func decode(_ cell: Cell) -> Double? {
    UInt64(highestFirst: cell.bytes(of: .float8)).map { Double(bitPattern: $0) }
  }
}

extension Bool: PostgresBindable, PostgresDecodable {
  package static var postgresType: PostgresType { .bool }
  package static var expected: String { "boolean" }

  package func encode(into bytes: inout [UInt8]) -> Bool {
    bytes.append(self ? 1 : 0)
    return true
  }

  package static func decode(_ cell: Cell) -> Bool? {
    UInt8(highestFirst: cell.bytes(of: .bool)).map { $0 != 0 }
  }
}

extension Timestamp: PostgresBindable, PostgresDecodable {
  package static var postgresType: PostgresType { .timestamptz }
  package static var expected: String { "timestamptz" }

  /// 2000-01-01T00:00:00Z, from which the server counts, in microseconds since 1970.
  private static let serverEpoch: Int64 = 946_684_800_000_000

  package func encode(into bytes: inout [UInt8]) throws(BindProblem) -> Bool {
    let (value, overflow) = microseconds.subtractingReportingOverflow(Self.serverEpoch)
    // The two extreme values are the server's -infinity and infinity.
    guard !overflow, value != .min, value != .max else {
      throw BindProblem("a moment that timestamptz cannot hold")
    }
    value.append(to: &bytes)
    return true
  }

  package static func decode(_ cell: Cell) -> Timestamp? {
    guard let value = Int64(highestFirst: cell.bytes(of: .timestamptz)), value != .min else {
      return nil
    }
    let (microseconds, overflow) = value.addingReportingOverflow(serverEpoch)
    return overflow ? nil : Timestamp(microseconds: microseconds)
  }
}

/// Whole microseconds; read back only when it has no months, whose length varies. A day has 24
/// hours.
extension Duration: PostgresBindable, PostgresDecodable {
  package static var postgresType: PostgresType { .interval }
  package static var expected: String { "an interval without months" }

  package func encode(into bytes: inout [UInt8]) throws(BindProblem) -> Bool {
    let (microseconds, overflow) = components.seconds.multipliedReportingOverflow(by: 1_000_000)
    guard !overflow else { throw BindProblem("a duration that interval cannot hold") }
    let fraction = components.attoseconds / 1_000_000_000_000
    let (sum, sumOverflow) = microseconds.addingReportingOverflow(fraction)
    guard !sumOverflow else { throw BindProblem("a duration that interval cannot hold") }
    sum.append(to: &bytes)
    Int32(0).append(to: &bytes)
    Int32(0).append(to: &bytes)
    return true
  }

  package static func decode(_ cell: Cell) -> Duration? {
    guard let bytes = cell.bytes(of: .interval), bytes.count == 16,
      let microseconds = Int64(highestFirst: bytes.prefix(8)),
      let days = Int32(highestFirst: bytes.dropFirst(8).prefix(4)),
      Int32(highestFirst: bytes.dropFirst(12)) == 0
    else { return nil }
    return .microseconds(microseconds) + .seconds(Int64(days) * 86400)
  }
}

extension JSONValue: PostgresBindable, PostgresDecodable {
  package static var postgresType: PostgresType { .jsonb }
  package static var expected: String { "jsonb" }

  package func encode(into bytes: inout [UInt8]) -> Bool {
    // The version of jsonb's binary format; text follows.
    bytes.append(1)
    bytes.append(contentsOf: encoded())
    return true
  }

  package static func decode(_ cell: Cell) -> JSONValue? {
    guard var bytes = cell.bytes(of: .jsonb, .json) else { return nil }
    if cell.type == .jsonb, bytes.popFirst() != 1 { return nil }
    return try? JSONScanner.parse(Array(bytes), depthLimit: 512)
  }
}

extension Optional: PostgresBindable where Wrapped: PostgresBindable {
  package static var postgresType: PostgresType { Wrapped.postgresType }

  package func encode(into bytes: inout [UInt8]) throws(BindProblem) -> Bool {
    switch self {
    case .some(let value): try value.encode(into: &bytes)
    case .none: false
    }
  }
}

extension Optional: PostgresDecodable where Wrapped: PostgresDecodable {
  package static var expected: String { Wrapped.expected + " or NULL" }

  package static func decode(_ cell: Cell) -> Wrapped?? {
    guard cell.bytes != nil else { return .some(.none) }
    return Wrapped.decode(cell).map { .some($0) }
  }
}
