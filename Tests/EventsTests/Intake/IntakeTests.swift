import Base
import BigCommerce
import Crypto
import Postgres
import Storage
import Synchronization
import TestSupport
import Testing

@testable import Events

@Suite struct `The intake` {
  private static let secret = "a header's secret"
  private static let key = WebhookKey(clientSecret: Secret("client-secret"))
  private static let now = Timestamp(seconds: 1_700_000_000)

  /// One known address; keeps what is written.
  private final class Fixture: WebhookAddressFinding {
    let written = Mutex<[Delivery]>([])
    let isDurable: Bool
    let isLive: Bool

    init(isDurable: Bool = true, isLive: Bool = true) {
      self.isDurable = isDurable
      self.isLive = isLive
    }

    func known(_ app: AppName, _ pathToken: String) -> WebhookAddressLookup? {
      guard pathToken == "known", let store = StoreHash("abc") else { return nil }
      return .found(
        WebhookAddress(
          installation: InstallationID(app: .default, store: store),
          secretSHA256: Array(SHA256.hash(data: Array(secret.utf8))), isLive: isLive))
    }

    func find(_ app: AppName, _ pathToken: String) async -> WebhookAddressLookup {
      if let known = known(app, pathToken) { return known }
      return pathToken == "later" ? .cannotTell : .unknown
    }

    func intake(_ policy: SignaturePolicy, takesHexadecimal: Bool = false) -> Intake {
      Intake(
        addresses: self,
        inspector: DeliveryInspector(
          policy: policy, takesHexadecimal: takesHexadecimal, keys: [.default: [key]]
        ) { _, scope in scope != "store/unwanted" },
        writer: DeliveryWriter(logger: .quiet) { batch in
          guard self.isDurable else { throw CancellationError() }
          self.written.withLock { $0 += batch }
        }, meter: IntakeMeter(), clock: WallClock { now }, logger: .quiet)
    }
  }

  private static func body(producer: String = "stores/abc", scope: String = "store/order/created")
    -> [UInt8]
  {
    Array(
      """
      {"scope":"\(scope)","store_id":"1000","producer":"\(producer)","hash":"0f",\
      "created_at":1699999990,"data":{"type":"order","id":7}}
      """.utf8)
  }

  private static func request(
    token: String = "known", secrets: [String] = [secret], body: [UInt8] = body(),
    id: String = "msg_1", key: WebhookKey? = key, sentAt: Int64 = 1_700_000_000,
    signature: WebhookSignatureHeaders? = nil
  ) throws -> WebhookRequest {
    var signature = signature ?? WebhookSignatureHeaders()
    if let key, signature == WebhookSignatureHeaders() {
      signature = WebhookSignatureHeaders(
        ids: [id], timestamps: ["\(sentAt)"],
        signatures: [StandardWebhooks.sign(id: id, timestamp: sentAt, body: body, key: key)])
    }
    return WebhookRequest(
      app: .default, pathToken: token, secrets: secrets, signature: signature, body: body,
      requestID: try #require(RequestID("request-1")),
      notes: RequestNotes(trace: TraceSource.shared.begin()))
  }

