import Base

/// The relative path in a payload's `url`, made safe to stand in a `Location` or to be appended to
/// an origin.
package enum DeepLink {
  /// Longest path that is kept.
  static let maxLength = 2048

  /// The path, or `/` when it is anything but a path on the same origin.
  ///
  /// It must begin with one `/` and consist of printable ASCII without backslash and quotes. In its
  /// path, before `?` or `#`, no lenient reader may find `//`, a backslash, a dot segment or a
  /// control character, even after four decodings; in the whole, no control character.
  package static func path(from url: String?) -> String {
    guard let url, url.utf8.count <= maxLength, url.utf8.first == UInt8(ascii: "/") else {
      return "/"
    }
    guard url.utf8.allSatisfy(isAllowed) else { return "/" }
    var stage = Array(url.utf8)
    for _ in 0...4 {
      guard isSafe(stage) else { return "/" }
      stage = LenientDecoding.once(stage)
    }
    return url
  }

  private static func isAllowed(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "\\"), UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: "<"),
      UInt8(ascii: ">"), UInt8(ascii: "`"), UInt8(ascii: "^"):
      false
    default: (0x21...0x7E).contains(byte)
    }
  }

  private static func isSafe(_ bytes: [UInt8]) -> Bool {
    guard !bytes.contains(where: { $0 < 0x20 || $0 == 0x7F }) else { return false }
    let path = bytes.prefix { $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") }
    guard !path.contains(UInt8(ascii: "\\")) else { return false }
    let segments = path.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    // The first is before the leading slash; only the last of the others may be empty.
    guard segments.first?.isEmpty == true, !segments.dropFirst().dropLast().contains([]) else {
      return false
    }
    return !segments.contains { $0.elementsEqual(".".utf8) || $0.elementsEqual("..".utf8) }
  }
}

/// Percent-decoding as sloppy readers do it, to see what they might see.
enum LenientDecoding {
  /// Decodes once: what is no valid escape stays.
  static func once(_ bytes: [UInt8]) -> [UInt8] {
    var decoded: [UInt8] = []
    decoded.reserveCapacity(bytes.count)
    var index = 0
    while index < bytes.count {
      if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count,
        let high = Hex.value(bytes[index + 1]), let low = Hex.value(bytes[index + 2])
      {
        decoded.append(high << 4 | low)
        index += 3
      } else {
        decoded.append(bytes[index])
        index += 1
      }
    }
    return decoded
  }
}
