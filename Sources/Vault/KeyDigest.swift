import Crypto

/// A SHA-256 as a value that is quickly compared, hashed and looked up.
package struct KeyDigest: Hashable, Sendable {
  private let first: UInt64
  private let second: UInt64
  private let third: UInt64
  private let fourth: UInt64

  /// The digest of some bytes.
  package init(of bytes: [UInt8]) {
    var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    var index = 0
    for byte in SHA256.hash(data: bytes) {
      KeyDigest.shift(byte, into: &words, at: index)
      index += 1
    }
    (first, second, third, fourth) = words
  }

  /// Reads 32 stored bytes; `nil` for any other count.
  package init?(bytes: [UInt8]) {
    guard bytes.count == 32 else { return nil }
    var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    for (index, byte) in bytes.enumerated() { KeyDigest.shift(byte, into: &words, at: index) }
    (first, second, third, fourth) = words
  }

  /// The 32 bytes, as they are stored.
  package var bytes: [UInt8] {
    [first, second, third, fourth].flatMap { word in
      stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: word >> UInt64($0)) }
    }
  }

  /// A digest is random already: one word of it is hash enough.
  package func hash(into hasher: inout Hasher) { hasher.combine(first) }

  private static func shift(
    _ byte: UInt8, into words: inout (UInt64, UInt64, UInt64, UInt64), at index: Int
  ) {
    switch index >> 3 {
    case 0: words.0 = words.0 << 8 | UInt64(byte)
    case 1: words.1 = words.1 << 8 | UInt64(byte)
    case 2: words.2 = words.2 << 8 | UInt64(byte)
    default: words.3 = words.3 << 8 | UInt64(byte)
    }
  }
}
