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

  fileprivate init(prefix: String, number: UInt64) {
    let digits = String(number, radix: 36)
    var text = prefix
    text.reserveCapacity(prefix.utf8.count + 13)
    for _ in 0..<max(0, 7 - digits.utf8.count) { text.append("0") }
    text.append(digits)
    self.text = text
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
  private let prefix: String
  private let counter = Atomic<UInt64>(0)

  /// - Parameter seed: random, so that two processes do not make the same IDs.
  package init(seed: UInt64) {
    prefix = "r" + String(seed, radix: 36) + "-"
  }

  package func next() -> RequestID {
    RequestID(prefix: prefix, number: counter.wrappingAdd(1, ordering: .relaxed).newValue)
  }
}
