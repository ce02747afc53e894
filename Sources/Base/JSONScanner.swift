/// Why a text is not the JSON we accept.
///
/// The offset counts bytes from 0.
package enum JSONError: Error, Equatable {
  case unexpectedByte(offset: Int)
  case unexpectedEnd
  case duplicateName(String)
  case tooDeep(limit: Int)
  case invalidText(offset: Int)
}

/// Reads strict JSON (RFC 8259): one value, no duplicate names, valid UTF-8, bounded depth.
///
/// Stricter than Foundation's decoder on purpose: two readers must never see two meanings in one
/// signed text.
package struct JSONScanner {
  private let bytes: [UInt8]
  private let depthLimit: Int
  private var position = 0

  private init(_ bytes: [UInt8], depthLimit: Int) {
    self.bytes = bytes
    self.depthLimit = depthLimit
  }

  /// The one value that the bytes hold.
  package static func parse(
    _ bytes: some Sequence<UInt8>, depthLimit: Int = 32
  ) throws(JSONError) -> JSONValue {
    var scanner = JSONScanner(Array(bytes), depthLimit: depthLimit)
    scanner.skipSpace()
    let value = try scanner.value(depth: 0)
    scanner.skipSpace()
    guard scanner.position == scanner.bytes.count else { throw scanner.unexpected() }
    return value
  }

  package static func parse(_ text: String, depthLimit: Int = 32) throws(JSONError) -> JSONValue {
    try parse(text.utf8, depthLimit: depthLimit)
  }

  private mutating func value(depth: Int) throws(JSONError) -> JSONValue {
    guard depth < depthLimit else { throw .tooDeep(limit: depthLimit) }
    switch peek() {
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try literal("true", .bool(true))
    case UInt8(ascii: "f"): return try literal("false", .bool(false))
    case UInt8(ascii: "n"): return try literal("null", .null)
    default: return try number()
    }
  }

  private mutating func object(depth: Int) throws(JSONError) -> JSONValue {
    position += 1
    var members: [JSONValue.Member] = []
    var names: Set<String> = []
    skipSpace()
    if take("}") { return .object([]) }
    while true {
      skipSpace()
      guard peek() == UInt8(ascii: "\"") else { throw unexpected() }
      let name = try string()
      guard names.insert(name).inserted else { throw .duplicateName(name) }
      skipSpace()
      guard take(":") else { throw unexpected() }
      skipSpace()
      members.append(.init(name, try value(depth: depth + 1)))
      skipSpace()
      if take("}") { return .object(members) }
      guard take(",") else { throw unexpected() }
    }
  }

  private mutating func array(depth: Int) throws(JSONError) -> JSONValue {
    position += 1
    var values: [JSONValue] = []
    skipSpace()
    if take("]") { return .array([]) }
    while true {
      skipSpace()
      values.append(try value(depth: depth + 1))
      skipSpace()
      if take("]") { return .array(values) }
      guard take(",") else { throw unexpected() }
    }
  }

  private mutating func literal(
    _ text: StaticString, _ value: JSONValue
  ) throws(JSONError) -> JSONValue {
    for expected in text.description.utf8 {
      guard peek() == expected else { throw unexpected() }
      position += 1
    }
    return value
  }

  private mutating func number() throws(JSONError) -> JSONValue {
    let start = position
    _ = take("-")
    if !take("0") { try digits() }
    if take(".") { try digits() }
    if take("e") || take("E") {
      if !take("+") { _ = take("-") }
      try digits()
    }
    return .number(String(decoding: bytes[start..<position], as: UTF8.self))
  }

  private mutating func digits() throws(JSONError) {
    let start = position
    while let byte = peek(), (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
      position += 1
    }
    guard position > start else { throw unexpected() }
  }

  private mutating func string() throws(JSONError) -> String {
    position += 1
    let start = position
    var text: [UInt8] = []
    while let byte = peek() {
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let valid = String(validating: text, as: UTF8.self) else {
          throw .invalidText(offset: start)
        }
        return valid
      case UInt8(ascii: "\\"): try escape(into: &text)
      case 0..<0x20: throw .unexpectedByte(offset: position - 1)
      default: text.append(byte)
      }
    }
    throw .unexpectedEnd
  }

  private mutating func escape(into text: inout [UInt8]) throws(JSONError) {
    guard let byte = peek() else { throw .unexpectedEnd }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0C)
    case UInt8(ascii: "n"): text.append(0x0A)
    case UInt8(ascii: "r"): text.append(0x0D)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "u"): text.append(contentsOf: try unicodeEscape())
    default: throw .unexpectedByte(offset: position - 1)
    }
  }

  /// A code point beyond the basic plane is written as two escapes; half of such a pair is an
  /// error.
  private mutating func unicodeEscape() throws(JSONError) -> [UInt8] {
    let start = position
    var point = try codeUnit()
    if (0xD800..<0xDC00).contains(point) {
      guard take("\\"), take("u") else { throw .invalidText(offset: start) }
      let low = try codeUnit()
      guard (0xDC00..<0xE000).contains(low) else { throw .invalidText(offset: start) }
      point = 0x10000 + (point - 0xD800) << 10 + (low - 0xDC00)
    }
    guard let scalar = Unicode.Scalar(point) else { throw .invalidText(offset: start) }
    return Array(String(Character(scalar)).utf8)
  }

  private mutating func codeUnit() throws(JSONError) -> UInt32 {
    var unit: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = peek() else { throw .unexpectedEnd }
      guard let digit = Hex.value(byte) else { throw unexpected() }
      unit = unit << 4 | UInt32(digit)
      position += 1
    }
    return unit
  }

  private func peek() -> UInt8? {
    position < bytes.count ? bytes[position] : nil
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard peek() == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func skipSpace() {
    while let byte = peek(), byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D {
      position += 1
    }
  }

  private func unexpected() -> JSONError {
    position < bytes.count ? .unexpectedByte(offset: position) : .unexpectedEnd
  }
}
