package import Base
package import Logging
import Postgres
package import Spooling
package import Storage
import Synchronization

/// The spool of deliveries.
package typealias DeliverySpool = Spool<DeliveryBatch>

/// Keeps deliveries: in the database, and on disk while that is away.
package final class DeliveryKeeper: Sendable {
  /// Neither would take them.
  package struct NotKept: Error {
    let cause: String
  }

  /// After a failure the disk is asked first for so long.
  private static let rest = Duration.seconds(1)

  private let deliveries: Deliveries
  private let days: EventDays
  /// `nil`: what the database does not take is not taken.
  private let spool: DeliverySpool?
  private let patience: Duration
  private let clock: MonotonicClock
  private let logger: Logger
  private let restsUntil = Mutex(Duration.zero)

  /// The database may take `patience` before the disk is asked: BigCommerce waits for an answer.
  package init(
    deliveries: Deliveries, days: EventDays, spool: DeliverySpool?,
    patience: Duration = .seconds(2), clock: MonotonicClock = .system, logger: Logger
  ) {
    self.deliveries = deliveries
    self.days = days
    self.spool = spool
    self.patience = patience
    self.clock = clock
    self.logger = logger
  }

  /// Returns when all of them are durable.
  package func keep(_ batch: [Delivery]) async throws(NotKept) {
    if let spool, clock.now() < restsUntil.withLock({ $0 }) {
      return try await keep(batch, on: spool)
    }
    switch await store(batch) {
    case .success: return
    case .failure(let error) where error.isPassing:
      guard let spool else { throw NotKept(cause: "\(error)") }
      let until = clock.now() + Self.rest
      restsUntil.withLock { $0 = until }
      // It may have been committed all the same: writing it again later changes nothing.
      try await keep(batch, on: spool)
    case .failure(let error):
      try await keepEach(of: batch, after: error)
    }
  }

  /// Writes to the database, however often one of its days was missing.
  func store(_ batch: [Delivery]) async -> Result<Void, PostgresError> {
    let result = await record(batch)
    guard case .failure(.checkViolation) = result else { return result }
    do throws(PostgresError) {
      try await days.make()
    } catch {
      return .failure(error)
    }
    return await record(batch)
  }

  private func record(_ batch: [Delivery]) async -> Result<Void, PostgresError> {
    await Deadline.limit(to: patience) { [deliveries] in
      await Result { () async throws(PostgresError) in _ = try await deliveries.record(batch) }
    }
  }

  /// One that the database refuses must not stand in the others' way: it is kept aside without what
  /// would make it an event.
  private func keepEach(
    of batch: [Delivery], after error: PostgresError
  ) async throws(NotKept) {
    for delivery in batch {
      guard case .failure = await store([delivery]) else { continue }
      logger.error(
        "a delivery is refused by the database",
        metadata: [
          "app": "\(delivery.installation.app)", "store_hash": "\(delivery.installation.store)",
          "cause": "\(error)", "request_id": "\(delivery.requestID)",
        ])
      guard case .success = await store([delivery.setAside]) else {
        throw NotKept(cause: "\(error)")
      }
    }
  }

  private func keep(_ batch: [Delivery], on spool: DeliverySpool) async throws(NotKept) {
    do throws(SpoolError) {
      _ = try await spool.append(DeliveryBatch(batch), held: false)
    } catch {
      throw NotKept(cause: "\(error)")
    }
  }
}

extension Delivery {
  /// The same, for the log only.
  fileprivate var setAside: Delivery {
    Delivery(
      installation: installation, key: key, receivedAt: receivedAt, webhookID: webhookID,
      signature: signature, fate: .quarantined(reason: "refused_by_database", scope: nil),
      requestID: requestID, body: body)
  }
}
