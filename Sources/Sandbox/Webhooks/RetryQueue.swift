import Base
import DequeModule

/// Deliveries that failed and wait for their next attempt.
///
/// One queue for each step of the ladder: all in it wait equally long, so the first is due first,
/// also after the speed was changed.
struct RetryQueue {
  /// Seconds from a failure to the next attempt, by the number of attempts that have failed.
  static let ladder: [Int64] = [
    60, 180, 300, 600, 900, 1800, 3600, 7200, 21_600, 50_400, 86_400,
  ]

  private struct Waiting {
    let delivery: Delivery
    let failed: Timestamp
  }

  private var steps = [Deque<Waiting>](repeating: [], count: RetryQueue.ladder.count)

  /// `false` when the ladder has no step for another attempt.
  mutating func add(_ delivery: Delivery, failed: Timestamp) -> Bool {
    let step = delivery.attempts - 1
    guard steps.indices.contains(step) else { return false }
    steps[step].append(Waiting(delivery: delivery, failed: failed))
    return true
  }

  /// When the next one is due; `nil` when none waits.
  func nextDue(speed: Double) -> Timestamp? {
    steps.indices.compactMap { step in
      steps[step].first.map { $0.failed + RetryQueue.pause(step, speed) }
    }.min()
  }

  /// Takes what is due, shortest pauses first.
  mutating func takeDue(at now: Timestamp, speed: Double) -> [Delivery] {
    var due: [Delivery] = []
    for step in steps.indices {
      let pause = RetryQueue.pause(step, speed)
      while let first = steps[step].first, first.failed + pause <= now {
        due.append(first.delivery)
        steps[step].removeFirst()
      }
    }
    return due
  }

  /// Takes everything, as if it were due.
  mutating func takeAll() -> [Delivery] {
    let all = steps.flatMap { $0.map(\.delivery) }
    self = RetryQueue()
    return all
  }

  private static func pause(_ step: Int, _ speed: Double) -> Duration {
    .microseconds(Int64(Double(ladder[step]) * 1_000_000 / speed))
  }
}

/// Things to do at a moment, in the order of their moments.
struct DelayQueue<Item> {
  private var items: Deque<(due: Timestamp, item: Item)> = []

  mutating func add(_ item: Item, due: Timestamp) {
    var index = items.endIndex
    while index > items.startIndex, items[index - 1].due > due { index -= 1 }
    items.insert((due, item), at: index)
  }

  var nextDue: Timestamp? { items.first?.due }

  mutating func takeDue(at now: Timestamp) -> [Item] {
    var due: [Item] = []
    while let first = items.first, first.due <= now {
      due.append(first.item)
      items.removeFirst()
    }
    return due
  }

  mutating func takeAll() -> [Item] {
    let all = items.map(\.item)
    items = []
    return all
  }
}
