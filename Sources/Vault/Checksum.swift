/// CRC-32 (ISO 3309, as in zip and PNG) written as seven characters of base 32.
///
/// No protection against anybody: it lets a typo and a cut-off key be told from an unknown one
/// without a look-up, and lets scanners for leaked secrets recognise a key for sure. A CRC, unlike
/// a shortened hash, finds every error of up to three wrong bits and every burst of up to 32.
enum Checksum {
  static let length = 7

  private static let table: [UInt32] = (0..<256).map { index in
    (0..<8).reduce(UInt32(index)) { value, _ in
      value & 1 == 0 ? value >> 1 : value >> 1 ^ 0xEDB8_8320
    }
  }

  /// The checksum of the bytes, as a number.
  static func number(of bytes: ArraySlice<UInt8>) -> UInt32 {
    // Read once: each use of a static member asks whether it has been made.
    let table = table
    var value = ~UInt32(0)
    for byte in bytes {
      value = table[Int(UInt8(truncatingIfNeeded: value) ^ byte)] ^ value >> 8
    }
    return ~value
  }

  /// The seven characters of a checksum, the highest bits first.
  static func text(of number: UInt32) -> [UInt8] {
    [30, 25, 20, 15, 10, 5, 0].map { Base32.character(number, $0) }
  }

  /// Whether these seven characters are the checksum.
  static func matches(_ number: UInt32, _ characters: ArraySlice<UInt8>) -> Bool {
    var shift: UInt32 = 35
    for character in characters {
      shift -= 5
      guard character == Base32.character(number, shift) else { return false }
    }
    return shift == 0
  }
}
