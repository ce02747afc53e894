package import Base
package import Logging
import Postgres
import ServiceLifecycle
package import Storage

/// Keeps the feed moving while this replica holds the lease.
package struct SequencerService: Service {
  /// How long after it was made an event may wait for its position when nothing else happens.
  package static let idlePause = Duration.milliseconds(40)
  /// How often who has no lease asks for it; and how often who has it says that it is there.
  private static let claimEvery = Duration.seconds(1)
  /// No transaction that makes events is open for so long; see ``Sequencer/step(above:)``.
  private static let longestWriter = Duration.seconds(60)
  /// How often every pending event is looked at, however low its number.
  private static let fullLookEvery = Duration.seconds(10)

  private let sequencer: Sequencer
  private let clock: MonotonicClock
  private let logger: Logger

  package init(sequencer: Sequencer, clock: MonotonicClock = .system, logger: Logger) {
    self.sequencer = sequencer
    self.clock = clock
    self.logger = logger
  }

  /// Runs until the graceful shutdown, and gives the lease to others then.
  package func run() async {
    await cancelWhenGracefulShutdown {
      var failures = 0
      while !Task.isCancelled {
        do throws(PostgresError) {
          if try await sequencer.claim() { try await hold() }
          if failures > 0 { logger.notice("the feed moves again") }
          failures = 0
        } catch {
          failures += 1
          if failures % 10 == 1, !Task.isCancelled {
            logger.warning("the feed stands still", metadata: ["cause": "\(error)"])
          }
        }
        try? await clock.sleep(for: Self.claimEvery)
      }
    }
    // Another takes over at the lease's end if this fails.
    try? await sequencer.release()
  }

  /// Moves events until the lease is lost.
  private func hold() async throws(PostgresError) {
    var claimedAt = clock.now()
    var floor = PendingFloor(after: Self.longestWriter, fullEvery: Self.fullLookEvery)
    while !Task.isCancelled {
      let now = clock.now()
      if now - claimedAt >= Self.claimEvery {
        guard try await sequencer.claim() else { return }
        claimedAt = now
      }
      guard let newest = try await sequencer.newestPending() else {
        try? await clock.sleep(for: Self.idlePause)
        continue
      }
      let moved = try await sequencer.step(above: floor.next(newest: newest, now: now))
      if moved == 0 { try? await clock.sleep(for: Self.idlePause) }
    }
  }
}

/// From which number on pending events are looked for, pure.
struct PendingFloor {
  private let age: Duration
  private let fullEvery: Duration
  /// The newest number at some moments, oldest first.
  private var seen: [(at: Duration, number: Int64)] = []
  private var floor: Int64 = 0
  private var lastFull: Duration?

  /// Numbers that were newest so long ago are passed over, except once in `fullEvery`.
  init(after age: Duration, fullEvery: Duration) {
    self.age = age
    self.fullEvery = fullEvery
  }

  mutating func next(newest: Int64, now: Duration) -> Int64 {
    if seen.last.map({ now - $0.at >= .seconds(1) }) ?? true { seen.append((now, newest)) }
    while let first = seen.first, now - first.at >= age {
      floor = first.number
      seen.removeFirst()
    }
    guard let lastFull, now - lastFull < fullEvery else {
      self.lastFull = now
      return 0
    }
    return floor
  }
}
