package import Base
package import Logging
import Postgres
import ServiceLifecycle
package import Storage

/// Keeps the feed moving while this replica holds the lease.
package struct SequencerService: Service {
  /// How long an event may wait for others that get their positions in the same transaction.
  package static let pause = Duration.milliseconds(40)
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
    var behind: Int64?
    while !Task.isCancelled {
      let now = clock.now()
      if now - claimedAt >= Self.claimEvery {
        guard try await sequencer.claim() else { return }
        claimedAt = now
      }
      guard let newest = try await sequencer.newestPending() else {
        try? await clock.sleep(for: Self.pause)
        continue
      }
      let from = floor.next(newest: newest, behind: behind, now: now)
      let moved = try await sequencer.step(above: from)
      behind = moved.isFull ? moved.last : nil
      if !moved.isFull { try? await clock.sleep(for: Self.pause) }
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

  /// `behind` is where a full batch ended, which leads on through a backlog, however old that is;
  /// what is written late below it waits for the next look at everything.
  mutating func next(newest: Int64, behind: Int64?, now: Duration) -> Int64 {
    if seen.last.map({ now - $0.at >= .seconds(1) }) ?? true { seen.append((now, newest)) }
    while let first = seen.first, now - first.at >= age {
      floor = first.number
      seen.removeFirst()
    }
    guard let lastFull, now - lastFull < fullEvery else {
      self.lastFull = now
      return 0
    }
    return behind ?? floor
  }
}
