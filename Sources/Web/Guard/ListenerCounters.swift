import Synchronization

/// What a listener's guards have counted; read by metrics and by the drain.
package final class ListenerCounters: Sendable {
  /// Why the guard ended a connection on its own.
  package enum Cut: String, CaseIterable, Sendable {
    /// A head was not complete in time.
    case head
    /// A body came below the minimum rate.
    case body
    /// The client read its answer below the minimum rate.
    case write
    /// No request came for the idle time.
    case idle
    /// The TLS handshake was not complete in time.
    case handshake
    /// The client went away with a request in flight.
    case gone
  }

  private let connections = Atomic<Int>(0)
  private let refusing = Atomic<Int>(0)
  private let inFlight = Atomic<Int>(0)
  private let passed = Atomic<UInt64>(0)
  private let counts = Mutex(Counts())

  private struct Counts {
    var refusals: [Refusal: UInt64] = [:]
    var cuts: [Cut: UInt64] = [:]
  }

  package init() {}

  /// Open connections that are served.
  package var openConnections: Int { connections.load(ordering: .relaxed) }

  /// Requests whose head has passed and whose answer is not complete.
  package var requestsInFlight: Int { inFlight.load(ordering: .relaxed) }

  /// Requests that have passed since the start.
  package var requests: UInt64 { passed.load(ordering: .relaxed) }

  /// Returns the number of open connections, this one included.
  func connectionOpened() -> Int { connections.add(1, ordering: .relaxed).newValue }

  func connectionClosed() { connections.subtract(1, ordering: .relaxed) }

  /// Returns the number of open connections that are being refused, this one included.
  func refusalOpened() -> Int { refusing.add(1, ordering: .relaxed).newValue }

  func refusalClosed() { refusing.subtract(1, ordering: .relaxed) }

  /// Counts a request, unless so many are in flight already.
  func requestBegan(limit: Int) -> Bool {
    guard inFlight.add(1, ordering: .relaxed).newValue <= limit else {
      requestEnded()
      return false
    }
    passed.add(1, ordering: .relaxed)
    return true
  }

  func requestEnded() { inFlight.subtract(1, ordering: .relaxed) }

  func count(_ refusal: Refusal) {
    counts.withLock { $0.refusals[refusal, default: 0] += 1 }
  }

  func count(_ cut: Cut) {
    counts.withLock { $0.cuts[cut, default: 0] += 1 }
  }

  /// Requests and connections refused since the start, by reason.
  package var refusals: [Refusal: UInt64] { counts.withLock { $0.refusals } }

  /// Connections cut since the start, by reason.
  package var cuts: [Cut: UInt64] { counts.withLock { $0.cuts } }
}
