import Base

/// A raw query taken apart, strictly: what is not plainly one list of names and values is refused.
struct QueryParameters {
  private var values: [String: String] = [:]

  /// Reads `name=value&…`, with `+` for space, percent-decoded once, UTF-8.
  ///
  /// Only parameters in `known` are kept. A known one may stand once, and not as an array
  /// (`code[]=`), which some readers take for the same name. Unknown ones are ignored, but must be
  /// well formed too.
  init(
    _ raw: String, known: Set<String>, maxLength: Int, maxCount: Int = 64
  ) throws(CallbackQueryError) {
    guard raw.utf8.count <= maxLength else { throw .tooLong }
    guard raw.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "#") }) else {
      throw .forbiddenCharacter
    }
    let pairs = raw.utf8.split(separator: UInt8(ascii: "&"))
    guard pairs.count <= maxCount else { throw .tooManyParameters }
    for pair in pairs {
      let end = pair.firstIndex(of: UInt8(ascii: "=")) ?? pair.endIndex
      let name = try QueryParameters.decode(pair[..<end])
      let value = try QueryParameters.decode(pair[end...].dropFirst())
      let base = String(name.prefix { $0 != "[" && $0 != "." })
      guard known.contains(base) else { continue }
      guard base == name else { throw .array(base) }
      guard values.updateValue(value, forKey: name) == nil else { throw .duplicate(name) }
    }
  }

  subscript(_ name: String) -> String? { values[name] }

  private static func decode(
    _ text: Substring.UTF8View
  ) throws(CallbackQueryError) -> String {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count)
    var iterator = text.makeIterator()
    while let byte = iterator.next() {
      switch byte {
      case UInt8(ascii: "+"): bytes.append(0x20)
      case UInt8(ascii: "%"):
        guard let high = iterator.next().flatMap(Hex.value),
          let low = iterator.next().flatMap(Hex.value)
        else { throw .malformedEncoding }
        bytes.append(high << 4 | low)
      default: bytes.append(byte)
      }
    }
    guard let decoded = String(validating: bytes, as: UTF8.self) else { throw .malformedEncoding }
    guard !decoded.hasControls else { throw .forbiddenCharacter }
    return decoded
  }
}

/// Why the query of a callback is refused; only our own parameter names are in it, so it may be
/// logged.
package enum CallbackQueryError: Error, Hashable, Sendable {
  case tooLong
  case tooManyParameters
  /// A percent sign without two hexadecimal digits, or bytes that are not UTF-8.
  case malformedEncoding
  /// A control character, a raw space, or a raw byte that is not ASCII.
  case forbiddenCharacter
  case duplicate(String)
  case array(String)
  case missing(String)
  case invalid(String)

  /// A fixed word for logs and metrics, for example `missing:code`.
  package var reason: String {
    switch self {
    case .tooLong: "too_long"
    case .tooManyParameters: "too_many_parameters"
    case .malformedEncoding: "malformed_encoding"
    case .forbiddenCharacter: "forbidden_character"
    case .duplicate(let name): "duplicate:\(name)"
    case .array(let name): "array:\(name)"
    case .missing(let name): "missing:\(name)"
    case .invalid(let name): "invalid:\(name)"
    }
  }
}
