import NIOCore

/// The moments by which a connection's deadlines are counted; the guard asks it what comes next.
struct GuardClock {
  /// Since when the connection has been waiting for a request.
  var idleSince = NIODeadline.now()
  /// When the first byte of the head came that is being collected.
  var headSince: NIODeadline?
  /// When the TLS handshake began, until it is complete.
  var handshakeSince: NIODeadline?
  /// When the client stopped sending while its request was being served.
  var goneSince: NIODeadline?

  private var bodyBytes = 0
  private var bodyWaited = TimeAmount.zero
  private var bodyWaitSince: NIODeadline?
  private var bodyIsAwaited = false
  private var readIsWanted = true

  // MARK: Body: only the time counts in which we wait for the client

  /// - Parameter expected: `false` while the client waits for `100 Continue`.
  mutating func beginBody(expected: Bool) {
    bodyBytes = 0
    bodyWaited = .zero
    bodyIsAwaited = expected
    bodyWaitSince = expected && readIsWanted ? .now() : nil
  }

  mutating func bodyWasAskedFor() {
    bodyIsAwaited = true
    if readIsWanted { bodyWaitSince = .now() }
  }

  mutating func bodyArrived(_ count: Int) {
    bodyBytes += count
    bodyIsAwaited = true
  }

  mutating func endBody() {
    bodyIsAwaited = false
    bodyWaitSince = nil
  }

  mutating func readWanted() {
    readIsWanted = true
    if bodyIsAwaited, bodyWaitSince == nil { bodyWaitSince = .now() }
  }

  mutating func readArrived() {
    readIsWanted = false
    guard let since = bodyWaitSince else { return }
    bodyWaited = bodyWaited + (NIODeadline.now() - since)
    bodyWaitSince = nil
  }

  /// When the body will have been too slow, if nothing more of it comes.
  func bodyDeadline(_ limits: GuardLimits) -> NIODeadline? {
    guard let since = bodyWaitSince else { return nil }
    let earned = TimeAmount.nanoseconds(
      Int64(bodyBytes) * (1_000_000_000 / Int64(max(1, limits.bodyRate))))
    let left = TimeAmount(limits.bodyGrace) + earned - bodyWaited
    return since + min(left, TimeAmount(limits.bodyStall))
  }
}

/// Watches whether the client takes what we have written.
struct WriteWatch {
  /// All bytes that were ever written to the connection.
  var bytes = 0
  /// Of these, those that had been written when the socket was last asked whether it took all.
  var bytesAtLook = 0

  /// What waited when it was first seen to.
  private struct Backlog {
    let since: NIODeadline
    let taken: Int
    /// All that had been written then: once that is taken, whatever waits is another backlog.
    let end: Int
    var lastTaken: Int
    var lastProgress: NIODeadline
  }

  private var backlog: Backlog?

  /// Whether bytes wait for the client to read.
  var isWaiting: Bool { backlog != nil }

  /// Notes how many bytes the client has not taken yet; they may have waited `since` before.
  mutating func note(unsent: Int, at now: NIODeadline, since: NIODeadline? = nil) {
    let taken = bytes - unsent
    guard var current = backlog, taken < current.end else {
      backlog =
        unsent > 0
        ? Backlog(
          since: since ?? now, taken: taken, end: bytes, lastTaken: taken, lastProgress: now)
        : nil
      return
    }
    if taken > current.lastTaken {
      current.lastTaken = taken
      current.lastProgress = now
    }
    backlog = current
  }

  /// Whether the client reads more slowly than the limits allow.
  func isTooSlow(_ limits: GuardLimits, at now: NIODeadline) -> Bool {
    guard let backlog else { return false }
    if now - backlog.lastProgress > TimeAmount(limits.writeStall) { return true }
    let waited = now - backlog.since - TimeAmount(limits.writeGrace)
    guard waited > .zero else { return false }
    let taken = backlog.lastTaken - backlog.taken
    return Double(taken) < Double(limits.writeRate) * Double(waited.nanoseconds) / 1_000_000_000
  }
}
