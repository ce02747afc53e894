package import Base
package import Logging
package import Postgres
import ServiceLifecycle
import Synchronization

/// How a service does pieces of work that replicas share by leases in the database: it claims some,
/// does them beside each other, and claims the next.
///
/// What is claimed and what is done is the service's.
package final class ClaimLoop<Claim: Sendable>: Sendable {
  /// What one look found.
  package struct Found: Sendable {
    package var claims: [Claim]
    /// Whether it is worth looking again soon.
    package var isBusy: Bool

    package init(claims: [Claim], isBusy: Bool) {
      self.claims = claims
      self.isBusy = isBusy
    }
  }

  /// Looks for work in as many places as are free.
  package typealias Look = @Sendable (_ free: Int) async throws(PostgresError) -> Found
  package typealias Work = @Sendable (Claim) async -> Void

  private static var pause: Duration { .seconds(1) }
  private static var busyPause: Duration { .milliseconds(200) }

  private let name: String
  private let atOnce: Int
  private let look: Look
  private let work: Work
  private let clock: MonotonicClock
  private let logger: Logger
  private let running = Mutex(0)

  /// A loop that has done nothing yet.
  ///
  /// - Parameters:
  ///   - name: of the work, as in "… are late".
  ///   - atOnce: how many pieces are under way at most.
  ///   - clock: measures the pauses.
  ///   - logger: hears when the database cannot be asked.
  ///   - look: claims what is due.
  ///   - work: does one piece; its errors are its own.
  package init(
    _ name: String, atOnce: Int, clock: MonotonicClock, logger: Logger, look: @escaping Look,
    work: @escaping Work
  ) {
    self.name = name
    self.atOnce = atOnce
    self.clock = clock
    self.logger = logger
    self.look = look
    self.work = work
  }

  /// Works until the task is cancelled or the service group shuts down.
  ///
  /// - Parameters:
  ///   - tidyEvery: looks between two times that it is tidied.
  ///   - tidy: is done before the first look.
  package func run(
    tidyEvery: Int, tidy: @escaping @Sendable () async throws(PostgresError) -> Void
  ) async {
    await cancelWhenGracefulShutdown {
      await withDiscardingTaskGroup { group in
        var isFailing = false
        var round = 0
        while !Task.isCancelled {
          var pause = Self.pause
          do throws(PostgresError) {
            if round.isMultiple(of: tidyEvery) { try await tidy() }
            let found = try await self.claim()
            for claim in found.claims { group.addTask { await self.carryOut(claim) } }
            if found.isBusy { pause = Self.busyPause }
            isFailing = false
          } catch {
            if !isFailing, !Task.isCancelled {
              self.logger.warning("\(self.name) are late", metadata: ["error": "\(error)"])
            }
            isFailing = true
          }
          round += 1
          // Cancelled: the loop's condition ends it.
          try? await self.clock.sleep(for: pause)
        }
      }
    }
  }

  /// Does what is due now, and waits for the end of it.
  ///
  /// - Returns: how many pieces.
  package func step() async throws(PostgresError) -> Int {
    let claims = try await claim().claims
    await withDiscardingTaskGroup { group in
      for claim in claims { group.addTask { await self.carryOut(claim) } }
    }
    return claims.count
  }

  private func claim() async throws(PostgresError) -> Found {
    let found = try await look(atOnce - running.withLock { $0 })
    running.withLock { $0 += found.claims.count }
    return found
  }

  private func carryOut(_ claim: Claim) async {
    defer { running.withLock { $0 -= 1 } }
    await work(claim)
  }
}
