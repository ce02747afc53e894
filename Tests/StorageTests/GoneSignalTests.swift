import Base
import Postgres
import Storage
import TestSupport
import Testing

@Suite struct `The end of a store` {
  /// What may tell of it, and what comes after it.
  private enum Event: CaseIterable {
    case callback, webhook, canary, reinstall
  }

  /// Uninstalled at 200 by the platform's clock, installed at 0, and again at 300.
  private struct Store {
    let database: Database
    let id: InstallationID
    static let start = Timestamp(seconds: 1_700_000_000)

    func take(_ event: Event) async throws {
      switch event {
      case .callback:
        let token = CallbackToken(
          installation: id, jti: "j-\(id.store)", userID: 1, ownerID: 1,
          issuedAt: Self.start + .seconds(200),
          expiresAt: WallClock.system.now() + .seconds(86400))
        _ = try await CallbackWrites(database: database)
          .uninstall(token, act: Act(actor: "bigcommerce", requestID: nil))
      case .webhook:
        let content = Delivery.Content(
          scope: "store/app/uninstalled", occurredAt: Self.start + .seconds(200),
          data: #"{"type":"store"}"#)
        let delivery = try Delivery.sample(id.store.text, key: 1, fate: .event(content))
        _ = try await Deliveries(database: database).record([delivery, delivery])
        try await answerCanaries()
      case .canary:
        try await Revocations(database: database).suspect(id, Generation(1))
        try await database.passTime(seconds: 6)
        try await answerCanaries()
        _ = try await database.query(
          Statement(
            """
            UPDATE installations SET state_changed_at = state_changed_at - interval '8 days'
            WHERE state = 'revoked'
            """))
        try await database.passTime(seconds: 8 * 86400)
        try await answerCanaries()
      case .reinstall:
        _ = try await database.query(
          Statement(
            """
            UPDATE installations SET state = 'active', generation = 2, sealed_token = '\\x02',
              token_key_id = 'k1', uninstalled_at = NULL, authorized_at = $1
            WHERE store_hash = $2
            """, [Self.start + .seconds(300), id.store.text]))
      }
    }

    /// The platform refuses the first token.
    func answerCanaries() async throws {
      let revocations = Revocations(database: database)
      for claim in try await revocations.claim(limit: 9, lease: .seconds(60)) {
        let isRefused = claim.generation == Generation(1)
        _ = try await revocations.record(claim, isRefused ? .refused : .accepted)
      }
    }

    func count(_ statement: StaticString) async throws -> Int {
      try await database.count(Statement(statement))
    }
  }

  private func withStore(_ body: @Sendable (Store) async throws -> Void) async throws {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      try await body(try await store("abc", in: database))
    }
  }

  private func store(_ name: String, in database: Database) async throws -> Store {
    let id = try await database.addStore(name)
    _ = try await database.query(
      Statement(
        "UPDATE installations SET authorized_at = $1 WHERE store_hash = $2", [Store.start, name]))
    return Store(database: database, id: id)
  }

