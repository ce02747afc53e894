import BigCommerce
import DequeModule

/// Waiting calls of one store and priority: the caller who has had least comes next, those who had
/// the same take turns, and each caller's calls keep their order.
///
/// A call whose family has no free place does not hold up the same caller's calls of other
/// families.
struct FairQueue: Sendable {
  private struct Lane {
    let family: EndpointFamily.ID
    var waiters: Deque<QuotaWaiterID>
  }

  /// Callers with waiting calls, and those by family.
  private var lanes: [String: [Lane]] = [:]
  /// Whose turn it is, and who follows.
  private var turns = Deque<String>()
  private(set) var count = 0

  var isEmpty: Bool { count == 0 }
  var callerCount: Int { turns.count }

  /// How many calls of a caller wait.
  func count(of caller: String) -> Int {
    lanes[caller]?.reduce(0) { $0 + $1.waiters.count } ?? 0
  }

  mutating func append(_ id: QuotaWaiterID, caller: String, family: EndpointFamily.ID) {
    count += 1
    var own = lanes.removeValue(forKey: caller) ?? []
    if own.isEmpty { turns.append(caller) }
    if let index = own.firstIndex(where: { $0.family == family }) {
      own[index].waiters.append(id)
    } else {
      own.append(Lane(family: family, waiters: [id]))
    }
    lanes[caller] = own
  }

  /// Takes out one who no longer waits.
  mutating func remove(_ id: QuotaWaiterID, caller: String, family: EndpointFamily.ID) {
    guard var own = lanes[caller], let lane = own.firstIndex(where: { $0.family == family }),
      let place = own[lane].waiters.firstIndex(of: id)
    else { return }
    own[lane].waiters.remove(at: place)
    put(own, of: caller, lane)
    if lanes[caller] == nil { turns.removeAll { $0 == caller } }
  }

  /// Takes the next call that has a free place in its family.
  mutating func takeNext(
    _ shares: CallerShares, where isFree: (EndpointFamily.ID) -> Bool
  ) -> QuotaWaiterID? {
    var best: (turn: Int, lane: Int, share: Int)?
    for turn in turns.indices {
      let share = shares.share(of: turns[turn])
      guard share < best?.share ?? .max, let own = lanes[turns[turn]],
        let lane = FairQueue.first(of: own, where: isFree)
      else { continue }
      best = (turn, lane, share)
    }
    guard let best, var own = lanes[turns[best.turn]] else { return nil }
    let caller = turns.remove(at: best.turn)
    let id = own[best.lane].waiters.removeFirst()
    put(own, of: caller, best.lane)
    if lanes[caller] != nil { turns.append(caller) }
    return id
  }

  /// The lane with the oldest call that may go.
  private static func first(
    of lanes: [Lane], where isFree: (EndpointFamily.ID) -> Bool
  ) -> Int? {
    var best: (lane: Int, number: UInt64)?
    for (index, lane) in lanes.enumerated() where isFree(lane.family) {
      guard let number = lane.waiters.first?.number, number < best?.number ?? .max else { continue }
      best = (index, number)
    }
    return best?.lane
  }

  private mutating func put(_ own: [Lane], of caller: String, _ changed: Int) {
    var own = own
    count -= 1
    if own[changed].waiters.isEmpty { own.remove(at: changed) }
    lanes[caller] = own.isEmpty ? nil : own
  }
}
