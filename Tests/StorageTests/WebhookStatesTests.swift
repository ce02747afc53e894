import Base
import BigCommerce
import Postgres
import Storage
import TestSupport
import Testing

@Suite struct `States of webhooks` {
  private static let wish = WebhookWish(app: .default, scopes: ["store/order/*"], digest: "d1")
  private static let lease = Duration.seconds(60)

  private func withStates<T: Sendable>(
    _ stores: [String] = ["abc"],
    _ body: @Sendable (Database, WebhookStates) async throws -> T
  ) async throws -> T {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      for store in stores { _ = try await database.addStore(store) }
      let states = WebhookStates(database: database)
      try await states.record(Self.wish)
      return try await body(database, states)
    }
  }

  private func claim(
    _ states: WebhookStates, urgent: Bool = true, wish: WebhookWish = wish
  ) async throws -> [WebhookClaim] {
    try await states.claim([wish], isUrgent: urgent, limit: 10, lease: Self.lease)
  }

  private let good = WebhookCheckResult(
    next: .seconds(3600), wanted: 2,
    hooks: [
      WebhookFact(id: 1, scope: "store/order/*", isActive: true),
      WebhookFact(id: 2, scope: "store/hook/deliveryException", isActive: true),
    ])

  private func only(_ states: WebhookStates) async throws -> WebhookRecord {
    try #require(try await states.list(WebhookFilter(), after: nil, limit: 10).first)
  }

  @Test func `an install is due at once, and one replica has it`() async throws {
    try await withStates { database, states in
      let claims = try await claim(states)
      #expect(claims.map(\.installation.store.text) == ["abc"])
      #expect(try await claim(states).isEmpty, "leased")
      try await database.passLeases()
      #expect(try await claim(states).count == 1, "its replica died")
      #expect(try await only(states).state == .pending)
      try await states.record(claims[0], good)
      let record = try await only(states)
      #expect(record.state == .inStep && record.hooksActive == 2 && record.hooksWanted == 2)
      #expect(try await claim(states).isEmpty)
      #expect(try await claim(states, urgent: false).isEmpty)
    }
  }

  @Test func `a replica with other settings leaves the stores alone`() async throws {
    try await withStates { _, states in
      let other = WebhookWish(app: .default, scopes: [], digest: "")
      let early = try await claim(states, wish: other)
      #expect(early.isEmpty)
      #expect(try await states.record(other))
      #expect(try await claim(states).isEmpty)
      #expect(try await claim(states, wish: other).count == 1)
    }
  }

  @Test func `other settings make all stores due, the same ones none`() async throws {
    try await withStates(["abc", "def"]) { _, states in
      for claim in try await claim(states) { try await states.record(claim, good) }
      #expect(try await !states.record(Self.wish))
      #expect(try await states.counts(WebhookFilter())[.inStep] == 2)
      let other = WebhookWish(app: .default, scopes: ["store/cart/*"], digest: "d2")
      #expect(try await states.record(other))
      #expect(try await states.counts(WebhookFilter())[.pending] == 2)
      #expect(try await claim(states, urgent: false, wish: other).count == 2)
    }
  }

  @Test func `a wish that comes during a check makes another`() async throws {
    try await withStates { _, states in
      let claims = try await claim(states)
      #expect(try await states.markDue(WebhookFilter()) == 1)
      try await states.record(claims[0], good)
      #expect(try await only(states).state == .pending)
      let again = try await claim(states)
      #expect(again.map(\.isThorough) == [true])
      try await states.record(again[0], good)
      #expect(try await only(states).state == .inStep)
    }
  }

  @Test func `a new token is urgent, no token is no check`() async throws {
    try await withStates { database, states in
      try await states.record(try await claim(states)[0], good)
      _ = try await database.query(Statement("UPDATE installations SET generation = 2"))
      let claims = try await claim(states)
      #expect(claims.count == 1)
      let installation = claims[0].installation
      _ = try await InstallationStates(database: database)
        .destroy(installation, deletingData: false, act: .latchkey)
      #expect(try await only(states).state == .parked)
      try await states.record(claims[0], good)
      let parked = try await only(states)
      #expect(parked.state == .parked && parked.hooksActive == 0, "what was seen is of the past")
      #expect(try await states.markDue(WebhookFilter()) == 0)
      try await database.installAgain(installation)
      #expect(try await claim(states).count == 1, "the lease of the time before holds up nobody")
    }
  }

  @Test func `suspension parks, and the end of it is due at once`() async throws {
    try await withStates { database, states in
      let installation = try await claim(states)[0].installation
      let operators = InstallationStates(database: database)
      _ = try await operators.suspend(installation, act: .latchkey)
      #expect(try await only(states).state == .parked)
      _ = try await operators.resume(installation, act: .latchkey)
      #expect(try await claim(states).count == 1)
    }
  }

  @Test func `a failure is told, counted and tried again`() async throws {
    try await withStates { database, states in
      var failed = good
      failed.failure = "timeout"
      failed.hooks = nil
      for failures in 1...7 {
        let isUrgent = failures <= 7
        let claims = try await claim(states, urgent: isUrgent)
        #expect(claims.map(\.failures) == [failures - 1])
        try await states.record(claims[0], failed)
        let record = try await only(states)
        #expect(record.state == .failed && record.failure == "timeout")
        try await database.passChecks()
      }
      #expect(try await claim(states).isEmpty, "it has been tried before others long enough")
      try await states.record(try await claim(states, urgent: false)[0], good)
      #expect(try await only(states).state == .inStep)
    }
  }

  @Test func `what was switched off is told once found and once on again`() async throws {
    try await withStates { database, states in
      var found = good
      let since = Timestamp(seconds: 1_700_000_000)
      found.outages = [
        WebhookOutage(id: 1, scope: "store/order/*", byPlatform: true, since: since, isOver: true)
      ]
      try await states.record(try await claim(states)[0], found)
      #expect(try await only(states).deactivatedSince == since)
      #expect(
        try await database.eventTypes().suffix(2) == [
          "app/webhook_deactivated", "app/webhook_reactivated",
        ])
    }
  }

  @Test func `what stays off is told once`() async throws {
    try await withStates { database, states in
      var found = good
      found.failure = "timeout"
      found.hooks = [WebhookFact(id: 1, scope: "store/order/*", isActive: false)]
      func outage(isOver: Bool) -> [WebhookOutage] {
        [WebhookOutage(id: 1, scope: "s", byPlatform: false, since: nil, isOver: isOver)]
      }
      for isOver in [false, false, true] {
        found.outages = outage(isOver: isOver)
        try await states.record(try await claim(states)[0], found)
        try await database.passChecks()
      }
      #expect(
        try await database.eventTypes().suffix(2) == [
          "app/webhook_deactivated", "app/webhook_reactivated",
        ])
      #expect(try await database.eventTypes().count { $0 == "app/webhook_deactivated" } == 1)
    }
  }

  @Test func `a block is told once while it lasts`() async throws {
    try await withStates { database, states in
      let installation = try await claim(states)[0].installation
      func note() async throws -> Bool {
        try await states.noteBlock(
          for: .seconds(180), destination: "a.example", reasons: ["timeout"], seenAt: installation)
      }
      #expect(try await note())
      #expect(try await !note())
      #expect(try await only(states).blockedUntil != nil)
      _ = try await database.query(
        Statement("UPDATE apps SET webhooks_blocked_until = now() - interval '1 second'"))
      #expect(try await only(states).blockedUntil == nil)
      #expect(try await note())
      #expect(try await database.eventTypes().count { $0 == "app/webhooks_blocked" } == 2)
    }
  }

  @Test func `lists are paged and filtered`() async throws {
    try await withStates((1...5).map { "s\($0)" }) { _, states in
      try await states.record(try await claim(states)[0], good)
      var filter = WebhookFilter()
      filter.stores = ["s2", "s3", "s4"].compactMap { StoreHash($0) }
      let page = try await states.list(filter, after: nil, limit: 2)
      #expect(page.map(\.installation.store.text) == ["s2", "s3"])
      let rest = try await states.list(filter, after: page.last?.installation, limit: 2)
      #expect(rest.map(\.installation.store.text) == ["s4"])
      filter = WebhookFilter()
      filter.state = .inStep
      #expect(try await states.list(filter, after: nil, limit: 9).count == 1)
      filter.state = nil
      filter.granted = .only([try #require(StoreHash("s5"))])
      #expect(try await states.counts(filter)[.pending] == 1)
      #expect(try await states.markDue(filter) == 1)
    }
  }
}

extension Database {
  fileprivate func passLeases() async throws {
    _ = try await query(
      Statement("UPDATE webhook_states SET lease_until = lease_until - interval '61 seconds'"))
  }

  func passChecks() async throws {
    _ = try await query(
      Statement("UPDATE webhook_states SET next_check_at = now() WHERE next_check_at IS NOT NULL"))
  }

  fileprivate func eventTypes() async throws -> [String] {
    try await query(Statement("SELECT type FROM pending_events ORDER BY pending_id"))
      .rows.map { row in try row.decode("type") }
  }
}
