package import Base
import Synchronization

/// Stores whose calls were answered 401 and whose canary is not planned yet.
///
/// A call only leaves its word here; the database hears of it from ``RevocationWatch``.
package final class Suspicions: Sendable {
  private let waiting = Mutex<[InstallationID: Generation]>([:])

  package init() {}

  /// Remembers a refused token; however often, it is one suspicion.
  package func report(_ installation: InstallationID, _ generation: Generation) {
    waiting.withLock { waiting in
      guard waiting[installation].map({ $0 < generation }) ?? true else { return }
      waiting[installation] = generation
    }
  }

  /// All that is remembered, once.
  package func takeAll() -> [InstallationID: Generation] {
    waiting.withLock { waiting in
      defer { waiting = [:] }
      return waiting
    }
  }
}
