import Base
import BigCommerce
import Events
import Logging
import Postgres
import ServiceLifecycle
import Storage

/// The parts of webhooks and the feed, made from the settings.
struct EventParts: Sendable {
  let feed: EventFeed
  let reader: FeedReader
  let writer: DeliveryWriter
  let inspector: DeliveryInspector
  let intakeMeter = IntakeMeter()
  /// In the order of their start.
  let services: [any Service]

  init(settings: Settings, database: Database, logger: Logger) {
    feed = EventFeed(database: database)
    let watch = FeedWatch(feed: feed, logger: logger)
    reader = FeedReader(feed: feed, watch: watch)
    let deliveries = Deliveries(database: database)
    writer = DeliveryWriter(logger: logger) { try await deliveries.record($0) }
    inspector = DeliveryInspector(
      policy: settings.webhookSignatures, keys: settings.webhookKeys, wants: { _, _ in true })
    let replica = Hex.encode(RandomSource.system.bytes(8))
    services = [
      watch,
      SequencerService(
        sequencer: Sequencer(database: database, holder: replica), logger: logger),
      EventRetention(
        days: EventDays(database: database), deliveries: deliveries,
        keepEvents: settings.retention.events, keepDeliveries: settings.retention.deliveries,
        logger: logger),
    ]
  }
}

extension Settings {
  /// The keys that BigCommerce's signatures are checked with: the client secret and the one before.
  fileprivate var webhookKeys: [AppName: [WebhookKey]] {
    Dictionary(
      uniqueKeysWithValues: core.apps.map { app in
        let secrets = [app.clientSecret] + [app.clientSecretOld].compactMap { $0 }
        return (app.name, secrets.map { WebhookKey(clientSecret: $0) })
      })
  }
}
