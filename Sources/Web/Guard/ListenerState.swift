import Base
import NIOCore
import Synchronization

/// Whether the process is on its way out; shared by both listeners.
package final class Draining: Sendable {
  private let flag = Atomic<Bool>(false)

  package init() {}

  package var isDraining: Bool { flag.load(ordering: .relaxed) }

  package func begin() { flag.store(true, ordering: .relaxed) }
}

/// What the connections of one listener share.
final class ListenerState: Sendable {
  let clients = ClientRegister()
  let draining: Draining
  let requestIDs: RequestIDSource
  private let unanswered = Atomic<Int>(0)
  private let refusals = Mutex<[String: Int]>([:])

  init(draining: Draining, requestIDs: RequestIDSource) {
    self.draining = draining
    self.requestIDs = requestIDs
  }

  /// Requests that came in and whose answers have not gone out.
  var inFlight: Int { unanswered.load(ordering: .relaxed) }

  /// How often the guard refused, by its word.
  var refusalCounts: [String: Int] { refusals.withLock { $0 } }

  func began() { unanswered.wrappingAdd(1, ordering: .relaxed) }

  func answered(_ count: Int) { unanswered.wrappingSubtract(count, ordering: .relaxed) }

  func refused(_ refusal: GuardRefusal) {
    refusals.withLock { $0[refusal.code, default: 0] += 1 }
  }
}
