import Base
import Synchronization

/// Runs each install once in this process, however often its callback arrives meanwhile.
final class InstallFlights: Sendable {
  /// A code, by its digest, for one installation.
  struct Key: Hashable {
    let installation: InstallationID
    let codeSHA256: [UInt8]
  }

  private let running = Mutex<[Key: Task<InstallOutcome, Never>]>([:])

  /// How many installs run.
  var count: Int { running.withLock { $0.count } }

  /// Runs the work, or waits for the same work that runs already.
  func outcome(
    of key: Key, _ work: @escaping @Sendable () async -> InstallOutcome
  ) async -> (outcome: InstallOutcome, isFirst: Bool) {
    let (task, isFirst) = running.withLock { running in
      if let task = running[key] { return (task, false) }
      // Not structured: a merchant who closes the tab cancels the request, and a code that is being
      // exchanged is spent whether or not anybody still waits for the page.
      let task = Task {
        let outcome = await work()
        self.running.withLock { $0[key] = nil }
        return outcome
      }
      running[key] = task
      return (task, true)
    }
    return (await task.value, isFirst)
  }

  /// Waits until nothing runs; for shutdown, after the listeners have closed.
  func drain() async {
    while let task = running.withLock({ $0.values.first }) { _ = await task.value }
  }
}

/// Claims of attempts that may be on record, although their requests were told that the database is
/// away.
///
/// The next request with the same code takes the claim over, so that trying again works.
final class UnusedClaims: Sendable {
  private static let most = 1024

  private let claims = Mutex<[[UInt8]: String]>([:])

  func take(_ codeSHA256: [UInt8]) -> String? {
    claims.withLock { $0.removeValue(forKey: codeSHA256) }
  }

  func leave(_ claim: String, for codeSHA256: [UInt8]) {
    claims.withLock { claims in
      if claims.count >= UnusedClaims.most { claims.removeAll() }
      claims[codeSHA256] = claim
    }
  }
}
