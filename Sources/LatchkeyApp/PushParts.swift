import Base
import Curl
import Events
import Logging
import Storage
import Vault
import Web

/// The parts of subscriptions, made from the settings.
struct PushParts: Sendable {
  let sender: PushSender
  private let subscriptions: Subscriptions
  private let deliveries: PushDeliveries
  private let destinations: PushDestinations
  private let client: PushClient

  init(
    _ settings: Settings, _ session: DatabaseSession, _ client: CurlClient,
    _ budget: DescriptorBudget, _ logger: Logger
  ) {
    let policy = OutboundPolicy(reach: settings.pushReach)
    self.client = PushClient(
      client: client, policy: policy, userAgent: "Latchkey/\(Server.version)")
    subscriptions = Subscriptions(database: session.database, keyring: session.keyring)
    deliveries = PushDeliveries(database: session.database)
    destinations = PushDestinations(policy: policy)
    var room = PushSender.Room()
    room.failing = max(1, budget.pushes / 4)
    room.healthy = max(1, budget.pushes - room.failing)
    sender = PushSender(
      database: session.database, keyring: session.keyring, client: self.client,
      schedule: PushSchedule(delays: settings.pushSchedule),
      retentionDays: settings.retention.deliveries, room: room, logger: logger)
  }

  func api(_ feed: EventFeed) -> SubscriptionsAPI {
    SubscriptionsAPI(
      subscriptions: subscriptions, deliveries: deliveries, feed: feed,
      destinations: destinations, client: client)
  }
}
