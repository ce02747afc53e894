import Base
import NIOHTTP1

/// The calls that a store allows in a window of time.
struct Quota: Sendable {
  var limit: Int
  var window: Duration
  /// Whether answers carry the `X-Rate-Limit-…` headers, refusals included.
  var showsHeaders = true
  /// Calls that others make in each window, evenly over it; with any, windows follow one another.
  var strangers = 0
  private var used = 0
  private var strangersDue = 0
  private var windowEnd = Timestamp(seconds: 0)
  private var current = QuotaUse()
  /// What became of the calls of the windows that are over, the last hundred.
  private(set) var history: [QuotaUse] = []

  init(limit: Int, window: Duration) {
    self.limit = limit
    self.window = window
  }

  /// Counts one call; the view says whether it was within the limit.
  mutating func take(at now: Timestamp) -> QuotaView {
    advance(to: now)
    let isRefused = used >= limit
    if isRefused {
      current.refused += 1
    } else {
      used += 1
      current.taken += 1
    }
    var view = QuotaView(
      limit: limit, left: limit - used, resetMilliseconds: (windowEnd - now).inMilliseconds,
      windowMilliseconds: window.inMilliseconds)
    view.isRefused = isRefused
    view.isShown = showsHeaders
    return view
  }

  /// Starts a fresh window at the next call, and forgets what became of calls.
  mutating func refill() {
    used = 0
    strangersDue = 0
    windowEnd = Timestamp(seconds: 0)
    current = QuotaUse()
    history = []
  }

  /// Ends windows that are over, and lets strangers call as often as they would have.
  mutating func advance(to now: Timestamp) {
    while now >= windowEnd {
      let hadWindow = windowEnd > Timestamp(seconds: 0)
      if hadWindow {
        callByStrangers(until: windowEnd)
        history.append(current)
        if history.count > 100 { history.removeFirst() }
      }
      used = 0
      strangersDue = 0
      current = QuotaUse()
      windowEnd = (hadWindow && strangers > 0 ? windowEnd : now) + window
    }
    callByStrangers(until: now)
  }

  private mutating func callByStrangers(until moment: Timestamp) {
    guard strangers > 0 else { return }
    let passed = window.inMicroseconds - (windowEnd - moment).inMicroseconds
    let due = Int(Int64(strangers) * passed / max(1, window.inMicroseconds))
    let taken = min(max(0, due - strangersDue), limit - used)
    strangersDue = max(due, strangersDue)
    used += max(0, taken)
    current.strangers += max(0, taken)
  }
}

/// What became of a window's calls.
struct QuotaUse: Sendable {
  /// Calls that tests make, and those of them that were refused.
  var taken = 0
  var refused = 0
  /// What strangers got.
  var strangers = 0
}

/// A store's quota at the moment of one call.
struct QuotaView: Sendable {
  let limit: Int
  let left: Int
  let resetMilliseconds: Int64
  let windowMilliseconds: Int64
  var isRefused = false
  var isShown = true

  init(limit: Int, left: Int, resetMilliseconds: Int64, windowMilliseconds: Int64) {
    self.limit = limit
    self.left = left
    self.resetMilliseconds = resetMilliseconds
    self.windowMilliseconds = windowMilliseconds
  }

  func add(to headers: inout HTTPHeaders) {
    guard isShown else { return }
    headers.add(name: "x-rate-limit-requests-left", value: String(left))
    headers.add(name: "x-rate-limit-requests-quota", value: String(limit))
    headers.add(name: "x-rate-limit-time-reset-ms", value: String(resetMilliseconds))
    headers.add(name: "x-rate-limit-time-window-ms", value: String(windowMilliseconds))
    if isRefused {
      headers.add(name: "x-retry-after", value: String((resetMilliseconds + 999) / 1000))
    }
  }
}
