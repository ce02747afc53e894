import Base
import Fields

/// Finds the end of a request head as its bytes arrive, and refuses at the first byte that no head
/// holds.
///
/// Looks at each byte once. Lines end in CR LF only; neither stands alone. One empty line before
/// the request line is passed over, as RFC 9112 2.2 asks.
struct HeadScanner {
  enum Verdict: Equatable {
    /// The head is not complete yet.
    case more
    /// The head is the bytes of this range, the empty line included.
    case complete(Range<Int>)
    case refused(Refusal)
  }

  private var scanned = 0
  private var start = 0
  private var lineLength = 0
  private var lines = 0
  private var afterReturn = false

  /// Whether a byte of the head has come.
  var hasBegun: Bool { scanned > 0 }

  /// Goes on with `bytes`, which hold the head from its first byte, more of it than at the last
  /// call.
  mutating func scan(_ bytes: Span<UInt8>, limits: GuardLimits) -> Verdict {
    while scanned < bytes.count {
      if !afterReturn { passFieldBytes(bytes) }
      guard scanned < bytes.count else { break }
      if scanned - start >= limits.head.bytes { return .refused(.headTooLarge) }
      let byte = bytes[scanned]
      scanned += 1
      if afterReturn {
        guard byte == 0x0A else { return .refused(.malformed) }
        afterReturn = false
        if let verdict = endLine(limits) { return verdict }
      } else {
        guard byte == 0x0D else { return .refused(.malformed) }
        afterReturn = true
      }
    }
    return scanned - start > limits.head.bytes ? .refused(.headTooLarge) : .more
  }

  private mutating func passFieldBytes(_ bytes: Span<UInt8>) {
    var index = scanned
    while index < bytes.count, bytes[index].isFieldByte { index += 1 }
    lineLength += index - scanned
    scanned = index
  }

  private mutating func endLine(_ limits: GuardLimits) -> Verdict? {
    if lineLength == 0 {
      if lines > 0 { return .complete(start..<scanned) }
      guard start == 0 else { return .refused(.malformed) }
      start = scanned
      return nil
    }
    lineLength = 0
    lines += 1
    return lines > limits.fields + 1 ? .refused(.headTooLarge) : nil
  }
}
