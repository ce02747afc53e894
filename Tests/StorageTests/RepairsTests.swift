import Base
import BigCommerce
import Postgres
import Storage
import TestSupport
import Testing

@Suite struct `Gap repairs in the database` {
  private static let wish = WebhookWish(
    app: .default, scopes: ["store/order/*", "store/product/*"], digest: "d1")
  private static let lease = Duration.seconds(60)
  private static let wanted = wish.scopes.compactMap { HookScope($0) }

  private struct Rig: Sendable {
    let database: Database
    let states: WebhookStates
    let repairs: Repairs

    func check(_ result: WebhookCheckResult) async throws {
      try await database.passChecks()
      let claims =
        try await states.claim([wish], isUrgent: true, limit: 9, lease: lease)
        + states.claim([wish], isUrgent: false, limit: 9, lease: lease)
      for claim in claims { try await states.record(claim, result) }
    }

    func claims() async throws -> [RepairClaim] {
      try await repairs.claim(apps: [.default], limit: 9, lease: lease)
        .sorted { $0.resource.rawValue < $1.resource.rawValue }
    }

    func advance(_ claim: RepairClaim, _ ids: [Int64], place: String? = nil, at time: Timestamp)
      async throws -> RepairProgress
    {
      let page = ComparedPage(
        records: ids.map { ComparedRecord(id: $0, createdAt: nil, modifiedAt: time) }, place: place)
      return try await repairs.advance(claim, page, wanted: wanted, lease: lease)
    }

    func events() async throws -> [String] {
      try await database.query(
        Statement(
          """
          SELECT type || ' ' || (data->>'id') || ' ' || synthetic AS text FROM pending_events
          WHERE origin = 'repair' ORDER BY pending_id
          """)
      ).rows.map { row in try row.decode("text") }
    }

    func record() async throws -> WebhookRecord {
      try #require(try await states.list(WebhookFilter(), after: nil, limit: 9).first)
    }

    func states(of filter: WebhookFilter = WebhookFilter()) async throws -> [String] {
      try await repairs.list(filter, state: nil, after: nil, limit: 9)
        .map { "\($0.resource.rawValue) \($0.state.rawValue)" }
    }
  }

