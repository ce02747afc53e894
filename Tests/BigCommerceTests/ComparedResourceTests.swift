import Base
import TestSupport
import Testing

@testable import BigCommerce

@Suite struct `Records that are compared with the feed` {
  private let moment = Timestamp(seconds: 1_750_828_930)

  @Test(arguments: [
    ("Wed, 25 Jun 2025 05:22:10 +0000", 0), ("Wed, 25 Jun 2025 05:22:10 GMT", 0),
    ("Wed, 25 Jun 2025 01:22:10 -0400", 0), ("2025-06-25T05:22:10+00:00", 0),
    ("2025-06-25T05:22:10Z", 0), ("2025-06-25T05:22:10", 0), ("2025-06-25T05:22:10.999Z", 0),
    ("2025-06-25T10:52:11+05:30", 1),
  ])
  func `the platform's ways to write a moment`(_ text: String, _ later: Int64) {
    #expect(PlatformTime.read(text) == moment + .seconds(later))
  }

  @Test(arguments: [
    "", "T", ",", "2025-06-25", "2025-02-30T00:00:00Z", "2025-06-25T25:00:00Z",
    "2025-06-25T05:22Z", "2025-06-25T05:22:10+9", "2025-06-25T05:22:10Zulu",
    "Wed, 25 Foo 2025 05:22:10 +0000", "Wed, 25 Jun 2025", "0000-00-00T00:00:00Z",
    "2025-06-25T-5:22:10Z", "2025-06-25T05:22:10+00:99",
  ])
  func `other texts are no moments`(_ text: String) {
    #expect(PlatformTime.read(text) == nil)
  }

  @Test func `asks for records by ID behind a place`() {
    let since = "2025-06-25T05:22:10Z"
    let start = moment + .milliseconds(900)
    #expect(
      ComparedResource.orders.query(since: start, after: "")
        == "?min_date_modified=\(since)&min_id=1&sort=id:asc&limit=100")
    #expect(ComparedResource.orders.query(since: start, after: "41").contains("&min_id=42&"))
    #expect(
      ComparedResource.products.query(since: start, after: "41")
        == "?date_modified:min=\(since)&id:greater=41&sort=id&direction=asc"
        + "&include_fields=date_created,date_modified&limit=250")
    let customers = ComparedResource.customers
    #expect(
      customers.query(since: start, after: "") == "?date_modified:min=\(since)&limit=250")
    #expect(customers.query(since: start, after: "eyJ%3D").hasSuffix("&limit=250&after=eyJ%3D"))
    #expect(customers.query(since: start, after: "page:3").hasSuffix("&limit=250&page=3"))
  }

  @Test(arguments: [
    ("store/order/*", [ComparedResource.orders]), ("store/order/statusUpdated", [.orders]),
    ("store/channel/2/order/*", [.orders]), ("store/channel/2/*", [.orders]),
    ("store/channel/*", []), ("store/channel/2/cart/*", []), ("store/order/refund/created", []),
    ("store/product/updated", [.products]), ("store/product/inventory/updated", []),
    ("store/customer/created", [.customers]), ("store/customer/address/*", []),
    ("store/*", [.orders, .products, .customers]), ("store/hook/deliveryException", []),
  ])
  func `what a scope tells of`(_ scope: String, _ resources: [ComparedResource]) throws {
    // A scope needs three segments; store/* is none.
    guard let known = HookScope(scope) else { return #expect(scope == "store/*") }
    #expect(ComparedResource.heard(by: [known]) == resources)
  }

  @Test func `pages lead on until one is not full`() throws {
    func rows(_ ids: ClosedRange<Int64>) -> [JSONValue] { ids.map { ["id": .integer($0)] } }
    let full = try #require(
      ComparedPage(.array(rows(5...104)), of: .orders, after: "4"))
    #expect(full.records.count == 100 && full.place == "104")
    #expect(ComparedPage(.array(rows(5...100)), of: .orders, after: "4")?.place == nil)
    #expect(ComparedPage(.null, of: .orders, after: "104")?.records == [])
    #expect(ComparedPage(.array(rows(4...9)), of: .orders, after: "4") == nil, "nothing new")
    #expect(ComparedPage(["data": [["no": "id"]]], of: .products, after: "") == nil)
    #expect(ComparedPage(["error": "x"], of: .products, after: "") == nil)
    #expect(
      ComparedPage(["data": .array(rows(1...250))], of: .products, after: "")?.place == "250")
    func customers(_ meta: JSONValue, _ count: Int64, after place: String = "") -> ComparedPage? {
      ComparedPage(
        ["data": .array(rows(1...count)), "meta": meta], of: .customers, after: place)
    }
    let cursor: JSONValue = ["cursor_pagination": ["end_cursor": "a+/="]]
    #expect(customers(cursor, 250)?.place == "a%2B%2F%3D")
    #expect(customers(cursor, 250, after: "a%2B%2F%3D") == nil, "it stands still")
    #expect(customers(cursor, 249)?.place == .some(nil))
    let pages: JSONValue = ["pagination": ["current_page": 2, "total_pages": 3]]
    #expect(customers(pages, 250)?.place == "page:3")
    #expect(
      customers(["pagination": ["current_page": 3, "total_pages": 3]], 250)?.place == .some(nil))
  }
}

