import Base
import BigCommerce
import Curl
import Logging
import Postgres
import Storage
import TestSupport
import Testing
import Vault

@testable import Events

/// Subscriptions on a real database, pushed to real endpoints.
struct PushRig: Sendable {
  let database: Database
  let keyring: Keyring
  let keyText: String
  let client: CurlClient
  let sequencer: Sequencer
  let subscriptions: Subscriptions
  let deliveries: PushDeliveries
  /// Of the first endpoint.
  let port: Int
  let subscriber: Subscriber

  static let act = Act(actor: "tester", requestID: nil)
  static let all = SubscriptionReach(app: nil, stores: .all)

  static func run<T: Sendable>(
    _ subscriber: Subscriber = Subscriber(), _ body: @Sendable (PushRig) async throws -> T
  ) async throws -> T {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      try await database.addApp()
      let entry = Keyring.makeEntry(try #require(KeyID("k1")))
      let keyring = try Keyring(parsing: entry)
      return try await MisbehavingServer.run(script: { try await subscriber.serve($0) }) { server in
        let client = try CurlClient(reactor: TestCluster.reactor, settings: CurlSettings())
        let rig = PushRig(
          database: database, keyring: keyring, keyText: entry.expose(), client: client,
          sequencer: Sequencer(database: database, holder: "test"),
          subscriptions: Subscriptions(database: database, keyring: keyring),
          deliveries: PushDeliveries(database: database), port: server.port,
          subscriber: subscriber)
        let result: Result<T, any Error>
        do { result = .success(try await body(rig)) } catch { result = .failure(error) }
        await client.shutdown()
        return try result.get()
      }
    }
  }

  /// A sender as a replica has one.
  func sender(
    _ delays: [Duration] = [.seconds(5), .seconds(300)], room: PushSender.Room = .init(),
    wall: WallClock = .system
  ) -> PushSender {
    PushSender(
      database: database, keyring: keyring,
      client: PushClient(
        client: client, policy: OutboundPolicy(reach: .loopback), wall: wall, userAgent: "Latchkey"),
      schedule: PushSchedule(delays: delays), retentionDays: 14, room: room, logger: .silent)
  }

  func subscribe(
    _ types: [String] = [], app: AppName? = nil, stores: Grant.Stores = .all, concurrency: Int = 4,
    port: Int? = nil
  ) async throws -> (id: String, key: WebhookKey) {
    let made = try await subscriptions.create(
      name: "test", url: "http://127.0.0.1:\(port ?? self.port)/hook?x=1",
      filter: SubscriptionFilter(app: app, stores: stores, types: types), concurrency: concurrency,
      by: PushRig.act)
    return (made.id, try #require(WebhookKey(subscriptionSecret: made.secret)))
  }

  func record(_ id: String) async throws -> SubscriptionRecord {
    try await subscriptions.find(id, within: PushRig.all)
  }

  func log(_ id: String, state: String? = nil) async throws -> [PushRecord] {
    try await deliveries.list(id, state: state, before: nil, limit: 1000)
  }

  /// Makes what is chosen due again.
  ///
  /// - Returns: how many.
  func replay(
    _ id: String, keepsToTypes: Bool = false, _ change: (inout PushSelection) -> Void
  ) async throws -> Int {
    var selection = PushSelection()
    change(&selection)
    let chosen = try await deliveries.choose(id, selection, keepsToTypes: keepsToTypes)
    return try await deliveries.replay(record(id), events: chosen, by: PushRig.act)
  }

  /// Events of these types happen, in this order, and are in the feed.
  func happen(_ types: [String], store: String = "abc", app: String = "default") async throws {
    _ = try await database.query(
      Statement(
        """
        INSERT INTO pending_events (app_id, store_hash, type, data)
        SELECT $1, $2, type, '{"id":18446744073709551616,"note":"é\\u0000"}' FROM unnest($3::text[]) AS type
        """, [app, store, types]))
    #expect(try await sequencer.claim())
    while try await sequencer.step(above: 0).count > 0 {}
  }

  /// The IDs of all events of these types.
  func ids(of types: [String]) async throws -> [String] {
    try await EventFeed(database: database).read(after: 0, upTo: .max, EventFilter(), limit: 1000)
      .events.filter { types.contains($0.type) }.map(\.id)
  }

  /// Types that are in the feed, for what happened behind our back.
  func typesInFeed() async throws -> [String] {
    #expect(try await sequencer.claim())
    while try await sequencer.step(above: 0).count > 0 {}
    return try await EventFeed(database: database).read(
      after: 0, upTo: .max, EventFilter(), limit: 1000
    )
    .events.map(\.type)
  }

  /// Lets time pass in the database, which has its own clock.
  func pass(_ time: Duration) async throws {
    _ = try await database.transaction([
      Statement(
        "UPDATE push_deliveries SET due_at = due_at - $1 * interval '1 microsecond'",
        [time.inMicroseconds]),
      Statement(
        """
        UPDATE subscriptions SET paused_until = paused_until - $1 * interval '1 microsecond',
          failing_since = failing_since - $1 * interval '1 microsecond',
          last_failed_at = last_failed_at - $1 * interval '1 microsecond'
        """, [time.inMicroseconds]),
      Statement(
        "UPDATE subscription_secrets SET ends_at = ends_at - $1 * interval '1 microsecond'",
        [time.inMicroseconds]),
    ])
  }

  /// Sends until nothing is due.
  ///
  /// - Returns: how many attempts were made.
  @discardableResult
  func drain(_ sender: PushSender) async throws -> Int {
    var attempts = 0
    while case let made = try await sender.step(), made > 0 { attempts += made }
    return attempts
  }
}