  @Test func `a genuine delivery is written as it came, and then acknowledged`() async throws {
    let fixture = Fixture()
    #expect(try await fixture.intake(.enforce).take(Self.request()) == .taken)
    let delivery = try #require(fixture.written.withLock { $0.first })
    #expect(delivery.body == Self.body())
    #expect(delivery.signature == "valid" && delivery.webhookID == "msg_1")
    #expect(delivery.receivedAt == Self.now)
    #expect(
      delivery.fate
        == .event(
          .init(
            scope: "store/order/created", occurredAt: Timestamp(seconds: 1_699_999_990),
            data: #"{"type":"order","id":7}"#)))
  }

  @Test(arguments: [key, nil])
  func `the log tells how often a delivery came again, with an ID and without`(
    _ key: WebhookKey?
  ) async throws {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      let deliveries = Deliveries(database: database)
      let log = DeliveryLog(database: database)
      let fixture = Fixture()
      for repeats in 0...2 {
        _ = try await fixture.intake(.observe).take(Self.request(key: key))
        try await deliveries.record(fixture.written.withLock { $0.suffix(1) })
        let found = try await log.read(before: nil, DeliveryFilter(), limit: 10).deliveries
        #expect(found.map(\.repeats) == [Int64(repeats)])
        #expect(found.first?.webhookID == key.map { _ in "msg_1" })
      }
      _ = try await database.query(Statement("DELETE FROM delivery_keys"))
      #expect(try await log.find(1)?.delivery.repeats == .some(nil))
    }
  }

  @Test func `what is not durable is not acknowledged`() async throws {
    #expect(
      try await Fixture(isDurable: false).intake(.enforce).take(Self.request()) == .unavailable)
    #expect(try await Fixture().intake(.enforce).take(Self.request(token: "later")) == .unavailable)
    #expect(
      try await Fixture().intake(.enforce).take(Self.request(token: "other")) == .unknownAddress)
  }

  @Test(arguments: SignaturePolicy.allCases)
  func `path, secret and producer are demanded whatever the signature counts`(
    _ policy: SignaturePolicy
  ) async throws {
    let fixture = Fixture()
    let intake = fixture.intake(policy)
    for secrets in [[], ["another"], [Self.secret, Self.secret], [""]] {
      #expect(try await intake.take(Self.request(secrets: secrets)) == .forged("secret"))
    }
    for producer in ["stores/other", "abc", "stores/", "stores/ABC", "stores/abc/x"] {
      let request = try Self.request(body: Self.body(producer: producer))
      #expect(await intake.take(request) == .forged("producer"), "\(producer)")
    }
    #expect(fixture.written.withLock { $0.isEmpty })
  }

  @Test func `a signature is observed, enforced, or not looked at`() async throws {
    let wrong = WebhookKey(clientSecret: Secret("another"))
    let cases: [(key: WebhookKey?, word: String, reason: String)] = [
      (nil, "absent", "signature_absent"), (wrong, "invalid:mismatch", "signature_mismatch"),
    ]
    for (key, word, reason) in cases {
      let fixture = Fixture()
      let request = try Self.request(key: key)
      #expect(await fixture.intake(.enforce).take(request) == .forged(reason))
      #expect(fixture.written.withLock { $0.isEmpty })
      #expect(await fixture.intake(.observe).take(request) == .taken)
      #expect(await fixture.intake(.off).take(request) == .taken)
      #expect(fixture.written.withLock { $0.map(\.signature) } == [word, "off"])
    }
    let stale = try Self.request(sentAt: 1_700_000_000 - 73 * 3600)
    #expect(await Fixture().intake(.enforce).take(stale) == .forged("signature_stale"))
  }

  @Test func `the signature of guides counts where it is allowed`() async throws {
    let code = HMAC<SHA256>.authenticationCode(
      for: Self.body(), using: SymmetricKey(data: Array("client-secret".utf8)))
    for (text, word) in [
      (Hex.encode(Array(code)), "valid"), (Hex.encode(Array(repeating: 7, count: 32)), "invalid"),
    ] {
      let signature = WebhookSignatureHeaders(hexadecimal: [text])
      let request = try Self.request(signature: signature)
      let fixture = Fixture()
      #expect(await fixture.intake(.enforce).take(request) == .forged("signature_absent"))
      #expect(await fixture.intake(.observe).take(request) == .taken)
      let answer = await fixture.intake(.enforce, takesHexadecimal: true).take(request)
      #expect(answer == (word == "valid" ? .taken : .forged("signature_mismatch")))
      let words = fixture.written.withLock { $0.map(\.signature) }
      #expect(words == (word == "valid" ? ["absent", "valid"] : ["absent"]))
    }
  }

  @Test func `the genuine but odd is acknowledged and kept aside`() async throws {
    let cases: [(body: [UInt8], isLive: Bool, reason: String)] = [
      (Self.body(), false, "uninstalled"),
      (Self.body(scope: "store/unwanted"), true, "unwanted_scope"),
      (Array("not json".utf8), true, "unreadable_json"), ([0xFF, 0xFE], true, "unreadable_json"),
      (Self.body(scope: "nonsense"), true, "unreadable_scope"), ([], true, "unreadable_json"),
    ]
    for (body, isLive, reason) in cases {
      let fixture = Fixture(isLive: isLive)
      let request = try Self.request(body: body)
      #expect(await fixture.intake(.enforce).take(request) == .taken)
      let delivery = try #require(fixture.written.withLock { $0.first })
      guard case .quarantined(let found, _) = delivery.fate else {
        Issue.record("not quarantined: \(reason)")
        continue
      }
      #expect(found == reason && delivery.body == body)
    }
  }

  @Test func `repetitions share a key: by their ID, or by their body without one`() async throws {
    let fixture = Fixture()
    let intake = fixture.intake(.observe)
    let other = Self.body(scope: "store/order/updated")
    for request in try [
      Self.request(id: "a"), Self.request(body: other, id: "a"), Self.request(id: "b"),
      Self.request(key: nil), Self.request(key: nil), Self.request(body: other, key: nil),
    ] {
      #expect(await intake.take(request) == .taken)
    }
    let keys = fixture.written.withLock { $0.map(\.key) }
    #expect(keys.count == 6)
    #expect(keys[0] == keys[1] && keys[3] == keys[4])
    #expect(Set(keys).count == 4)
  }
}

