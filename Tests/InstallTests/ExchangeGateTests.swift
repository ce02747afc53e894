import Synchronization
import Testing

@testable import Install

@Suite struct `Exchange gate` {
  @Test func `no more than its places are taken at once, and all get one in time`() async {
    let gate = ExchangeGate(places: 32)
    let places = Places()
    let granted = await withTaskGroup(of: Bool.self) { group in
      for _ in 0..<250 {
        group.addTask {
          guard await gate.acquire(within: .seconds(30)) else { return false }
          places.enter()
          for _ in 0..<3 { await Task.yield() }
          places.leave()
          gate.release()
          return true
        }
      }
      return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
    }
    #expect(granted == 250)
    #expect(places.most <= 32)
  }

  @Test func `whoever waits too long is refused, and the place is not lost`() async {
    let gate = ExchangeGate(places: 1)
    #expect(await gate.acquire(within: .seconds(1)))
    #expect(await gate.acquire(within: .milliseconds(10)) == false)
    gate.release()
    #expect(await gate.acquire(within: .milliseconds(10)))
  }

  @Test func `beyond the longest queue callers are refused at once`() async {
    let gate = ExchangeGate(places: 0)
    let refused = await withTaskGroup(of: Bool.self) { group in
      for _ in 0..<(ExchangeGate.maxWaiting + 20) {
        group.addTask { await gate.acquire(within: .milliseconds(200)) }
      }
      return await group.reduce(0) { $0 + ($1 ? 0 : 1) }
    }
    #expect(refused == ExchangeGate.maxWaiting + 20)
  }
}

/// How many are inside, and how many were at most.
private final class Places: Sendable {
  private let counts = Mutex((now: 0, most: 0))

  func enter() {
    counts.withLock { counts in
      counts.now += 1
      counts.most = max(counts.most, counts.now)
    }
  }

  func leave() { counts.withLock { $0.now -= 1 } }

  var most: Int { counts.withLock { $0.most } }
}
