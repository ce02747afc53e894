import Base
package import Logging
import Postgres
import ServiceLifecycle
import Spooling
import Storage

/// Brings deliveries from the disk to the database as soon as that is back.
package struct DeliveryReplay: Service {
  private let spool: DeliverySpool
  private let keeper: DeliveryKeeper
  private let logger: Logger

  package init(spool: DeliverySpool, keeper: DeliveryKeeper, logger: Logger) {
    self.spool = spool
    self.keeper = keeper
    self.logger = logger
  }

  package func run() async {
    await cancelWhenGracefulShutdown {
      while !Task.isCancelled {
        if spool.pendingCount > 0 { await pass() }
        try? await Task.sleep(for: .seconds(1))
      }
    }
  }

  /// Tries every batch that waits, oldest first, until the database refuses one.
  package func pass() async {
    var count = 0
    for entry in await spool.pending() {
      switch await spool.read(entry) {
      case .gone: continue
      case .unreadable(let reason): await spool.setAside(entry, because: reason)
      case .record(let batch):
        switch await keeper.store(batch.deliveries) {
        case .success:
          await spool.remove(entry)
          count += batch.deliveries.count
        case .failure(let error) where error.isPassing: return tell(count)
        case .failure(let error): await spool.setAside(entry, because: "\(error)")
        }
      }
    }
    tell(count)
  }

  private func tell(_ count: Int) {
    guard count > 0 else { return }
    logger.notice("spooled deliveries are stored", metadata: ["deliveries": "\(count)"])
  }
}
