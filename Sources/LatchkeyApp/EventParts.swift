import Base
import BigCommerce
import Events
import Logging
import Postgres
import ServiceLifecycle
import Spooling
import Storage
import Vault

/// The parts of webhooks and the feed, made from the settings.
struct EventParts: Sendable {
  let feed: EventFeed
  let reader: FeedReader
  let writer: DeliveryWriter
  /// `nil` when the setting turns it off.
  let spool: DeliverySpool?
  let inspector: DeliveryInspector
  let intakeMeter: IntakeMeter
  let backlog: BacklogMeter
  /// In the order of their start.
  let services: [any Service]

  init(
    settings: Settings, database: Database, keyring: Keyring, pushes: PushSender, logger: Logger
  ) throws {
    feed = EventFeed(database: database)
    let watch = FeedWatch(feed: feed, logger: logger)
    reader = FeedReader(feed: feed, watch: watch)
    let deliveries = Deliveries(database: database)
    let days = EventDays(database: database)
    spool =
      try settings.spools
      ? DeliverySpool(
        directory: settings.core.dataDirectory + "/spool/deliveries", keyring: keyring,
        logger: logger) : nil
    let keeper = DeliveryKeeper(deliveries: deliveries, days: days, spool: spool, logger: logger)
    writer = DeliveryWriter(logger: logger) { try await keeper.keep($0) }
    inspector = DeliveryInspector(
      policy: settings.webhookSignatures, takesHexadecimal: settings.webhookHexSignatures,
      keys: settings.webhookKeys, wants: settings.webhookRegistration.wants)
    let replica = Hex.encode(RandomSource.system.bytes(8))
    let flow = FlowLedger(database: database)
    let intake = IntakeMeter()
    intakeMeter = intake
    backlog = BacklogMeter(
      count: BacklogCount(database: database),
      flow: FlowWriter(ledger: flow, name: "flow-" + replica) { FlowCounts(intake, pushes) },
      logger: logger)
    var services: [any Service] = [
      watch,
      SequencerService(
        sequencer: Sequencer(database: database, holder: replica), logger: logger),
      EventRetention(
        days: days, deliveries: deliveries, flow: flow,
        keepEvents: settings.retention.events, keepDeliveries: settings.retention.deliveries,
        logger: logger),
      backlog,
    ]
    if let spool {
      services.append(DeliveryReplay(spool: spool, keeper: keeper, logger: logger))
    }
    self.services = services
  }
}

extension FlowCounts {
  fileprivate init(_ intake: IntakeMeter, _ pushes: PushSender) {
    self.init()
    deliveriesTaken = Int64(clamping: intake.taken)
    deliveriesRefused = Int64(clamping: intake.refused)
    pushesMade = Int64(clamping: pushes.made)
    pushesFailed = Int64(clamping: pushes.failed)
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
