import Base
import DequeModule

/// Who waits, store by store: a store's flood stands behind itself and not before others; pure.
struct FairBatch<Element> {
  private var queues: [InstallationID: Deque<Element>] = [:]
  /// The stores that have something waiting, in turn.
  private var turns: Deque<InstallationID> = []
  private(set) var count = 0

  var isEmpty: Bool { count == 0 }

  mutating func add(_ element: Element, of installation: InstallationID) {
    if queues[installation] == nil { turns.append(installation) }
    queues[installation, default: []].append(element)
    count += 1
  }

  /// At most so many: the oldest of each store in turn, and again from the first.
  mutating func take(_ most: Int) -> [Element] {
    var taken: [Element] = []
    taken.reserveCapacity(Swift.min(most, count))
    while taken.count < most, let store = turns.popFirst() {
      guard let element = queues[store]?.popFirst() else { continue }
      taken.append(element)
      if queues[store]?.isEmpty == false {
        turns.append(store)
      } else {
        queues[store] = nil
      }
    }
    count -= taken.count
    return taken
  }
}
