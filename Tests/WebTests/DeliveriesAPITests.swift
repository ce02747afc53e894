import Base
import BigCommerce
import HTTPTypes
import Postgres
import Storage
import TestSupport
import Testing

@testable import Web

@Suite struct `The log of deliveries over the API` {
  private struct Rig: Sendable {
    let database: Database
    let routes: APIRoutes

    func ask(
      _ target: String, _ method: HTTPRequest.Method = .get, stores: Grant.Stores = .all,
      abilities: [Ability] = [.eventsRead]
    ) async throws(Problem) -> APIAnswer {
      let parts = target.split(separator: "?", maxSplits: 1).map(String.init)
      let (route, arguments) = try routes.find(method, parts[0])
      let grant = Grant(
        app: .default, stores: stores, scopes: .all, abilities: Abilities(abilities))
      guard let requestID = RequestID("request-2") else { throw .noRoute }
      return try await routes.call(
        route, arguments: arguments, caller: APICaller(keyID: "key1", grant: grant),
        rawQuery: parts.count == 2 ? parts[1] : "", body: [], requestID: requestID)
    }

    /// The IDs of the deliveries on all pages.
    func ids(_ query: String, stores: Grant.Stores = .all) async throws -> [String] {
      var ids: [String] = []
      var after = ""
      while true {
        let page = try await ask("/v1/deliveries?\(query)\(after)", stores: stores).body
        ids += (page?["data"]?.array ?? []).compactMap { $0["id"]?.string }
        guard let next = page?["next"]?.string else { return ids }
        after = "&after=\(next)"
      }
    }

    func problem(
      _ target: String, _ method: HTTPRequest.Method = .get, stores: Grant.Stores = .all,
      abilities: [Ability] = [.eventsRead]
    ) async -> Problem? {
      do throws(Problem) {
        _ = try await ask(target, method, stores: stores, abilities: abilities)
        return nil
      } catch {
        return error
      }
    }
  }

  /// Four deliveries: an event of `abc`, one of `other`, an unwanted one and an unreadable one.
  private func withRig(_ body: @Sendable (Rig) async throws -> Void) async throws {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      let log = Deliveries(database: database)
      try await log.record([.test("abc", 1)])
      try await log.record([.test("other", 2)])
      try await log.record([.test("abc", 3, quarantine: "unwanted_scope")])
      try await log.record([.test("abc", 4, quarantine: "unreadable_json", body: [0xFF, 0x7B])])
      let api = DeliveriesAPI(log: DeliveryLog(database: database))
      try await body(Rig(database: database, routes: APIRoutes(api.routes)))
    }
  }

  private let mine = Grant.Stores.only(Set([StoreHash("abc")].compactMap { $0 }))

  @Test func `a key sees the deliveries of its stores`() async throws {
    try await withRig { rig in
      #expect(try await rig.ids("limit=1") == ["4", "3", "2", "1"])
      #expect(try await rig.ids("limit=1", stores: mine) == ["4", "3", "1"])
      #expect(try await rig.ids("store=abc&status=quarantined&signature=invalid") == ["4", "3"])
      #expect(await rig.problem("/v1/deliveries?store=other", stores: mine)?.status == 403)
      #expect(await rig.problem("/v1/deliveries?app=other")?.status == 403)
      let row = try await rig.ask("/v1/deliveries?limit=1").body?["data"]?.array?.first
      #expect(
        row?.text == #"""
          {"id":"4","app":"default","store_hash":"abc","received_at":"2023-11-14T22:13:20.000Z",\#
          "scope":null,"webhook_id":"msg_4","signature":"invalid:mac",\#
          "quarantine":"unreadable_json","event_id":null,"request_id":"request-1","repeats":null,\#
          "bytes":2}
          """#)
    }
  }

  @Test func `one is shown with its body, and another store's is as unknown as none`() async throws
  {
    try await withRig { rig in
      let text = try await rig.ask("/v1/deliveries/1", stores: mine).body
      #expect(text?["body"]?.string == String(decoding: Delivery.body("abc"), as: UTF8.self))
      #expect(text?["event_id"]?.string?.hasPrefix("evt_") == true)
      let bytes = try await rig.ask("/v1/deliveries/4").body
      #expect(bytes?["body_base64"]?.string == "/3s=" && bytes?["body"] == nil)
      for id in ["2", "5", "01", "x", "99999999999999999999"] {
        #expect(await rig.problem("/v1/deliveries/\(id)", stores: mine) == .unknown("delivery"))
      }
    }
  }

  @Test func `an operator makes an event of what was quarantined, once for each call`()
    async throws
  {
    try await withRig { rig in
      let path = "/v1/deliveries/3/replay"
      let first = try await rig.ask(path, .post, stores: mine, abilities: [.operator])
      let second = try await rig.ask(path, .post, abilities: [.operator])
      let ids = [first, second].compactMap { $0.body?["event_id"]?.string }
      #expect(first.status == 201 && Set(ids).count == 2)
      #expect(
        try await rig.database.count(
          Statement(
            """
            SELECT count(*) FROM pending_events WHERE event_id = ANY ($1) AND origin = 'repair'
              AND type = 'store/order/created' AND data::text = '{"id":18446744073709551616}'
            """, [ids])) == 2)
    }
  }

  @Test func `a replay asks for an operator, a store of the grant, and a body that can be read`()
    async throws
  {
    try await withRig { rig in
      #expect(await rig.problem("/v1/deliveries/1/replay", .post)?.code == "grant_missing")
      func refused(_ id: Int) async -> Problem? {
        await rig.problem(
          "/v1/deliveries/\(id)/replay", .post, stores: mine, abilities: [.operator])
      }
      #expect(await refused(2) == .unknown("delivery"))
      #expect(await refused(4)?.code == "delivery_unreadable")
      #expect(await refused(4)?.fields.first?.value == "json")
      // A body that speaks of another store never becomes an event of this one.
      try await Deliveries(database: rig.database).record([
        .test("abc", 5, body: Delivery.body("other"))
      ])
      #expect(await refused(5)?.fields.first?.value == "producer")
      #expect(
        try await rig.database.count(
          Statement("SELECT count(*) FROM pending_events WHERE origin = 'repair'")) == 0)
    }
  }
}

extension Delivery {
  fileprivate static func body(_ store: String) -> [UInt8] {
    Array(
      """
      {"scope":"store/order/created","store_id":"1000","producer":"stores/\(store)","hash":"0f",\
      "created_at":1699999990,"data":{"id":18446744073709551616}}
      """.utf8)
  }

  fileprivate static func test(
    _ store: String, _ number: UInt8, quarantine: String? = nil, body: [UInt8]? = nil
  ) throws -> Delivery {
    Delivery(
      installation: InstallationID(app: .default, store: try #require(StoreHash(store))),
      key: [number], receivedAt: Timestamp(seconds: 1_700_000_000), webhookID: "msg_\(number)",
      signature: quarantine == nil ? "valid" : "invalid:mac",
      fate: quarantine.map { .quarantined(reason: $0, scope: nil) }
        ?? .event(
          Content(
            scope: "store/order/created", occurredAt: Timestamp(seconds: 1_699_999_990),
            data: "{}")),
      requestID: try #require(RequestID("request-1")), body: body ?? Delivery.body(store))
  }
}
