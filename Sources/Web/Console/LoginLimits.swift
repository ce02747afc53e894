import Synchronization

/// How many logins may fail: from one address, and in all.
///
/// A leaky count: each failure adds one, time takes them away again. Addresses are counted in a
/// table of fixed size, each in two of its places, so memory does not grow with the number of
/// addresses, and two that share one place hardly ever share both.
struct LoginLimits: Sendable {
  struct Limit: Hashable, Sendable {
    /// So many failures at once.
    let burst: Double
    /// Then one more after each of these.
    let share: Duration
  }

  static let perAddress = Limit(burst: 5, share: .seconds(60))
  static let inAll = Limit(burst: 100, share: .milliseconds(600))
  static let places = 4096

  private struct Count: Sendable {
    var level: Double = 0
    var at = Duration.zero

    func level(at now: Duration, _ limit: Limit) -> Double {
      max(0, level - (now - at) / limit.share)
    }

    mutating func add(_ amount: Double, at now: Duration, _ limit: Limit) {
      (level, at) = (max(0, level(at: now, limit) + amount), now)
    }
  }

  private var addresses = [Count](repeating: Count(), count: places)
  private var all = Count()

  /// Takes one attempt, which counts as a failure until ``succeeded(_:now:)``.
  ///
  /// - Returns: `nil` when it may be made; how long to wait when it may not, which takes nothing.
  mutating func admit(_ address: String, now: Duration) -> Duration? {
    let places = places(of: address)
    let level = places.map { addresses[$0].level(at: now, Self.perAddress) }.min() ?? 0
    if let wait = wait(level, Self.perAddress) { return wait }
    if let wait = wait(all.level(at: now, Self.inAll), Self.inAll) { return wait }
    for place in places { addresses[place].add(1, at: now, Self.perAddress) }
    all.add(1, at: now, Self.inAll)
    return nil
  }

  /// The attempt that was taken did not fail.
  mutating func succeeded(_ address: String, now: Duration) {
    for place in places(of: address) { addresses[place].add(-1, at: now, Self.perAddress) }
    all.add(-1, at: now, Self.inAll)
  }

  private func wait(_ level: Double, _ limit: Limit) -> Duration? {
    level > limit.burst - 1 ? limit.share * (level - limit.burst + 1) : nil
  }

  /// Hashes are seeded anew in each process, so nobody can choose an address that shares another's.
  private func places(of address: String) -> [Int] {
    [0, 1].map { part in
      var hasher = Hasher()
      hasher.combine(part)
      hasher.combine(address)
      return Int(UInt(bitPattern: hasher.finalize()) % UInt(Self.places))
    }
  }
}

/// The login limits of this replica.
final class LoginGate: Sendable {
  private let limits = Mutex(LoginLimits())

  func admit(_ address: String, now: Duration) -> Duration? {
    limits.withLock { $0.admit(address, now: now) }
  }

  func succeeded(_ address: String, now: Duration) {
    limits.withLock { $0.succeeded(address, now: now) }
  }
}
