import Base
import NIOHTTP1

/// The calls that a store allows in a window of time.
struct Quota: Sendable {
  var limit: Int
  var window: Duration
  /// Whether answers carry the `X-Rate-Limit-…` headers, refusals included.
  var showsHeaders = true
  private var used = 0
  private var windowEnd = Timestamp(seconds: 0)

  init(limit: Int, window: Duration) {
    self.limit = limit
    self.window = window
  }

  /// Counts one call; the view says whether it was within the limit.
  mutating func take(at now: Timestamp) -> QuotaView {
    if now >= windowEnd {
      used = 0
      windowEnd = now + window
    }
    let isRefused = used >= limit
    if !isRefused { used += 1 }
    var view = QuotaView(
      limit: limit, left: limit - used, resetMilliseconds: (windowEnd - now).inMilliseconds,
      windowMilliseconds: window.inMilliseconds)
    view.isRefused = isRefused
    view.isShown = showsHeaders
    return view
  }

  /// Starts a fresh window at the next call.
  mutating func refill() {
    used = 0
    windowEnd = Timestamp(seconds: 0)
  }
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
