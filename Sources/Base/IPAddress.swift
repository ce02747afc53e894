/// An IPv4 or IPv6 address as 16 bytes; IPv4 as `::ffff:a.b.c.d`.
package struct IPAddress: Hashable, Sendable {
  package let bytes: [UInt8]
  package let isVersion4: Bool

  /// 4 or 16 bytes in network order, else `nil`.
  package init?(bytes: some Collection<UInt8>) {
    switch bytes.count {
    case 4: self.bytes = Self.mapped + bytes
    case 16: self.bytes = Array(bytes)
    default: return nil
    }
    isVersion4 = self.bytes.starts(with: Self.mapped)
  }

  package init?(_ text: String) {
    if let four = Self.version4(text[...]) {
      bytes = Self.mapped + four
      isVersion4 = true
    } else if let sixteen = Self.version6(text) {
      bytes = sixteen
      isVersion4 = sixteen.starts(with: Self.mapped)
    } else {
      return nil
    }
  }

  /// Whether it can only be this machine: `127.0.0.0/8` or `::1`.
  package var isLoopback: Bool {
    isVersion4 ? bytes[12] == 127 : bytes == Array(repeating: 0, count: 15) + [1]
  }

  private static let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]

  private static func version4(_ text: Substring) -> [UInt8]? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var bytes: [UInt8] = []
    for part in parts {
      guard (1...3).contains(part.utf8.count), part.utf8.allSatisfy(\.isDigit),
        let byte = UInt8(part)
      else { return nil }
      bytes.append(byte)
    }
    return bytes
  }

  private static func version6(_ text: String) -> [UInt8]? {
    let halves = text.split(separator: "::", maxSplits: 2, omittingEmptySubsequences: false)
    guard (1...2).contains(halves.count), let left = groups(halves[0], isEnd: halves.count == 1)
    else { return nil }
    guard halves.count == 2 else { return left.count == 16 ? left : nil }
    guard let right = groups(halves[1], isEnd: true), left.count + right.count <= 14 else {
      return nil
    }
    return left + Array(repeating: 0, count: 16 - left.count - right.count) + right
  }

  /// Only the last group of an address may be written as an IPv4 address.
  private static func groups(_ text: Substring, isEnd: Bool) -> [UInt8]? {
    if text.isEmpty { return [] }
    var bytes: [UInt8] = []
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    for (index, part) in parts.enumerated() {
      if isEnd, index == parts.count - 1, let four = version4(part) {
        bytes += four
      } else {
        guard (1...4).contains(part.utf8.count), part.allSatisfy(\.isHexDigit),
          let group = UInt16(part, radix: 16)
        else { return nil }
        bytes += [UInt8(group >> 8), UInt8(group & 0xFF)]
      }
    }
    return bytes.count <= 16 ? bytes : nil
  }
}

/// A block of addresses: `10.0.0.0/8`, `2001:db8::/32`, or one address.
package struct AddressRange: Hashable, Sendable {
  private let base: IPAddress
  private let prefix: Int

  package init?(_ text: some StringProtocol) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard (1...2).contains(parts.count), let base = IPAddress(String(parts[0])) else { return nil }
    let width = base.isVersion4 ? 32 : 128
    var length = width
    if parts.count == 2 {
      guard let number = Int(parts[1]), (0...width).contains(number) else { return nil }
      length = number
    }
    self.base = base
    prefix = base.isVersion4 ? 96 + length : length
  }

  package func contains(_ address: IPAddress) -> Bool {
    for index in 0..<16 {
      let bits = min(8, max(0, prefix - index * 8))
      let mask = UInt8(truncatingIfNeeded: 0xFF00 >> bits)
      if base.bytes[index] & mask != address.bytes[index] & mask { return false }
    }
    return true
  }
}
