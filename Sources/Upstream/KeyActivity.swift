package import Base
import Synchronization

/// What this replica has seen of a service key: when it was last used.
///
/// Two words, whatever the number of calls; they are changed without a lock.
package final class KeyActivity: Sendable {
  /// Minutes since 1970; 0: not used since the start.
  private let lastMinute = Atomic<Int64>(0)
  /// The last minute that the database has.
  private let writtenMinute = Atomic<Int64>(0)

  package init() {}

  /// Notes that a call came with the key.
  package func noteUse(at now: Timestamp) {
    let minute = now.seconds / 60
    // A minute's first call writes, the others only read: calls on all loops share this word.
    if lastMinute.load(ordering: .relaxed) < minute {
      lastMinute.store(minute, ordering: .relaxed)
    }
  }

  /// The minute of the last use that the database does not have yet.
  package var unwrittenMinute: Int64? {
    let minute = lastMinute.load(ordering: .relaxed)
    return minute > writtenMinute.load(ordering: .relaxed) ? minute : nil
  }

  /// Notes what the database has.
  package func noteWritten(minute: Int64) {
    writtenMinute.store(minute, ordering: .relaxed)
  }
}
