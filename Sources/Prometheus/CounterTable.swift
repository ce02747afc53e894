import Synchronization

/// Counters side by side, which calls on all event loops add to without a lock.
///
/// Whoever owns it gives the places their meaning. A count costs one atomic addition and no memory.
package final class CounterTable: Sendable {
  /// How many counters there are.
  package static let places = 80

  private let cells = InlineArray<80, Atomic<UInt64>> { _ in Atomic(0) }

  package init() {}

  /// Counts one at a place below ``places``.
  package func add(at place: Int) {
    cells[place].wrappingAdd(1, ordering: .relaxed)
  }

  /// What was counted at a place since the start.
  package subscript(place: Int) -> UInt64 { cells[place].load(ordering: .relaxed) }
}