  private func withRig<T: Sendable>(
    _ stores: [String] = ["abc"], _ body: @Sendable (Rig) async throws -> T
  ) async throws -> T {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      for store in stores { _ = try await database.addStore(store) }
      let rig = Rig(
        database: database, states: WebhookStates(database: database),
        repairs: Repairs(database: database))
      try await rig.states.record(Self.wish)
      // Long ago, so that nothing is cut off.
      _ = try await database.query(
        Statement("UPDATE webhook_states SET begun_at = now() - interval '300 days'"))
      try await rig.check(Self.good)
      return try await body(rig)
    }
  }

  private static let hooks = [
    WebhookFact(id: 1, scope: "store/order/*", isActive: true),
    WebhookFact(id: 2, scope: "store/product/*", isActive: true),
    WebhookFact(id: 3, scope: "store/hook/deliveryException", isActive: true),
  ]
  private static let good = WebhookCheckResult(next: .seconds(3600), wanted: 3, hooks: hooks)

  private func off(
    _ scope: String, since: Timestamp?, byPlatform: Bool = true, isOver: Bool = true
  ) -> WebhookCheckResult {
    var result = Self.good
    result.outages = [
      WebhookOutage(id: 1, scope: scope, byPlatform: byPlatform, since: since, isOver: isOver)
    ]
    return result
  }

  private static let since = Timestamp(seconds: WallClock.system.now().seconds - 86400)

  @Test func `what was off is compared from before it was, and open until that is done`()
    async throws
  {
    try await withRig { rig in
      try await rig.check(off("store/order/*", since: Self.since))
      let claim = try #require(try await rig.claims().first)
      #expect(claim.resource == .orders && claim.reason == .deactivated)
      #expect(claim.compareFrom == Self.since - .seconds(49 * 3600))
      #expect(try await rig.claims().isEmpty, "leased; products were heard of")
      guard
        case .more(let next, emitted: 2) = try await rig.advance(
          claim, [1, 2], place: "2", at: Self.since)
      else { return #expect(Bool(false), "there is more") }
      #expect(next.place == "2")
      #expect(try await rig.record().deactivatedSince == Self.since)
      #expect(try await rig.states() == ["orders running"])
      #expect(try await rig.advance(claim, [1], at: Self.since) == .overtaken, "that was before")
      #expect(try await rig.advance(next, [3], at: Self.since) == .finished(emitted: 1))
      #expect(
        try await rig.events() == (1...3).map { "store/order/updated \($0) deactivated" })
      #expect(try await rig.record().deactivatedSince == nil)
      #expect(try await rig.states() == ["orders done"])
      let end = try await rig.database.query(
        Statement("SELECT data FROM pending_events WHERE type = 'app/webhooks_repaired'")
      ).rows
      let data = try #require(end.first).decode("data", as: JSONValue.self)
      #expect(end.count == 1 && data["since_at"]?.string == Self.since.description)
      #expect(data["repairs"]?.array?.first?["events"]?.integer == 3)
      #expect(data["not_compared"]?.array == [])
      try await rig.check(Self.good)
      #expect(try await rig.claims().isEmpty, "once is enough")
    }
  }

  @Test func `nothing is planned before all of it is heard of again`() async throws {
    try await withRig { rig in
      var failed = off("store/order/*", since: Self.since, isOver: false)
      failed.failure = "timeout"
      failed.hooks = [WebhookFact(id: 1, scope: "store/order/*", isActive: false)]
      try await rig.check(failed)
      #expect(try await rig.claims().isEmpty)
      // The answer got lost, but it was carried out.
      try await rig.check(Self.good)
      #expect(try await rig.claims().map(\.compareFrom) == [Self.since - .seconds(49 * 3600)])
    }
  }

  @Test func `what nobody can compare is told, and not kept open`() async throws {
    try await withRig { rig in
      var result = off("store/cart/*", since: nil)
      result.hooks = Self.hooks + [WebhookFact(id: 4, scope: "store/cart/*", isActive: true)]
      try await rig.check(result)
      #expect(try await rig.claims().isEmpty)
      #expect(try await rig.record().deactivatedSince == nil)
      let told = try await rig.database.query(
        Statement("SELECT data FROM pending_events WHERE type = 'app/webhooks_repaired'")
      ).rows.first?.decode("data", as: JSONValue.self)
      #expect(told?["not_compared"]?.array == ["store/cart/*"])
    }
  }

  @Test func `one that others removed leaves a gap since the last look`() async throws {
    try await withRig { rig in
      var result = Self.good
      result.hooks = [
        WebhookFact(id: 9, scope: "store/product/*", isActive: true), Self.hooks[0], Self.hooks[2],
      ]
      try await rig.check(result)
      #expect(try await rig.claims().map(\.reason) == [.missing])
    }
  }

  @Test func `a rotation, a double and a new scope leave none`() {
    func gaps(_ before: [WebhookFact], _ after: [WebhookFact]) -> Int {
      RepairRules.replaced(before: before, after: after).count
    }
    let a = WebhookFact(id: 1, scope: "a", isActive: true)
    let b = WebhookFact(id: 2, scope: "a", isActive: true)
    let off = WebhookFact(id: 1, scope: "a", isActive: false)
    #expect(gaps([a], [a]) == 0 && gaps([], [a]) == 0 && gaps([a], []) == 0)
    #expect(gaps([a, b], [a]) == 0 && gaps([a], [a, b]) == 0 && gaps([off], [b]) == 0)
    #expect(gaps([a], [b]) == 1)
  }

  @Test func `an outage during a repair keeps it open, and begins it again`() async throws {
    try await withRig { rig in
      try await rig.check(off("store/order/*", since: Self.since))
      let claim = try #require(try await rig.claims().first)
      _ = try await rig.advance(claim, [1, 2], place: "2", at: Self.since)
      try await rig.check(off("store/order/*", since: Self.since + .seconds(3600)))
      #expect(try await rig.advance(claim, [3], at: Self.since) == .overtaken)
      let again = try #require(try await rig.claims().first)
      #expect(again.place == "" && again.compareFrom == claim.compareFrom)
      #expect(
        try await rig.advance(again, [1, 2, 3], at: Self.since) == .finished(emitted: 1),
        "what was told is not told twice")
      #expect(try await rig.events().count == 3)
    }
  }

  @Test func `the same page again makes no second event, in the feed or before it`() async throws {
    try await withRig { rig in
      for round in 0..<3 {
        let request = RepairRequest(stores: WebhookFilter(), resources: [.orders])
        let planned = try await rig.repairs.request(request, act: .latchkey)
        #expect(planned.stores == 1 && planned.repairs == 1)
        let claim = try #require(try await rig.claims().first)
        #expect(
          try await rig.advance(claim, [1, 2], at: Self.since)
            == .finished(emitted: round == 0 ? 2 : 0))
        let sequencer = Sequencer(database: rig.database, holder: "x")
        _ = try await sequencer.claim()
        _ = try await sequencer.step(above: 0)
      }
      let later = RepairRequest(stores: WebhookFilter(), resources: [.orders])
      _ = try await rig.repairs.request(later, act: .latchkey)
      let claim = try #require(try await rig.claims().first)
      #expect(
        try await rig.advance(claim, [1, 2], at: Self.since + .seconds(1)) == .finished(emitted: 2),
        "they were changed again")
      let marked = try await rig.database.count(
        Statement("SELECT count(*) AS count FROM events WHERE synthetic = 'requested'"))
      #expect(marked == 2)
    }
  }

  @Test func `what the platform told is not told again`() async throws {
    try await withRig { rig in
      _ = try await rig.database.query(
        Statement(
          """
          INSERT INTO pending_events (app_id, store_hash, type, origin, occurred_at, data)
          SELECT 'default', store, 'store/order/updated', 'platform', $1::timestamptz + late * interval '1 second',
            json_build_object('type', 'order', 'id', id)
          FROM (VALUES ('abc', 1, 0), ('abc', 2, -1), ('other', 3, 0)) AS told (store, id, late)
          """, [Self.since]))
      _ = try await rig.database.query(
        Statement(
          #"""
          INSERT INTO pending_events (app_id, store_hash, type, origin, data)
          VALUES ('default', 'abc', 'store/order/updated', 'platform', '{"type":"order","id":9,"note":"\u0000"}')
          """#))
      _ = try await rig.repairs.request(
        RepairRequest(stores: WebhookFilter(), resources: [.orders]), act: .latchkey)
      let claim = try #require(try await rig.claims().first)
      _ = try await rig.advance(claim, [1, 2, 3], at: Self.since)
      #expect(
        try await rig.events() == [
          "store/order/updated 2 requested", "store/order/updated 3 requested",
        ])
    }
  }

  @Test func `failures grow, a lease that is over is another's, and skipping ends it`()
    async throws
  {
    try await withRig { rig in
      try await rig.check(off("store/order/*", since: Self.since))
      let claim = try #require(try await rig.claims().first)
      try await rig.repairs.put(claim, failure: "timeout", next: .zero)
      let second = try #require(try await rig.claims().first)
      #expect(second.failures == 1)
      #expect(try await rig.states() == ["orders failing"])
      _ = try await rig.database.query(
        Statement("UPDATE webhook_repairs SET lease_until = now() - interval '1 second'"))
      let third = try #require(try await rig.claims().first)
      #expect(try await rig.advance(second, [1], at: Self.since) == .overtaken)
      try await rig.repairs.skip(second, "unwanted")
      #expect(try await rig.states() == ["orders failing"], "it is not his any more")
      try await rig.repairs.skip(third, "missing_scope")
      #expect(try await rig.states() == ["orders skipped"])
      #expect(try await rig.record().deactivatedSince == nil, "nobody can do more")
      #expect(try await rig.events().isEmpty)
    }
  }

  @Test func `an uninstall ends it, and a new install is compared from its own beginning`()
    async throws
  {
    try await withRig { rig in
      try await rig.check(off("store/order/*", since: Self.since))
      let claim = try #require(try await rig.claims().first)
      let operators = InstallationStates(database: rig.database)
      _ = try await operators.destroy(claim.installation, deletingData: false, act: .latchkey)
      #expect(try await rig.advance(claim, [1], at: Self.since) == .overtaken)
      #expect(try await rig.states().isEmpty)
      try await rig.database.installAgain(claim.installation)
      try await rig.check(off("store/order/*", since: Self.since))
      let again = try #require(try await rig.claims().first)
      #expect(again.compareFrom > Self.since, "from the install on")
    }
  }

  @Test func `a suspended store waits, and goes on`() async throws {
    try await withRig { rig in
      try await rig.check(off("store/order/*", since: Self.since))
      let operators = InstallationStates(database: rig.database)
      let installation = try await rig.record().installation
      _ = try await operators.suspend(installation, act: .latchkey)
      #expect(try await rig.claims().isEmpty)
      #expect(try await rig.states() == ["orders parked"])
      #expect(try await rig.repairs.counts(WebhookFilter())[.parked] == 1)
      _ = try await operators.resume(installation, act: .latchkey)
      #expect(try await rig.claims().count == 1)
    }
  }

  @Test func `an operator names stores and resources, and is written down`() async throws {
    try await withRig(["abc", "def", "ghi"]) { rig in
      var filter = WebhookFilter()
      filter.stores = ["abc", "def"].compactMap { StoreHash($0) }
      let act = Act(actor: "lk_x", requestID: RequestID("r1"))
      let planned = try await rig.repairs.request(
        RepairRequest(stores: filter, since: Self.since), act: act)
      #expect(planned.stores == 2 && planned.repairs == 4)
      #expect(try await rig.repairs.counts(WebhookFilter())[.waiting] == 4)
      #expect(try await rig.repairs.counts(WebhookFilter())[.done] == 0)
      let claims = try await rig.claims()
      #expect(Set(claims.map(\.compareFrom)) == [Self.since - .seconds(15 * 60)])
      let audited = try await rig.database.count(
        Statement(
          """
          SELECT count(*) AS count FROM audit WHERE action = 'webhooks_repair' AND actor = 'lk_x'
            AND details->>'repairs' = '4'
          """))
      #expect(audited == 1)
      let page = try await rig.repairs.list(WebhookFilter(), state: .waiting, after: nil, limit: 3)
      let last = try #require(page.last)
      let rest = try await rig.repairs.list(
        WebhookFilter(), state: nil,
        after: RepairPlace(installation: last.installation, resource: last.resource), limit: 9)
      #expect(page.count == 3 && rest.map(\.resource) == [.products])
    }
  }

  @Test func `a block has all stores of the app compared once it is over`() async throws {
    try await withRig(["abc", "def"]) { rig in
      let installation = try await rig.record().installation
      _ = try await rig.states.noteBlock(
        for: .seconds(180), destination: "a.example", reasons: [], seenAt: installation)
      #expect(try await !rig.repairs.planOutages(), "not over yet")
      _ = try await rig.database.query(
        Statement("UPDATE webhook_outages SET due_at = due_at - interval '240 seconds'"))
      while try await rig.repairs.planOutages() {}
      #expect(try await rig.repairs.counts(WebhookFilter())[.waiting] == 4)
      _ = try await rig.database.query(Statement("UPDATE webhook_repairs SET next_step_at = now()"))
      #expect(Set(try await rig.claims().map(\.reason)) == [.blocked])
    }
  }

  @Test func `an outage of the service has all stores with webhooks compared, piece by piece`()
    async throws
  {
    try await withRig((0..<7).map { "s\($0)" }) { rig in
      let beat = ServiceBeat(database: rig.database)
      func pulse(_ serving: Duration) async throws -> Bool {
        try await beat.beat(servingFor: serving, threshold: .seconds(600)) != nil
      }
      func pass(_ seconds: Int) async throws {
        _ = try await rig.database.query(
          Statement(
            "UPDATE service_beat SET beat_at = beat_at - $1 * interval '1 second'", [seconds]))
      }
      #expect(try await !pulse(.zero), "the first start ever")
      try await pass(500)
      #expect(try await !pulse(.zero), "a short outage")
      try await pass(5000)
      #expect(try await !pulse(.seconds(4900)), "this replica was there")
      try await pass(5000)
      _ = try await rig.database.query(
        Statement("UPDATE webhook_states SET hooks = '[]' WHERE store_hash = 's3'"))
      #expect(try await pulse(.seconds(100)))
      #expect(try await !pulse(.zero), "another replica, a moment later")
      while try await rig.repairs.planOutages() {}
      #expect(try await rig.repairs.counts(WebhookFilter())[.waiting] == 12)
      #expect(
        try await rig.database.count(Statement("SELECT count(*) AS count FROM webhook_outages"))
          == 0)
    }
  }

  @Test func `replicas share repairs, each page is told once`() async throws {
    try await withRig((0..<12).map { "s\($0)" }) { rig in
      _ = try await rig.repairs.request(
        RepairRequest(stores: WebhookFilter(), since: Self.since), act: .latchkey)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<4 {
          group.addTask {
            while true {
              let claims = try await rig.repairs.claim(
                apps: [.default], limit: 3, lease: Self.lease)
              if claims.isEmpty { return }
              for claim in claims { _ = try await rig.advance(claim, [1, 2], at: Self.since) }
            }
          }
        }
        try await group.waitForAll()
      }
      #expect(try await rig.repairs.counts(WebhookFilter())[.done] == 24)
      #expect(try await rig.events().count == 48)
    }
  }
}
