/// How the descriptors that the process may hold are shared out, so that no part can take those of
/// another: a flood of connections leaves calls their connections to BigCommerce, and PostgreSQL
/// its own.
struct DescriptorBudget: Equatable, Sendable {
  /// Fewer than this are too few to work with.
  static let least = 256
  /// A listener's most, however many descriptors there are: they are memory as well.
  private static let mostOfListener = 16_000
  /// What a listener is sure of, if there are enough.
  private static let sure = 1024
  /// Connections to BigCommerce beside those of calls: token exchanges, canaries, imports.
  private static let besideCalls = 64

  /// Connections of pushes, half of them idle.
  private static let mostOfPushes = 128

  /// Calls to stores at a time: each may need a connection to BigCommerce.
  let calls: Int
  /// Connections to BigCommerce, idle ones included.
  let upstream: Int
  /// Pushes at a time.
  let pushes: Int
  /// Connections that both listeners serve together.
  let connections: Int
  /// Connections that one listener serves.
  let connectionsOfListener: Int
  /// What a listener is sure of beside the other.
  let sureOfListener: Int
  /// Connections over its bound that a listener may be refusing at a time.
  let refusedOfListener: Int

  /// Shares out so many descriptors; `calls` is what is wished for, and fewer when these do not
  /// suffice.
  init(descriptors: Int, calls: Int, databaseConnections: Int, loops: Int) {
    // Logs, the spool, name lookups, two epoll sets and their wakers per loop; a connection to
    // PostgreSQL may be replaced before the old one is closed.
    let own = 64 + 8 * loops + 2 * databaseConnections
    let free = max(0, descriptors - own)
    self.calls = max(1, min(calls, free / 3))
    upstream = self.calls + min(Self.besideCalls, free / 8)
    pushes = max(1, min(Self.mostOfPushes, free / 16) / 2)
    let listeners = max(4, free - upstream - 2 * pushes)
    refusedOfListener = max(1, min(256, listeners / 16))
    connections = max(2, listeners - 2 * refusedOfListener)
    sureOfListener = max(1, min(Self.sure, connections / 8))
    connectionsOfListener = min(Self.mostOfListener, connections - sureOfListener)
  }
}