@Suite struct `What a comparison tells` {
  private let start = Timestamp(seconds: 1_000_000)

  private func missing(
    _ record: ComparedRecord, _ scopes: [String], known: [String: Timestamp] = [:],
    _ resource: ComparedResource = .orders
  ) -> [String] {
    SyntheticEvent.missing(
      record, of: resource, wanted: scopes.compactMap { HookScope($0) }, since: start,
      fallback: start + .seconds(999)
    ) { known[$0] }.map(\.type)
  }

  private func order(created: Int64, modified: Int64) -> ComparedRecord {
    ComparedRecord(
      id: 7, createdAt: start + .seconds(created), modifiedAt: start + .seconds(modified),
      channel: 2, status: 11)
  }

  @Test func `a record that is new was created, another one updated`() {
    #expect(missing(order(created: 5, modified: 9), ["order/*"]) == ["store/order/created"])
    #expect(missing(order(created: -5, modified: 9), ["order/*"]) == ["store/order/updated"])
    #expect(missing(order(created: 5, modified: 9), ["order/updated"]) == ["store/order/updated"])
    #expect(missing(order(created: -5, modified: 9), ["order/created"]) == [])
    #expect(
      missing(order(created: -5, modified: 9), ["order/statusUpdated", "order/created"])
        == ["store/order/statusUpdated"])
    #expect(
      missing(
        order(created: 5, modified: 9), ["order/*", "channel/2/order/*", "channel/3/order/*"])
        == ["store/order/created", "store/channel/2/order/created"])
  }

  @Test func `what was told of its last change is enough`() {
    let created = ["store/order/created": start + .seconds(5)]
    #expect(missing(order(created: 5, modified: 5), ["order/*"], known: created) == [])
    #expect(
      missing(order(created: 5, modified: 9), ["order/*"], known: created)
        == ["store/order/updated"])
    let updated = ["store/order/updated": start + .seconds(9)]
    #expect(missing(order(created: -5, modified: 9), ["order/*"], known: updated) == [])
    #expect(
      missing(order(created: 5, modified: 9), ["order/*"], known: updated)
        == ["store/order/created"], "that it was made nobody said")
  }

  @Test func `data are in the platform's form, and no previous status is invented`() throws {
    let scopes = ["store/order/statusUpdated", "store/channel/2/order/updated"]
    let events = SyntheticEvent.missing(
      order(created: -5, modified: 9), of: .orders, wanted: scopes.compactMap { HookScope($0) },
      since: start, fallback: start
    ) { _ in nil }
    #expect(
      events.map { String(decoding: $0.data.encoded(), as: UTF8.self) } == [
        #"{"type":"order","id":7,"status":{"previous_status_id":null,"new_status_id":11}}"#,
        #"{"order_id":7}"#,
      ])
    #expect(events.allSatisfy { $0.occurredAt == start + .seconds(9) })
  }

  @Test func `any records, scopes and feeds: each is told once, in wanted types only`() {
    var random = SeededGenerator()
    let seed = random.seed
    let scopes = [
      "order/*", "order/created", "order/updated", "order/statusUpdated", "channel/1/order/*",
      "channel/2/order/created", "product/*", "customer/updated", "cart/*",
    ]
    for _ in 0..<5000 {
      let wanted = scopes.filter { _ in Bool.random(using: &random) }.compactMap { HookScope($0) }
      let resource = ComparedResource.allCases.randomElement(using: &random) ?? .orders
      func time() -> Timestamp? {
        Int.random(in: 0..<9, using: &random) == 0
          ? nil : start + .seconds(.random(in: -5...5, using: &random))
      }
      let record = ComparedRecord(
        id: 7, createdAt: time(), modifiedAt: time(),
        channel: [nil, 1, 2, 3].randomElement(using: &random) ?? nil, status: nil)
      let types = SyntheticEvent.types(of: [record], resource).sorted()
      var known = Dictionary(
        uniqueKeysWithValues: types.compactMap { type in
          Bool.random(using: &random) ? time().map { (type, $0) } : nil
        })
      func tell() -> [SyntheticEvent] {
        SyntheticEvent.missing(
          record, of: resource, wanted: wanted, since: start, fallback: start
        ) { known[$0] }
      }
      let told = tell()
      #expect(told.count <= 2, "seed \(seed)")
      for event in told {
        #expect(types.contains(event.type), "seed \(seed)")
        let scope = HookScope(event.type)
        #expect(scope.map { scope in wanted.contains { $0.covers(scope) } } == true, "seed \(seed)")
        known[event.type] = max(known[event.type] ?? event.occurredAt, event.occurredAt)
      }
      #expect(tell() == [], "seed \(seed)")
      #expect(ComparedResource.heard(by: wanted).contains(resource) || told == [], "seed \(seed)")
    }
  }
}
