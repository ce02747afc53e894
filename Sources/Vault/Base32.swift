/// Lower-case base 32 of RFC 4648, whose 32 characters are `a-z2-7`, without padding.
///
/// No two of them are easily confused, none needs quoting, and a double click selects the whole
/// text.
package enum Base32 {
  private static let alphabet = Array("abcdefghijklmnopqrstuvwxyz234567".utf8)

  static func allows(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
      || (UInt8(ascii: "2")...UInt8(ascii: "7")).contains(byte)
  }

  /// The first `count` characters of the bytes' text, five bits each.
  package static func encode(_ bytes: [UInt8], count: Int) -> String {
    var text: [UInt8] = []
    var buffer: UInt32 = 0
    var bits = 0
    for byte in bytes {
      buffer = buffer << 8 | UInt32(byte)
      bits += 8
      while bits >= 5 {
        bits -= 5
        text.append(alphabet[Int(buffer >> UInt32(bits) & 31)])
      }
      buffer &= (1 << UInt32(bits)) - 1
    }
    return String(decoding: text.prefix(count), as: UTF8.self)
  }

  /// The character for the five bits of a number that begin at `shift`.
  static func character(_ number: UInt32, _ shift: UInt32) -> UInt8 {
    alphabet[Int(number >> shift & 31)]
  }
}
