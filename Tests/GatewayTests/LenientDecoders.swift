import Base

/// Ways in which servers have been known to read a path, none of them right.
enum LenientDecoders {
  /// All places that `path` may mean to somebody, after up to four readings.
  ///
  /// A text may be read by several decoders one after the other, as when a proxy stands before a
  /// server.
  static func readings(of path: String) -> Set<[String]> {
    var texts: Set<[UInt8]> = [Array(path.utf8)]
    var newest = texts
    for _ in 0..<4 {
      newest = Set(newest.flatMap { text in decoders.map { $0(text) } }).subtracting(texts)
      if newest.isEmpty { break }
      texts.formUnion(newest)
    }
    return Set(texts.flatMap { text in resolvers.map { $0(text) } })
  }

  private static let decoders: [@Sendable ([UInt8]) -> [UInt8]] = [
    percentKeepingStray, percentSkippingStray, unicodeEscapes, overlong, folded, cutToBytes,
  ]

  /// `%XX`; a `%` that begins no escape stays.
  private static func percentKeepingStray(_ text: [UInt8]) -> [UInt8] {
    percent(text, keepsStray: true)
  }

  /// `%XX`; a `%` that begins no escape goes.
  private static func percentSkippingStray(_ text: [UInt8]) -> [UInt8] {
    percent(text, keepsStray: false)
  }

  private static func percent(_ text: [UInt8], keepsStray: Bool) -> [UInt8] {
    var result: [UInt8] = []
    var index = 0
    while index < text.count {
      if text[index] == UInt8(ascii: "%") {
        if index + 2 < text.count, let high = Hex.value(text[index + 1]),
          let low = Hex.value(text[index + 2])
        {
          result.append(high << 4 | low)
          index += 3
          continue
        }
        index += 1
        if keepsStray { result.append(UInt8(ascii: "%")) }
        continue
      }
      result.append(text[index])
      index += 1
    }
    return result
  }

  /// `%uXXXX`, cut to its low byte when it is beyond ASCII.
  private static func unicodeEscapes(_ text: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var index = 0
    while index < text.count {
      if index + 5 < text.count, text[index] == UInt8(ascii: "%"),
        text[index + 1] | 0x20 == UInt8(ascii: "u"),
        let value = UInt32(
          String(decoding: text[(index + 2)..<(index + 6)], as: UTF8.self), radix: 16)
      {
        result.append(
          UInt8(truncatingIfNeeded: (0xFF01...0xFF5E).contains(value) ? value - 0xFEE0 : value))
        index += 6
      } else {
        result.append(text[index])
        index += 1
      }
    }
    return result
  }

  /// UTF-8 that accepts a character in more bytes than it needs.
  private static func overlong(_ text: [UInt8]) -> [UInt8] {
    rewritten(percentKeepingStray(text)) { value, _ in value < 0x80 ? [UInt8(value)] : nil }
  }

  /// Compatibility normalisation of the characters that look like those with a meaning.
  private static func folded(_ text: [UInt8]) -> [UInt8] {
    rewritten(percentKeepingStray(text)) { value, _ in
      switch value {
      case 0xFF01...0xFF5E: [UInt8(value - 0xFEE0)]
      case 0x2024: [UInt8(ascii: ".")]
      case 0x2025: Array("..".utf8)
      case 0x2026: Array("...".utf8)
      case 0x2044, 0x2215: [UInt8(ascii: "/")]
      default: nil
      }
    }
  }

  /// Keeps the low byte of each code point.
  private static func cutToBytes(_ text: [UInt8]) -> [UInt8] {
    rewritten(percentKeepingStray(text)) { value, _ in [UInt8(truncatingIfNeeded: value)] }
  }

  /// Reads two- and three-byte forms without any check and replaces them where `replace` says so.
  private static func rewritten(_ text: [UInt8], _ replace: (UInt32, ArraySlice<UInt8>) -> [UInt8]?)
    -> [UInt8]
  {
    var result: [UInt8] = []
    var index = 0
    while index < text.count {
      let count = text[index] >= 0xE0 ? 3 : text[index] >= 0xC0 ? 2 : 1
      guard count > 1, index + count <= text.count else {
        result.append(text[index])
        index += 1
        continue
      }
      let form = text[index..<(index + count)]
      var value = UInt32(text[index] & (count == 3 ? 0x0F : 0x1F))
      for byte in form.dropFirst() { value = value << 6 | UInt32(byte & 0x3F) }
      result += replace(value, form) ?? Array(form)
      index += count
    }
    return result
  }

  private static let resolvers: [@Sendable ([UInt8]) -> [String]] = [
    { resolve($0, separators: [0x2F], cutsAt: []) },
    { resolve($0, separators: [0x2F, 0x5C], cutsAt: []) },
    { resolve($0, separators: [0x2F], cutsAt: [0x00, 0x23]) },
    {
      resolve(
        $0, separators: [0x2F, 0x5C], cutsAt: [0x00, 0x23, 0x3F], dropsParameters: true, trims: true
      )
    },
  ]

  /// The segments after dot segments are resolved.
  private static func resolve(
    _ text: [UInt8], separators: Set<UInt8>, cutsAt: Set<UInt8>, dropsParameters: Bool = false,
    trims: Bool = false
  ) -> [String] {
    let path = text.prefix { !cutsAt.contains($0) }
    var resolved: [String] = []
    for part in path.split(omittingEmptySubsequences: true, whereSeparator: separators.contains) {
      var segment = part
      if dropsParameters { segment = segment.prefix { $0 != UInt8(ascii: ";") } }
      if trims {
        while let last = segment.last, last == 0x20 || last == 0x09 { segment = segment.dropLast() }
      }
      switch String(decoding: segment, as: UTF8.self) {
      case ".", "": continue
      case "..": _ = resolved.popLast()
      case let name: resolved.append(name)
      }
    }
    return resolved
  }
}
