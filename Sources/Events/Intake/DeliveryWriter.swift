package import Base
package import Logging
import Postgres
package import Storage
import Synchronization

/// Makes deliveries durable, many by one COMMIT.
///
/// A batch is what has come while the batch before it was being written: alone, a delivery waits
/// for nobody, and under load the batches grow. A statement costs more than the rows of a small
/// batch, so a second batch is written beside the first only when it is full.
package final class DeliveryWriter: Sendable {
  /// Writes a batch, and throws when nothing of it is known to be durable.
  package typealias Record = @Sendable ([Delivery]) async throws -> Void

  /// Deliveries in one batch, and batches that are written at the same time.
  package static let batch = 200
  package static let writers = 2
  /// What may wait, so that memory is bounded: some seconds of the highest rate, and bytes.
  package static let most = 20_000
  package static let mostBytes = ByteCount.mebibytes(64)

  private struct Waiting {
    let delivery: Delivery
    let done: @Sendable (Bool) -> Void
  }

  private struct State {
    var waiting = FairBatch<Waiting>()
    var bytes = 0
    var writers = 0
  }

  private let record: Record
  private let logger: Logger
  private let state = Mutex(State())

  package init(logger: Logger, record: @escaping Record) {
    self.logger = logger
    self.record = record
  }

  /// How many deliveries wait to be written.
  package var waitingCount: Int { state.withLock { $0.waiting.count } }

  /// `done` is told on any thread whether the delivery is durable; `false` also when too many wait.
  package func write(_ delivery: Delivery, _ done: @escaping @Sendable (Bool) -> Void) {
    enum Place { case refused, queued, first }
    let place = state.withLock { state -> Place in
      guard state.waiting.count < Self.most,
        state.bytes + delivery.body.count <= Self.mostBytes.bytes
      else { return .refused }
      state.waiting.add(Waiting(delivery: delivery, done: done), of: delivery.installation)
      state.bytes += delivery.body.count
      let isWanted = state.writers == 0 || state.waiting.count >= Self.batch
      guard isWanted, state.writers < Self.writers else { return .queued }
      state.writers += 1
      return .first
    }
    switch place {
    case .refused: done(false)
    case .queued: break
    case .first:
      // Not structured: who waits may be gone before its batch is written, and others wait too. What
      // BigCommerce sends goes before other work, also in the pool of the database.
      Task(priority: .high) { await self.drain() }
    }
  }

  /// Writes batches until nothing waits.
  private func drain() async {
    while let batch = take() {
      let isDurable = await write(batch.map(\.delivery))
      for waiting in batch { waiting.done(isDurable) }
    }
  }

  private func take() -> [Waiting]? {
    state.withLock { state in
      let batch = state.waiting.take(Self.batch)
      guard !batch.isEmpty else {
        state.writers -= 1
        return nil
      }
      state.bytes -= batch.reduce(0) { $0 + $1.delivery.body.count }
      return batch
    }
  }

  private func write(_ batch: [Delivery]) async -> Bool {
    do {
      try await record(batch)
      return true
    } catch {
      logger.error(
        "deliveries cannot be kept",
        metadata: ["deliveries": "\(batch.count)", "cause": "\(error)"])
      return false
    }
  }
}
