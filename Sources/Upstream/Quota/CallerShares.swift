/// What each caller of a store has had of the current window.
///
/// While quota is plenty nobody waits, and whoever has more connections gets more of it; when it
/// gets short, those who have had less come first. So callers share a window evenly, however they
/// call.
struct CallerShares: Sendable {
  /// Further callers share a place: they are many, and each has had little.
  private static let most = 256

  private var shares: [(caller: String, calls: Int)] = []

  func share(of caller: String) -> Int {
    shares.first { $0.caller == caller }?.calls ?? 0
  }

  mutating func count(_ caller: String) {
    if let index = shares.firstIndex(where: { $0.caller == caller }) {
      shares[index].calls += 1
    } else if shares.count < Self.most {
      shares.append((caller, 1))
    }
  }

  /// A new window has begun.
  mutating func restart() {
    if !shares.isEmpty { shares.removeAll(keepingCapacity: true) }
  }
}
