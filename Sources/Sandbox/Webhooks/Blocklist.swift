import Base
import Synchronization

/// Destinations that fail too often, per domain and app: BigCommerce leaves them alone for a while.
final class Blocklist: Sendable {
  /// Whom a block is for.
  struct Key: Hashable, Sendable {
    /// Host and port: every port of this machine counts as a domain of its own.
    let domain: String
    let clientID: String
  }

  /// The sliding window in seconds, the pause after it, and when the window says anything.
  static let window: Int64 = 120
  static let pause: Int64 = 180
  static let leastDeliveries = 100
  static let leastSuccess = 0.9
  /// Destinations that are watched; with more, those that are not blocked are counted anew.
  private static let limit = 2000

  private struct State {
    var tracks: [Key: Track] = [:]
    var speed = 1.0
  }

  private let state: Mutex<State>

  init(speed: Double) {
    state = Mutex(State(speed: speed))
  }

  /// Counts one delivery, with why it failed if it did; whether this one has blocked the
  /// destination.
  func record(_ key: Key, failure: String?, at now: Timestamp) -> Bool {
    state.withLock { state in
      if state.tracks.count >= Blocklist.limit, state.tracks[key] == nil {
        state.tracks = state.tracks.filter {
          $0.value.remaining(at: now, speed: state.speed) != nil
        }
      }
      return state.tracks[key, default: Track()]
        .record(failure: failure, at: now, speed: state.speed)
    }
  }

  func isBlocked(_ key: Key, at now: Timestamp) -> Bool {
    state.withLock { $0.tracks[key]?.remaining(at: now, speed: $0.speed) != nil }
  }

  /// The `blocked_domains` of `/v3/hooks/admin`.
  func listed(clientID: String, at now: Timestamp) -> JSONValue {
    state.withLock { state in
      let blocked = state.tracks.filter { $0.key.clientID == clientID }
        .sorted { $0.key.domain < $1.key.domain }
      return .array(
        blocked.compactMap { key, track in
          track.remaining(at: now, speed: state.speed).map { track.document(key.domain, $0) }
        })
    }
  }

  /// Windows start anew, because they are measured in compressed time.
  func setSpeed(_ speed: Double) {
    state.withLock { state in
      guard speed != state.speed else { return }
      state = State(speed: speed)
    }
  }

  func clear() {
    state.withLock { $0.tracks = [:] }
  }
}

/// What came of the latest deliveries to one destination of one app.
private struct Track: Sendable {
  /// How often a failure occurred, and when last.
  struct Reason: Sendable {
    var count = 0
    var last = Timestamp(seconds: 0)
  }

  /// Deliveries of one second of the window.
  private struct Slot: Sendable {
    var second: Int64 = .min
    var all = 0
    var failed = 0
  }

  private var slots = [Slot](repeating: Slot(), count: Int(Blocklist.window))
  private var reasons: [String: Reason] = [:]
  private var blockedSince: Timestamp?

  mutating func record(failure: String?, at now: Timestamp, speed: Double) -> Bool {
    let second = Int64(Double(now.microseconds) * speed / 1_000_000)
    let index = Int(second % Blocklist.window)
    if slots[index].second != second { slots[index] = Slot(second: second) }
    slots[index].all += 1
    guard let failure else { return false }
    slots[index].failed += 1
    if blockedSince != nil, remaining(at: now, speed: speed) == nil {
      blockedSince = nil
      reasons = [:]
    }
    reasons[failure, default: Reason()].count += 1
    reasons[failure]?.last = now
    return block(at: now, second: second, speed: speed)
  }

  private mutating func block(at now: Timestamp, second: Int64, speed: Double) -> Bool {
    let recent = slots.filter { $0.second > second - Blocklist.window }
    let all = recent.reduce(0) { $0 + $1.all }
    let failed = recent.reduce(0) { $0 + $1.failed }
    guard all >= Blocklist.leastDeliveries,
      Double(all - failed) < Blocklist.leastSuccess * Double(all),
      remaining(at: now, speed: speed) == nil
    else { return false }
    blockedSince = now
    return true
  }

  /// The time until the block ends; `nil` when there is none.
  func remaining(at now: Timestamp, speed: Double) -> Duration? {
    guard let blockedSince else { return nil }
    let pause = Duration.microseconds(Int64(Double(Blocklist.pause) * 1_000_000 / speed))
    let left = blockedSince + pause - now
    return left > .zero ? left : nil
  }

  func document(_ domain: String, _ left: Duration) -> JSONValue {
    [
      "destination": .string(domain), "time_left": .integer((left.inMilliseconds + 999) / 1000),
      "reasons": .array(
        reasons.sorted { $0.key < $1.key }.map { description, reason in
          [
            "failure_description": .string(description), "count": .integer(reason.count),
            "timestamp": .integer(reason.last.seconds),
          ]
        }),
    ]
  }
}
