import Synchronization

/// Names one request in answers, logs and, as `X-Correlation-Id`, at BigCommerce.
package struct RequestID: Hashable, Sendable, CustomStringConvertible {
  package let text: String

  /// Takes a caller's ID if it is well formed: 1 to 128 of letters, digits, `-`, `_`, `.` and `:`.
  package init?(_ text: some StringProtocol) {
    guard (1...128).contains(text.utf8.count), text.utf8.allSatisfy(RequestID.allows) else {
      return nil
    }
    self.text = String(text)
  }

  /// At least seven digits, behind a prefix of 15 bytes at most.
  fileprivate init(prefix: [UInt8], number: UInt64) {
    // 64 bits are 13 digits at most.
    var bytes = InlineArray<28, UInt8>(repeating: UInt8(ascii: "0"))
    var start = bytes.count
    var rest = number
    while rest > 0 || start > bytes.count - 7 {
      start -= 1
      let digit = UInt8(truncatingIfNeeded: rest % 36)
      bytes[start] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") - 10 + digit
      rest /= 36
    }
    start -= prefix.count
    for index in prefix.indices { bytes[start + index] = prefix[index] }
    text = bytes.span.extracting(start...).asciiText
  }

  private static func allows(_ byte: UInt8) -> Bool {
    byte.isLowercaseOrDigit
      || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
      || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
      || byte == UInt8(ascii: ".") || byte == UInt8(ascii: ":")
  }

  package var description: String { text }
}

/// Makes request IDs from a prefix of this process and a counter: no system call, no lock, well
/// under a microsecond.
package final class RequestIDSource: Sendable {
  private let prefix: [UInt8]
  private let counter = Atomic<UInt64>(0)

  /// - Parameter seed: random, so that two processes do not make the same IDs.
  package init(seed: UInt64) {
    prefix = Array("r\(String(seed, radix: 36))-".utf8)
  }

  package func next() -> RequestID {
    RequestID(prefix: prefix, number: counter.wrappingAdd(1, ordering: .relaxed).newValue)
  }
}
