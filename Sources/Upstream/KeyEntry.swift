package import Base
package import BigCommerce
package import Storage

/// A service key in a replica's memory; it never changes, a change makes another entry.
package final class KeyEntry: Sendable {
  package let record: ServiceKeyRecord
  // Of the record, for those who ask at every call.
  package let id: String
  package let grant: Grant
  private let validUntil: Timestamp
  /// What is known from calls; it outlives changes of the entry.
  package let activity: KeyActivity

  package init(_ record: ServiceKeyRecord, activity: KeyActivity = KeyActivity()) {
    self.record = record
    (id, grant, validUntil) = (record.id, record.grant, record.validUntil)
    self.activity = activity
  }

  package func isValid(at now: Timestamp) -> Bool { now < validUntil }

  /// Takes one call of the key's rate, if it has one.
  ///
  /// - Returns: `nil` when the call may be made; how long to wait when it may not.
  package func admit(by clock: MonotonicClock) -> Duration? {
    grant.rate.flatMap { activity.admit(at: clock.now(), $0) }
  }

  /// What the key's rate, if it has one, would allow now; nothing is taken.
  package func allowance(by clock: MonotonicClock) -> RateAllowance? {
    grant.rate.map { activity.allowance(at: clock.now(), $0) }
  }
}
