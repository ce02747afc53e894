import Base
import BigCommerce
import Curl
import Events
import Postgres
import Storage
import Synchronization
import TestSupport
import Testing
import Upstream
import Vault

/// The reconciler's parts on a real database and a server that plays BigCommerce.
private struct HookRig: Sendable {
  let database: Database
  let platform: FakeHooks
  let stores: StoreDirectory
  let states: WebhookStates
  let keyring: Keyring
  let upstream: Upstream
  let wall: ManualWall

  /// A time of day that is moved by hand.
  final class ManualWall: Sendable {
    private let moment = Mutex(Timestamp(seconds: 1_800_000_000))
    var clock: WallClock { WallClock { self.moment.withLock { $0 } } }
    func advance(days: Int64) { moment.withLock { $0 = $0 + .seconds(days * 86400) } }
  }

  static func run(_ body: @Sendable (HookRig) async throws -> Void) async throws {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      try await database.addApp()
      let keyring = try Keyring(parsing: Keyring.makeEntry(try #require(KeyID("k1"))))
      let place = SealedPlace(
        .accessToken, of: try .of("abc"), generation: Generation(1))
      let sealed = try keyring.seal(Secret(Array("token".utf8)), for: place)
      try await database.addInstallation("abc", sealedToken: sealed.bytes)
      let platform = FakeHooks()
      try await MisbehavingServer.run(script: platform.serve) { server in
        let client = try CurlClient(reactor: TestCluster.reactor, settings: CurlSettings())
        let rig = HookRig(
          database: database, platform: platform,
          stores: StoreDirectory(
            source: StoreSnapshot(database: database), keyring: keyring, logger: .silent),
          states: WebhookStates(database: database), keyring: keyring,
          upstream: Upstream(
            client: client, origin: try #require(Origin("http://127.0.0.1:\(server.port)")),
            suspicions: Suspicions()), wall: ManualWall())
        let result: Result<Void, any Error>
        do { result = .success(try await body(rig)) } catch { result = .failure(error) }
        await client.shutdown()
        try result.get()
      }
    }
  }

  /// A replica's reconciler, whose settings the database knows to be the newest.
  func reconciler(_ scopes: [String] = ["order/*", "product/updated"]) async throws
    -> HookReconciler
  {
    let registration = WebhookRegistration(
      apps: [
        .init(
          name: .default, clientID: "client-default", scopes: scopes.compactMap { HookScope($0) })
      ], origin: try #require(Origin("https://app.example.com")), exceptionsOrigin: nil)
    for wish in registration.wishes { try await states.record(wish) }
    let addresses = WebhookAddresses(database: database, keyring: keyring)
    let meter = HookMeter()
    return HookReconciler(
      wishes: registration.wishes, states: states, addresses: addresses,
      check: HookCheck(
        registration: registration, addresses: addresses, states: states, stores: stores,
        directory: WebhookDirectory(
          source: WebhookAddressSnapshot(database: database), logger: .silent),
        calls: HookCalls(calls: OwnCalls(upstream: upstream, userAgent: "test")), meter: meter,
        wall: wall.clock,
        logger: .silent), meter: meter, seed: 1, logger: .silent)
  }

  func record() async throws -> WebhookRecord {
    try #require(try await states.list(WebhookFilter(), after: nil, limit: 1).first)
  }

  /// Makes the next regular check due.
  func passTime() async throws {
    _ = try await database.query(
      Statement("UPDATE webhook_states SET next_check_at = now() WHERE next_check_at IS NOT NULL"))
  }
}

@Suite struct `The reconciler of webhooks` {
  @Test(arguments: [false, true])
  func `makes what is missing, and is at rest then`(isBare: Bool) async throws {
    try await HookRig.run { rig in
      if isBare { rig.platform.answerBare() }
      let reconciler = try await rig.reconciler()
      #expect(try await reconciler.step() == 1)
      #expect(rig.platform.calls == ["GET /admin", "GET "] + repeatElement("POST ", count: 4))
      #expect(try await rig.record().state == .inStep)
      #expect(try await reconciler.step() == 0, "nothing is due")
      try await rig.passTime()
      rig.platform.forgetCalls()
      #expect(try await reconciler.step() == 1)
      #expect(rig.platform.calls == ["GET /admin", "GET "])
      #expect(rig.platform.hooks.count == 4)
    }
  }

  @Test func `an answer that gets lost makes no second one`() async throws {
    try await HookRig.run { rig in
      let reconciler = try await rig.reconciler()
      rig.platform.loseAnswers(1)
      #expect(try await reconciler.step() == 1)
      #expect(try await rig.record().failure == "broken")
      try await rig.passTime()
      #expect(try await reconciler.step() == 1)
      #expect(try await rig.record().state == .inStep)
      #expect(Set(rig.platform.hooks.compactMap { $0["scope"]?.string }).count == 4)
      #expect(rig.platform.hooks.count == 4)
    }
  }

  @Test func `touches what silence would soon switch off, once`() async throws {
    try await HookRig.run { rig in
      let reconciler = try await rig.reconciler()
      try await reconciler.step()
      rig.platform.pass(days: 80)
      rig.wall.advance(days: 80)
      rig.platform.forgetCalls()
      try await rig.passTime()
      try await reconciler.step()
      #expect(rig.platform.calls.count { $0.hasPrefix("PUT") } == 4)
      try await rig.passTime()
      try await reconciler.step()
      #expect(rig.platform.calls.count { $0.hasPrefix("PUT") } == 4)
      #expect(try await rig.record().deactivatedSince == nil)
    }
  }

  @Test func `asks nobody where nothing is wanted and nothing ever was`() async throws {
    try await HookRig.run { rig in
      let reconciler = try await rig.reconciler([])
      #expect(try await reconciler.step() == 1)
      #expect(rig.platform.calls.isEmpty)
      #expect(try await rig.record().state == .inStep)
      #expect(try await rig.states.markDue(WebhookFilter()) == 1)
      #expect(try await reconciler.step() == 1)
      #expect(rig.platform.calls == ["GET /admin", "GET "], "an operator asked for a look")
    }
  }

  @Test func `removes ours when nothing is wanted any more`() async throws {
    try await HookRig.run { rig in
      try await rig.reconciler().step()
      #expect(rig.platform.hooks.count == 4)
      #expect(try await rig.reconciler([]).step() == 1)
      #expect(rig.platform.hooks.isEmpty)
    }
  }

  @Test func `leaves a store to a replica with newer settings`() async throws {
    try await HookRig.run { rig in
      let old = try await rig.reconciler(["order/*"])
      let new = try await rig.reconciler(["cart/*"])
      #expect(try await old.step() == 0)
      #expect(try await new.step() == 1)
    }
  }

  @Test func `two replicas look at a store once`() async throws {
    try await HookRig.run { rig in
      let one = try await rig.reconciler()
      let other = try await rig.reconciler()
      async let first = one.step()
      async let second = other.step()
      #expect(try await first + second == 1)
      #expect(rig.platform.hooks.count == 4)
    }
  }

  @Test func `switches on again what is off, with a gap from then`() async throws {
    try await HookRig.run { rig in
      let reconciler = try await rig.reconciler()
      try await reconciler.step()
      rig.platform.edit(3, "is_active", false)
      try await rig.passTime()
      try await reconciler.step()
      #expect(rig.platform.hooks.allSatisfy { $0["is_active"]?.bool == true })
      #expect(try await rig.record().deactivatedSince == Timestamp(seconds: 1_800_000_000))
    }
  }
}
