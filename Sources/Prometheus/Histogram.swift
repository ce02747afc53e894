import Synchronization

/// How many durations there were up to each of some bounds, and their sum.
///
/// An observation costs two atomic additions, one when the duration is nothing.
package final class Histogram: Sendable {
  /// A histogram holds no more bounds than this.
  package static let mostBounds = 19

  /// What was observed since the start.
  package struct Reading: Hashable, Sendable {
    package struct Bucket: Hashable, Sendable {
      /// In seconds.
      package let bound: Double
      /// How many durations were at most as long.
      package let count: UInt64
    }

    package let buckets: [Bucket]
    package let count: UInt64
    /// In seconds.
    package let sum: Double
  }

  /// In microseconds, growing.
  private let bounds: [Int64]
  /// By the first bound that holds them; the last place is for what no bound holds.
  private let cells = InlineArray<20, Atomic<UInt64>> { _ in Atomic(0) }
  /// In microseconds.
  private let sum = Atomic<Int64>(0)

  /// - Parameter milliseconds: the bounds, growing, at most ``mostBounds``.
  package init(milliseconds: [Int64]) {
    precondition(milliseconds.count <= Self.mostBounds && milliseconds == milliseconds.sorted())
    bounds = milliseconds.map { $0 * 1000 }
  }

  /// Counts one duration, in whole microseconds; below nothing is taken for nothing.
  package func observe(_ duration: Duration) {
    guard duration > .zero else { return observe(microseconds: 0) }
    let (seconds, attoseconds) = duration.components
    observe(microseconds: seconds * 1_000_000 + attoseconds / 1_000_000_000_000)
  }

  private func observe(microseconds: Int64) {
    var place = 0
    while place < bounds.count && bounds[place] < microseconds { place += 1 }
    cells[place].wrappingAdd(1, ordering: .relaxed)
    if microseconds > 0 { sum.wrappingAdd(microseconds, ordering: .relaxed) }
  }

  /// What was observed; one that is observed meanwhile may be in the count and not yet in the sum.
  package var reading: Reading {
    var count: UInt64 = 0
    let buckets = bounds.indices.map { place in
      count += cells[place].load(ordering: .relaxed)
      return Reading.Bucket(bound: Double(bounds[place]) / 1_000_000, count: count)
    }
    return Reading(
      buckets: buckets, count: count + cells[bounds.count].load(ordering: .relaxed),
      sum: Double(sum.load(ordering: .relaxed)) / 1_000_000)
  }
}