@Suite struct `Writing deliveries` {
  @Test func `a store's flood stands behind itself`() throws {
    var batch = FairBatch<String>()
    let (loud, quiet) = (try InstallationID.of("loud"), try InstallationID.of("quiet"))
    for number in 0..<1000 { batch.add("loud \(number)", of: loud) }
    batch.add("quiet 0", of: quiet)
    batch.add("quiet 1", of: quiet)
    #expect(batch.count == 1002)
    #expect(batch.take(5) == ["loud 0", "quiet 0", "loud 1", "quiet 1", "loud 2"])
    #expect(batch.take(2000).count == 997)
    #expect(batch.isEmpty && batch.take(1).isEmpty)
  }

  @Test func `a store at twenty times its share delays nobody but itself`() throws {
    let stores = try (0..<10).map { try InstallationID.of("store\($0)") }
    var batch = FairBatch<(store: Int, round: Int)>()
    var waits = Array(repeating: 0, count: stores.count)
    var served = waits
    for round in 0..<500 {
      for (number, store) in stores.enumerated() {
        for _ in 0..<(number == 0 ? 20 : 1) { batch.add((number, round), of: store) }
      }
      // Half of what comes can be written.
      for element in batch.take(15) {
        waits[element.store] = max(waits[element.store], round - element.round)
        served[element.store] += 1
      }
    }
    #expect(waits.dropFirst().allSatisfy { $0 == 0 }, "each in the round in which it came")
    #expect(served.dropFirst().allSatisfy { $0 == 500 })
    #expect(served[0] == 500 * 6, "all the rest is the loud one's")
    #expect(batch.count == 500 * 14)
  }

  @Test func `what comes while a batch is written is one batch, and nobody is left behind`()
    async throws
  {
    let gate = Gate()
    let sizes = Mutex<[Int]>([])
    let writer = DeliveryWriter(logger: .quiet) { batch in
      sizes.withLock { $0.append(batch.count) }
      await gate.wait()
    }
    let installation = try InstallationID.of("abc")
    let requestID = try #require(RequestID("request-1"))
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for number in 0..<450 {
        group.addTask {
          let delivery = Delivery(
            installation: installation, key: [UInt8(number & 0xFF)],
            receivedAt: Timestamp(seconds: 0), webhookID: nil, signature: "off",
            fate: .quarantined(reason: "test", scope: nil), requestID: requestID, body: [])
          return await withCheckedContinuation { done in
            writer.write(delivery) { done.resume(returning: $0) }
          }
        }
      }
      #expect(
        try await eventually {
          sizes.withLock { $0.count == 2 && $0.reduce(0, +) + writer.waitingCount == 450 }
        })
      await gate.open()
      for try await isDurable in group { #expect(isDurable) }
    }
    #expect(sizes.withLock { $0.reduce(0, +) } == 450)
    #expect(sizes.withLock { $0.max() ?? 0 } <= DeliveryWriter.batch)
    #expect(sizes.withLock { $0.count } <= 2 + 5 + 1)
    #expect(writer.waitingCount == 0)
  }
}
