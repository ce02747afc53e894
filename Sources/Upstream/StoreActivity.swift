package import Base
package import BigCommerce
import Synchronization

/// What this replica has seen of a store's API: written after every call, read by lists and by
/// quota.
package final class StoreActivity: Sendable {
  /// A copy of what is known.
  package struct Seen: Hashable, Sendable {
    /// When the last answer came.
    package fileprivate(set) var lastCallAt: Timestamp?
    /// Its status.
    package fileprivate(set) var lastStatus: Int?
    /// What the last answer that spoke of quota said.
    package fileprivate(set) var quota: QuotaHeaders?
    /// When that answer came.
    package fileprivate(set) var quotaSeenAt: Timestamp?

    /// Nothing is known.
    package init() {}
  }

  private let seen = Mutex(Seen())

  package init() {}

  /// A copy of what is known now.
  package var current: Seen { seen.withLock { $0 } }

  /// Takes over what an answer's head said.
  package func observe(status: Int, quota: QuotaHeaders, at now: Timestamp) {
    seen.withLock { seen in
      seen.lastCallAt = now
      seen.lastStatus = status
      guard !quota.isEmpty else { return }
      seen.quota = quota
      seen.quotaSeenAt = now
    }
  }
}
