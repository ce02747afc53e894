/// What a listener may take of the connections that both listeners have together.
///
/// Each is sure of a part, however many connections the other one has; the rest is for whoever
/// needs it.
package struct ConnectionShare: Sendable {
  /// Connections of both together.
  private let total: Int
  /// How many of them the other listener is sure of.
  private let kept: Int
  private let other: ListenerCounters

  package init(total: Int, kept: Int, other: ListenerCounters) {
    self.total = total
    self.kept = kept
    self.other = other
  }

  /// Whether the listener may have so many connections now.
  func allows(_ connections: Int) -> Bool {
    connections + max(other.openConnections, kept) <= total
  }
}

extension ListenerState {
  /// What becomes of a connection that has been accepted.
  enum Reception {
    case served
    /// It is told 503 and closed.
    case refused
    /// Too many are being refused already.
    case dropped
  }

  /// Counts a connection; ``connectionClosed(_:)`` must follow.
  func connectionOpened() -> Reception {
    let open = counters.connectionOpened()
    if open <= limits.connections, share?.allows(open) ?? true { return .served }
    counters.connectionClosed()
    return counters.refusalOpened() <= limits.refusedConnections ? .refused : .dropped
  }

  func connectionClosed(_ reception: Reception) {
    switch reception {
    case .served: counters.connectionClosed()
    case .refused, .dropped: counters.refusalClosed()
    }
  }
}
