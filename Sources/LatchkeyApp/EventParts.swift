import Base
import Events
import Logging
import Postgres
import ServiceLifecycle
import Storage

/// The parts of webhooks and the feed, made from the settings.
struct EventParts: Sendable {
  let feed: EventFeed
  let reader: FeedReader
  /// In the order of their start.
  let services: [any Service]

  init(settings: Settings, database: Database, logger: Logger) {
    feed = EventFeed(database: database)
    let watch = FeedWatch(feed: feed, logger: logger)
    reader = FeedReader(feed: feed, watch: watch)
    let replica = Hex.encode(RandomSource.system.bytes(8))
    services = [
      watch,
      SequencerService(
        sequencer: Sequencer(database: database, holder: replica), logger: logger),
      EventRetention(
        days: EventDays(database: database), deliveries: Deliveries(database: database),
        keepEvents: settings.retention.events, keepDeliveries: settings.retention.deliveries,
        logger: logger),
    ]
  }
}
