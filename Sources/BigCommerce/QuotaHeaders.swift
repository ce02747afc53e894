package import Fields

/// What an answer says about the store's request window.
///
/// Every value is `nil` when its header is missing, stands twice, or is no whole number in its
/// range.
/// - Source: PLATFORM 6.2; the fall-backs are PLATFORM 11.
package struct QuotaHeaders: Hashable, Sendable {
  /// `X-Rate-Limit-Time-Window-Ms`: length of a window, 1 ms to 1 h.
  package private(set) var window: Duration?
  /// `X-Rate-Limit-Time-Reset-Ms`: time left until the quota is refreshed, up to the
  /// window's length and at least 60 s.
  ///
  /// A duration, not a time of day. Fall-back: `X-Rate-Limit-Reset`, in seconds.
  package private(set) var reset: Duration?
  /// `X-Rate-Limit-Requests-Quota`: requests per window, for this app now.
  package private(set) var quota: Int?
  /// `X-Rate-Limit-Requests-Left`: requests left in this window.
  ///
  /// Fall-back: `X-Rate-Limit-Remaining`.
  package private(set) var left: Int?
  /// `Retry-After` or `X-Retry-After`, whole seconds, 0 to 1 h.
  package private(set) var retryAfter: Duration?

  package init(_ headers: FieldSection) {
    let found = Numbers(headers)
    window = found.windowMs.within(1...3_600_000).map { .milliseconds($0) }
    let longest = max(60_000, found.windowMs.within(1...3_600_000) ?? 0)
    reset =
      found.resetMs.within(0...longest).map { .milliseconds($0) }
      ?? (found.resetMs.isAbsent ? found.reset.within(0...60).map { .seconds($0) } : nil)
    quota = found.quota.within(0...1_000_000_000)
    left =
      found.left.within(0...1_000_000_000)
      ?? (found.left.isAbsent ? found.remaining.within(0...1_000_000_000) : nil)
    retryAfter = (found.retryAfter.within(0...3600) ?? found.xRetryAfter.within(0...3600))
      .map { .seconds($0) }
  }

  /// Whether the answer says nothing at all; a 429 like that means that the platform itself is
  /// under load.
  package var isEmpty: Bool {
    window == nil && reset == nil && quota == nil && left == nil && retryAfter == nil
  }

  /// How long a refused caller should wait by the platform's word; `nil` when it says nothing.
  package var wait: Duration? { reset ?? retryAfter }
}

/// The numbers as they stand, in one pass over the fields and without making strings.
private struct Numbers {
  var windowMs = HeaderNumber()
  var resetMs = HeaderNumber()
  var quota = HeaderNumber()
  var left = HeaderNumber()
  var reset = HeaderNumber()
  var remaining = HeaderNumber()
  var retryAfter = HeaderNumber()
  var xRetryAfter = HeaderNumber()

  init(_ headers: FieldSection) {
    let bytes = headers.bytes.span
    for line in headers.lines {
      let value = bytes.extracting(line.valueRange)
      switch line.name {
      case .quotaWindow: windowMs.take(value)
      case .quotaReset: resetMs.take(value)
      case .quota: quota.take(value)
      case .quotaLeft: left.take(value)
      case .quotaResetSeconds: reset.take(value)
      case .quotaRemaining: remaining.take(value)
      case .retryAfter: retryAfter.take(value)
      case .extendedRetryAfter: xRetryAfter.take(value)
      default: break
      }
    }
  }
}

/// One header that should hold a whole number, and may stand once.
private struct HeaderNumber {
  private var number: Int?
  private var count = 0

  var isAbsent: Bool { count == 0 }

  mutating func take(_ text: Span<UInt8>) {
    count += 1
    number = HeaderNumber.read(text)
  }

  func within(_ range: ClosedRange<Int>) -> Int? {
    guard count == 1, let number, range.contains(number) else { return nil }
    return number
  }

  /// 1 to 15 digits and nothing else.
  private static func read(_ text: Span<UInt8>) -> Int? {
    guard (1...15).contains(text.count) else { return nil }
    var number = 0
    for index in text.indices {
      let byte = text[index]
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
      number = number * 10 + Int(byte - UInt8(ascii: "0"))
    }
    return number
  }
}
