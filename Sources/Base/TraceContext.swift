import Synchronization

/// Which trace a request belongs to, and our own span in it: W3C Trace Context.
///
/// Whoever calls us with a valid `traceparent` has its trace continued; otherwise one begins here.
/// Whom we call on its behalf is told ``traceparent``.
package struct TraceContext: Hashable, Sendable {
  package let traceID: TraceID
  /// Our span, which whoever we call knows as its parent; not zero.
  package let spanID: UInt64
  /// `sampled` (1) and, of level 2, `random` (2); all other bits are zero, as the standard demands.
  package let flags: UInt8
  /// Whether whoever called us began it, so that its `tracestate` goes with it.
  package let isContinued: Bool

  fileprivate static let knownFlags: UInt8 = 3
  /// Of a trace that begins here: its requests are recorded, in the log.
  fileprivate static let sampled: UInt8 = 1

  fileprivate init(_ traceID: TraceID, spanID: UInt64, flags: UInt8, isContinued: Bool) {
    self.traceID = traceID
    self.spanID = spanID
    self.flags = flags
    self.isContinued = isContinued
  }

  /// What whoever we call is told, such as
  /// `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01`.
  package var traceparent: String {
    var text = InlineArray<55, UInt8>(repeating: UInt8(ascii: "-"))
    text.write(0, digits: 2, at: 0)
    text.write(traceID.high, digits: 16, at: 3)
    text.write(traceID.low, digits: 16, at: 19)
    text.write(spanID, digits: 16, at: 36)
    text.write(UInt64(flags), digits: 2, at: 53)
    return text.span.asciiText
  }
}

/// Names a trace: 16 bytes, not all of them zero.
package struct TraceID: Hashable, Sendable, CustomStringConvertible {
  package let high: UInt64
  package let low: UInt64

  /// 32 lower-case hexadecimal digits.
  package var description: String { digits.span.asciiText }

  /// Writes what ``description`` is.
  package func append(to bytes: inout [UInt8]) {
    let digits = digits
    for index in digits.indices { bytes.append(digits[index]) }
  }

  private var digits: InlineArray<32, UInt8> {
    var text = InlineArray<32, UInt8>(repeating: 0)
    text.write(high, digits: 16, at: 0)
    text.write(low, digits: 16, at: 16)
    return text
  }
}

/// Begins and continues traces: no system call and no lock.
package final class TraceSource: Sendable {
  /// What SplitMix64 adds at each step; numbers that differ by it look unrelated.
  private static let step: UInt64 = 0x9e37_79b9_7f4a_7c15
  private let state: Atomic<UInt64>

  /// For requests that arrive, and for what we send of our own.
  package static let shared = TraceSource(seed: .random(in: .min ... .max))

  /// A random seed keeps two processes from making the same IDs.
  package init(seed: UInt64) {
    state = Atomic(seed)
  }

  /// A trace that begins here.
  package func begin() -> TraceContext {
    TraceContext(
      TraceID(high: nextID(), low: nextID()), spanID: nextID(), flags: TraceContext.sampled,
      isContinued: false)
  }

  /// Continues the trace of a `traceparent` that is valid; any other, or none, begins one.
  ///
  /// - Source: W3C Trace Context level 1, section 3.2. Of a later version what version 00 has
  ///   counts.
  package func context(continuing traceparent: String?) -> TraceContext {
    guard let traceparent, let parent = TraceParent(traceparent.utf8.span) else { return begin() }
    return TraceContext(
      parent.traceID, spanID: nextID(), flags: parent.flags & TraceContext.knownFlags,
      isContinued: true)
  }

  /// Not zero.
  private func nextID() -> UInt64 {
    var random = SplitMix64(seed: state.wrappingAdd(Self.step, ordering: .relaxed).oldValue)
    let id = random.next()
    return id == 0 ? 1 : id
  }
}

/// What a `traceparent` says.
private struct TraceParent {
  let traceID: TraceID
  let flags: UInt8

  /// `nil` when it is not valid: the wrong length, upper case, zeros where an ID should be.
  init?(_ bytes: Span<UInt8>) {
    let dash = UInt8(ascii: "-")
    guard bytes.count >= 55, bytes[2] == dash, bytes[35] == dash, bytes[52] == dash,
      let version = bytes.number(0..<2), version != 0xFF,
      bytes.count == 55 || version != 0 && bytes[55] == dash,
      let high = bytes.number(3..<19), let low = bytes.number(19..<35), high | low != 0,
      let span = bytes.number(36..<52), span != 0, let flags = bytes.number(53..<55)
    else { return nil }
    traceID = TraceID(high: high, low: low)
    self.flags = UInt8(flags)
  }
}

extension Span<UInt8> {
  /// Lower-case hexadecimal digits; `nil` when there are others.
  fileprivate func number(_ digits: Range<Int>) -> UInt64? {
    var number: UInt64 = 0
    for index in digits {
      let digit: UInt8
      switch self[index] {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = self[index] - UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = self[index] - UInt8(ascii: "a") + 10
      default: return nil
      }
      number = number << 4 | UInt64(digit)
    }
    return number
  }
}

extension InlineArray where Element == UInt8 {
  /// Writes the last hexadecimal digits of a number.
  fileprivate mutating func write(_ number: UInt64, digits: Int, at place: Int) {
    var rest = number
    for index in stride(from: place + digits - 1, through: place, by: -1) {
      let digit = UInt8(truncatingIfNeeded: rest & 15)
      self[index] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") - 10 + digit
      rest >>= 4
    }
  }
}
