import Synchronization

/// Counts callbacks that are under way.
///
/// They are finished also when nobody waits for the answer any more, so that the listener no longer
/// counts their requests.
final class CallbacksUnderWay: Sendable {
  private let most: Int
  private let count = Atomic<Int>(0)

  init(most: Int) {
    self.most = most
  }

  /// Whether one more may begin; ``end()`` follows then.
  func begin() -> Bool {
    if count.add(1, ordering: .relaxed).newValue <= most { return true }
    end()
    return false
  }

  func end() { count.subtract(1, ordering: .relaxed) }
}