  private func check(_ order: [Event], on store: Store) async throws {
    for event in order { try await store.take(event) }
    for event in order where event != .reinstall { try await store.take(event) }
    let isBack = order.contains(.reinstall)
    let cut = order.firstIndex(of: .reinstall) ?? order.count
    let ends = order[..<cut].isEmpty ? 0 : 1
    let state = isBack ? "active" : "uninstalled"
    let row = try #require(
      try await store.database.query(
        Statement(
          """
          SELECT state, generation, sealed_token IS NULL AS is_destroyed, next_canary_at IS NULL AS is_quiet,
            (SELECT count(*) FROM pending_events WHERE type = 'app/uninstalled' AND store_hash = $1) AS told,
            (SELECT count(*) FROM audit WHERE action = 'uninstall' AND store_hash = $1) AS audited,
            (SELECT state FROM webhook_states WHERE store_hash = $1) AS webhooks
          FROM installations WHERE store_hash = $1
          """, [store.id.store.text])
      ).rows.first)
    #expect(try row.decode("state") == state, "\(order)")
    #expect(try row.decode("told", as: Int.self) == ends, "\(order)")
    #expect(try row.decode("audited", as: Int.self) == ends, "\(order)")
    #expect(try row.decode("is_destroyed") == !isBack, "\(order)")
    #expect(try row.decode("is_quiet", as: Bool.self), "\(order)")
    #expect(try row.decode("webhooks") == (isBack ? "pending" : "parked"), "\(order)")
  }

  @Test func `all orders of three signals and a new install have one end, and the newer wins`()
    async throws
  {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      var number = 0
      for size in 1...4 {
        for order in arrangements(Event.allCases, size) {
          number += 1
          try await check(order, on: try await store("s\(number)", in: database))
        }
      }
    }
  }

  @Test func `word of a webhook destroys nothing while the token is accepted`() async throws {
    try await withStore { store in
      let content = Delivery.Content(
        scope: "store/app/uninstalled", occurredAt: Store.start + .seconds(200), data: "{}")
      _ = try await Deliveries(database: store.database)
        .record([try .sample("abc", key: 1, fate: .event(content))])
      let revocations = Revocations(database: store.database)
      let claim = try #require(try await revocations.claim(limit: 1, lease: .seconds(60)).first)
      #expect(try await revocations.record(claim, .accepted) == .applied(.settled))
      #expect(try await store.count("SELECT count(*) AS count FROM audit") == 0)
      try await revocations.suspect(store.id, Generation(1))
      try await store.database.passTime(seconds: 6)
      let later = try #require(try await revocations.claim(limit: 1, lease: .seconds(60)).first)
      #expect(
        try await revocations.record(later, .refused) == .applied(.revoke(next: .seconds(60))),
        "the word was wrong, and is forgotten")
    }
  }

  @Test func `a webhook from before the install, or kept aside, says nothing`() async throws {
    try await withStore { store in
      let old = Delivery.Content(
        scope: "store/app/uninstalled", occurredAt: Store.start - .seconds(60), data: "{}")
      _ = try await Deliveries(database: store.database).record([
        try .sample("abc", key: 1, fate: .event(old)),
        try .sample(
          "abc", key: 2, fate: .quarantined(reason: "uninstalled", scope: "store/app/uninstalled")),
      ])
      #expect(
        try await Revocations(database: store.database).claim(limit: 1, lease: .seconds(60))
          .isEmpty)
    }
  }

  @Test func `too many at once are held, whatever their webhooks say`() {
    let said = GoneEvidence(isReported: true, revokedFor: .zero)
    let many = FleetHealth(installed: 10, refused: 9, suspected: 0)
    #expect(
      CanaryRules.active(.refused, pause: .zero, fleet: many, said) == .hold(next: .seconds(60)))
    let week = GoneEvidence(isReported: false, revokedFor: .seconds(7 * 86400))
    let minute = Duration.seconds(60)
    #expect(CanaryRules.revoked(.inconclusive, pause: minute, week) == .again(next: minute))
    #expect(CanaryRules.revoked(.accepted, pause: .seconds(60), week) == .reactivate)
    #expect(CanaryRules.revoked(.refused, pause: .seconds(60), week) == .uninstall(.canary))
    let almost = GoneEvidence(isReported: false, revokedFor: .seconds(7 * 86400 - 1))
    #expect(
      CanaryRules.revoked(.refused, pause: .seconds(60), almost) == .again(next: .seconds(120)))
  }

  @Test func `a webhook that was given up on has its store looked at soon`() async throws {
    try await withStore { store in
      _ = try await store.database.query(
        Statement(
          """
          UPDATE webhook_states SET next_check_at = now() + interval '1 hour', is_urgent = false,
            last_checked_at = now() - interval '1 hour'
          """))
      func tell(_ code: String, key: UInt8) async throws -> Int {
        let content = Delivery.Content(
          scope: "store/hook/deliveryException", occurredAt: Store.start,
          data: #"{"type":"webhook","id":1,"error_code":\#(code)}"#)
        _ = try await Deliveries(database: store.database)
          .record([try .sample("abc", key: key, fate: .event(content))])
        return try await store.count(
          "SELECT count(*) AS count FROM webhook_states WHERE next_check_at <= now() AND is_urgent")
      }
      #expect(try await tell("90001", key: 1) == 0, "it is tried again")
      #expect(try await tell("90002", key: 2) == 1)
    }
  }
}

/// All sequences of so many different items.
private func arrangements<T>(_ items: [T], _ size: Int) -> [[T]] {
  guard size > 0 else { return [[]] }
  return items.indices.flatMap { index in
    var rest = items
    let item = rest.remove(at: index)
    return arrangements(rest, size - 1).map { [item] + $0 }
  }
}
