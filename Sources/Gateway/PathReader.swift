import Base

/// Splits a path into segments and refuses whatever decoders do not agree about.
///
/// Every `%` must begin a well-formed escape, and no escape may stand for a byte that has a meaning
/// in paths, `%` among them. So a second decoding finds nothing to decode, and one check holds for
/// every depth.
enum PathReader {
  /// Segments between slashes, still encoded; a single trailing slash makes no further one.
  struct Segments {
    fileprivate(set) var count = 0
    fileprivate(set) var first = 0..<0
    fileprivate(set) var second = 0..<0
    fileprivate(set) var third = 0..<0

    fileprivate mutating func append(_ segment: Range<Int>) {
      switch count {
      case 0: first = segment
      case 1: second = segment
      case 2: third = segment
      default: break
      }
      count += 1
    }
  }

  static func segments(of path: Span<UInt8>) throws(TargetFault) -> Segments {
    guard !path.isEmpty, path[0] == UInt8(ascii: "/") else { throw .notOriginForm }
    var segments = Segments()
    var start = 1
    while start < path.count {
      let end = try readSegment(path, from: start)
      guard end > start else { throw .emptySegment }
      segments.append(start..<end)
      start = end + 1
    }
    return segments
  }

  /// Checks one segment, and says where it ends.
  ///
  /// Segments of nothing but dots and spaces count as dot segments: some decoders trim spaces and
  /// further dots.
  private static func readSegment(
    _ path: Span<UInt8>, from start: Int
  ) throws(TargetFault) -> Int {
    var names = false
    var index = start
    while index < path.count, path[index] != UInt8(ascii: "/") {
      let byte = path[index]
      index += 1
      switch byte {
      case UInt8(ascii: "%"): names = try checkEscape(path, &index) || names
      case UInt8(ascii: "."): continue
      case UInt8(ascii: "\\"): throw .backslash
      case UInt8(ascii: ";"): throw .semicolon
      case UInt8(ascii: "#"): throw .fragment
      case 0x21..<0x7F: names = true
      default: throw .forbiddenByte
      }
    }
    guard names || index == start else { throw .dotSegment }
    return index
  }

  /// Checks what follows a `%`; whether the character it stands for can name something (a space
  /// cannot).
  private static func checkEscape(
    _ path: Span<UInt8>, _ index: inout Int
  ) throws(TargetFault) -> Bool {
    guard let byte = takeHexPair(path, &index) else { throw .malformedEscape }
    switch byte {
    case UInt8(ascii: "/"), UInt8(ascii: "\\"), UInt8(ascii: "."), UInt8(ascii: "%"),
      UInt8(ascii: ";"), 0..<0x20, 0x7F:
      throw .forbiddenEscape
    case 0x20: return false
    case 0..<0x80: return true
    default:
      try checkScalar(startingWith: byte, path, &index)
      return true
    }
  }

  /// Beyond ASCII an escape must be part of well-formed UTF-8 (no overlong forms).
  ///
  /// The character must not be one that normalising or byte-cutting decoders take for a character
  /// with a meaning.
  private static func checkScalar(
    startingWith first: UInt8, _ path: Span<UInt8>, _ index: inout Int
  ) throws(TargetFault) {
    var bytes = [first]
    let count = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2
    while bytes.count < count {
      guard index < path.count, path[index] == UInt8(ascii: "%") else { throw .malformedEscape }
      index += 1
      guard let next = takeHexPair(path, &index) else { throw .malformedEscape }
      bytes.append(next)
    }
    guard let scalar = String(validating: bytes, as: UTF8.self)?.unicodeScalars.first else {
      throw .malformedEscape
    }
    let low = UInt8(truncatingIfNeeded: scalar.value)
    guard !cutLookalikes.contains(low), !lookalikes.contains(scalar.value), scalar.value > 0x9F
    else { throw .forbiddenEscape }
  }

  private static func takeHexPair(_ path: Span<UInt8>, _ index: inout Int) -> UInt8? {
    guard index + 1 < path.count, let high = Hex.value(path[index]),
      let low = Hex.value(path[index + 1])
    else { return nil }
    index += 2
    return high << 4 | low
  }

  /// What a decoder that keeps only the low byte of a code point would see.
  private static let cutLookalikes: Set<UInt8> = [0, 0x25, 0x2E, 0x2F, 0x3B, 0x5C]

  /// Code points that compatibility normalisation or a best-fit table turns into `.`, `/`, `\`, `%`
  /// or `;`.
  private static let lookalikes: Set<UInt32> = [
    0x2024, 0x2025, 0x2026, 0x3002, 0xFE12, 0xFE19, 0xFE30, 0xFE52, 0xFF0E, 0xFF61,  // dots
    0x2044, 0x2215, 0x29F8, 0xFF0F,  // slashes
    0x20E5, 0x2216, 0x29F5, 0x29F9, 0xFE68, 0xFF3C,  // backslashes
    0x066A, 0xFE6A, 0xFF05,  // percent signs
    0x037E, 0xFE14, 0xFE54, 0xFF1B,  // semicolons
  ]
}
