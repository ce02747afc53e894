import Synchronization

/// Places for exchanges in flight: callers beyond them wait a little, in order.
final class ExchangeGate: Sendable {
  /// How many may wait; more are refused at once.
  static let maxWaiting = 256

  private struct Waiter {
    let number: Int
    var continuation: CheckedContinuation<Bool, Never>?
    /// Decided before the continuation was there.
    var answer: Bool?
  }

  private struct State {
    var free: Int
    var nextNumber = 0
    var waiters: [Waiter] = []
  }

  private let state: Mutex<State>

  init(places: Int) {
    state = Mutex(State(free: places))
  }

  /// Takes a place, within a time.
  ///
  /// - Returns: whether there was one; if so, ``release()`` must follow.
  func acquire(within limit: Duration) async -> Bool {
    let ticket = state.withLock { state -> (isFree: Bool, number: Int?) in
      if state.free > 0 {
        state.free -= 1
        return (true, nil)
      }
      guard state.waiters.count < ExchangeGate.maxWaiting else { return (false, nil) }
      state.nextNumber += 1
      state.waiters.append(Waiter(number: state.nextNumber))
      return (false, state.nextNumber)
    }
    guard let number = ticket.number else { return ticket.isFree }
    return await withTaskGroup(of: Bool?.self) { group in
      group.addTask { await self.answer(to: number) }
      group.addTask {
        try? await Task.sleep(for: limit)
        self.decide(false) { $0.number == number }
        return nil
      }
      var isGranted = false
      for await answer in group {
        guard let answer else { continue }
        isGranted = answer
        group.cancelAll()
      }
      return isGranted
    }
  }

  /// Gives the place to the first who waits.
  func release() {
    if !decide(true, { _ in true }) {
      state.withLock { state in state.free += 1 }
    }
  }

  /// Answers the first undecided waiter that matches.
  ///
  /// - Returns: whether there was one.
  @discardableResult
  private func decide(_ answer: Bool, _ matches: (Waiter) -> Bool) -> Bool {
    let (found, continuation) = state.withLock {
      state -> (Bool, CheckedContinuation<Bool, Never>?) in
      guard let index = state.waiters.firstIndex(where: { $0.answer == nil && matches($0) })
      else { return (false, nil) }
      guard let continuation = state.waiters[index].continuation else {
        state.waiters[index].answer = answer
        return (true, nil)
      }
      state.waiters.remove(at: index)
      return (true, continuation)
    }
    continuation?.resume(returning: answer)
    return found
  }

  private func answer(to number: Int) async -> Bool {
    await withCheckedContinuation { continuation in
      let decided = state.withLock { state -> Bool? in
        guard let index = state.waiters.firstIndex(where: { $0.number == number }) else {
          return false
        }
        guard let answer = state.waiters[index].answer else {
          state.waiters[index].continuation = continuation
          return nil
        }
        state.waiters.remove(at: index)
        return answer
      }
      if let decided { continuation.resume(returning: decided) }
    }
  }
}
