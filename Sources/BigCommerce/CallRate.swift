/// How many calls a key may make, on each replica.
package struct CallRate: Hashable, Sendable, Comparable {
  /// What a rate may be, in calls per minute.
  package static let allowed: ClosedRange<Int64> = 1...600_000

  package let callsPerMinute: Int64

  /// `nil` outside of ``allowed``.
  package init?(callsPerMinute: Int64) {
    guard CallRate.allowed.contains(callsPerMinute) else { return nil }
    self.callsPerMinute = callsPerMinute
  }

  package static func < (left: CallRate, right: CallRate) -> Bool {
    left.callsPerMinute < right.callsPerMinute
  }
}
