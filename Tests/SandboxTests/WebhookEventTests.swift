import Base
import HTTPTypes
import Sandbox
import TestSupport
import Testing

/// A change through the API and what it fires.
struct Change: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let method: HTTPRequest.Method
  let path: String
  let body: JSONValue?
  /// Scope and data, in the order of firing.
  let events: [(String, JSONValue)]

  init(
    _ name: String, _ method: HTTPRequest.Method, _ path: String, _ body: JSONValue? = nil,
    _ events: [(String, JSONValue)]
  ) {
    testDescription = name
    self.method = method
    self.path = path
    self.body = body
    self.events = events
  }
}

/// `{"type": …, "id": …}` and more.
private func data(_ type: String, _ id: JSONValue, _ more: JSONValue = [:]) -> JSONValue {
  .object([.init("type", .string(type)), .init("id", id)] + (more.members ?? []))
}

private let stock: JSONValue = ["product_id": 101, "variant_id": 1001, "location_id": 1]
private let stockScope = "store/channel/*/inventory/product/"

@Suite struct `Webhook events` {
  private static let changes: [Change] = [
    Change(
      "a product", .post, "/v3/catalog/products",
      ["name": "Bell", "type": "physical", "price": 2, "weight": 1],
      [("store/product/created", data("product", 149))]),
    Change(
      "two products", .put, "/v3/catalog/products", [["id": 101, "price": 5], ["id": 102]],
      [
        ("store/product/updated", data("product", 101)),
        ("store/product/updated", data("product", 102)),
      ]),
    Change(
      "a product's stock", .put, "/v3/catalog/products/101", ["inventory_level": 777],
      [
        ("store/product/updated", data("product", 101)),
        (
          "store/product/inventory/updated",
          data(
            "product", 101,
            ["inventory": ["product_id": 101, "method": "absolute", "value": 777]])
        ),
      ]),
    Change(
      "products, deleted", .delete, "/v3/catalog/products?id:in=101,102,9999", nil,
      [
        ("store/product/deleted", data("product", 101)),
        ("store/product/deleted", data("product", 102)),
      ]),
    Change(
      "an image", .post, "/v3/catalog/products/101/images",
      ["image_url": "https://a.example/x.png"],
      [("store/product/updated", data("product", 101))]),
    Change(
      "a variant", .post, "/v3/catalog/products/101/variants", ["sku": "NEW"],
      [
        (
          "store/sku/created",
          data("sku", 1085, ["sku": ["product_id": 101, "variant_id": 1085]])
        )
      ]),
    Change(
      "a category", .post, "/v3/catalog/categories", ["name": "New", "parent_id": 0],
      [
        ("store/category/created", data("category", 27)),
        ("store/channel/1/category/created", ["category_id": 27, "tree_id": 1]),
      ]),
    Change(
      "customers", .post, "/v3/customers",
      [
        ["email": "a@x.example", "first_name": "A", "last_name": "A"],
        ["email": "b@x.example", "first_name": "B", "last_name": "B"],
      ],
      [
        ("store/customer/created", data("customer", 25)),
        ("store/customer/created", data("customer", 26)),
      ]),
    Change(
      "customers, deleted", .delete, "/v3/customers?id:in=1,2,9999", nil,
      [
        ("store/customer/deleted", data("customer", 1)),
        ("store/customer/deleted", data("customer", 2)),
      ]),
    Change(
      "an order's status", .put, "/v2/orders/100", ["status_id": 5],
      [
        ("store/order/updated", data("order", 100)),
        ("store/channel/1/order/updated", ["order_id": 100]),
        (
          "store/order/statusUpdated",
          data("order", 100, ["status": ["previous_status_id": 11, "new_status_id": 5]])
        ),
        (
          "store/channel/1/order/statusUpdated",
          ["order_id": 100, "status": ["previous_status_id": 11, "new_status_id": 5]]
        ),
      ]),
    Change(
      "an order, archived", .delete, "/v2/orders/100", nil,
      [
        ("store/order/archived", data("order", 100)),
        ("store/channel/1/order/archived", ["order_id": 100]),
      ]),
    Change(
      "stock of a variant, none left", .put, "/v3/inventory/adjustments/absolute",
      ["items": [["variant_id": 1001, "location_id": 1, "quantity": 0]]],
      [
        (
          "store/product/inventory/updated",
          data(
            "product", 101, ["inventory": ["product_id": 101, "method": "absolute", "value": 0]])
        ),
        (stockScope + "stock_changed", stock), (stockScope + "out_of_stock_reached", stock),
      ]),
  ]

  @Test(arguments: changes)
  func `a change through the API fires what the platform would`(_ change: Change) async throws {
    try await withHooks({ $0.webhookConnections = 1 }) { bench in
      try await bench.register("store/*")
      let path = "/stores/demo1234" + change.path
      let answer =
        if let body = change.body {
          try await bench.client.json(change.method, path, body)
        } else {
          try await bench.client.send(change.method, path)
        }
      try #require((200...299).contains(answer.status), "\(answer.text)")
      try await bench.wait(change.events.count)
      let bodies = try bench.receiver.all.map { try $0.json }
      #expect(bodies.map { $0["scope"]?.string } == change.events.map { .some($0.0) })
      #expect(bodies.map { $0["data"] } == change.events.map { .some($0.1) })
    }
  }

  /// The scopes that arrived since so many.
  private func scopes(_ bench: HookBench, after count: Int = 0) throws -> [String] {
    try bench.receiver.all.dropFirst(count).map { try $0.json["scope"]?.string ?? "" }
  }

  @Test func `a cart fires created and updated, its items fire too`() async throws {
    try await withHooks({ $0.webhookConnections = 1 }) { bench in
      try await bench.register("store/cart/*")
      let carts = "/stores/demo1234/v3/carts"
      let item: JSONValue = ["line_items": [["product_id": 101, "quantity": 1]]]
      let made = try await bench.client.json(.post, carts, item).json["data"]
      let cart = try #require(made?["id"]?.string)
      try await bench.wait(3)
      #expect(
        try scopes(bench) == [
          "store/cart/created", "store/cart/lineItem/created", "store/cart/updated",
        ])
      let line = try bench.receiver.all[1].json["data"]
      #expect(line?["type"] == "cart_line_item" && line?["cartId"]?.string == cart)
      let lineID = try #require(line?["id"]?.string)
      let items = carts + "/\(cart)/items/\(lineID)"
      _ = try await bench.client.json(.put, items, ["line_item": ["quantity": 2]])
      #expect(try await bench.client.send(.delete, items).status == 204)
      try await bench.wait(7)
      #expect(
        try scopes(bench, after: 3) == [
          "store/cart/lineItem/updated", "store/cart/updated", "store/cart/lineItem/deleted",
          "store/cart/deleted",
        ])
    }
  }

  @Test func `an order, its shipment and its refund fire what belongs to them`() async throws {
    try await withHooks({ $0.webhookConnections = 1 }) { bench in
      try await bench.register("store/order/*")
      try await bench.register("store/shipment/*")
      let app = bench.client
      let order = try await app.json(
        .post, "/stores/demo1234/v2/orders",
        [
          "billing_address": ["first_name": "Jane"],
          "products": [["name": "Bell", "price_inc_tax": 10, "quantity": 1]],
        ]
      ).json
      let id = try #require(order["id"]?.integer)
      let path = "/stores/demo1234/v2/orders/\(id)"
      let line = try #require(try await app.get(path + "/products").json.array?.first?["id"])
      let shipment: JSONValue = [
        "order_address_id": .integer(id), "items": [["order_product_id": line, "quantity": 1]],
      ]
      #expect(try await app.json(.post, path + "/shipments", shipment).status == 201)
      let refund = try await app.json(
        .post, "/stores/demo1234/v3/orders/\(id)/payment_actions/refunds",
        [
          "items": [["item_type": "ORDER", "item_id": .integer(id), "amount": 4]],
          "payments": [["provider_id": "storecredit", "amount": 4, "offline": false]],
        ])
      #expect(refund.status == 201)
      #expect(try await app.get(path).json["status_id"] == 14)
      try await bench.wait(7)
      #expect(
        try scopes(bench) == [
          "store/order/created", "store/shipment/created", "store/order/updated",
          "store/order/statusUpdated", "store/order/refund/created", "store/order/updated",
          "store/order/statusUpdated",
        ])
      let data = try bench.receiver.all.map { try $0.json["data"] }
      #expect(data[1]?["orderId"]?.integer == id)
      #expect(data[4]?["refund"]?["refund_id"] == 1)
    }
  }

  @Test(arguments: [
    ("store/order/*", "store/order/created", true),
    ("store/order/*", "store/order/message/created", true),
    ("store/order/*", "store/orders/created", false),
    ("store/order/created", "store/order/updated", false),
    ("store/cart/lineItem/*", "store/cart/created", false),
    ("store/channel/*", "store/channel/updated", true),
    ("store/channel/*", "store/channel/1/order/created", false),
    ("store/channel/1/*", "store/channel/1/order/created", true),
    ("store/channel/1/order/*", "store/channel/12/order/created", false),
    (
      "store/channel/*/inventory/product/stock_changed",
      "store/channel/*/inventory/product/stock_changed", true
    ),
    ("store/*", "store/hook/deliveryException", false),
  ])
  func `a wildcard covers its family`(
    _ wanted: String, _ scope: String, _ covered: Bool
  ) async throws {
    try await withHooks { bench in
      try await bench.register(wanted)
      try await bench.fire(scope)
      #expect(try await bench.counts()["fired"]?.integer == (covered ? 1 : 0))
    }
  }

  @Test func `each of several hooks gets an event, with one ID; inactive ones do not`()
    async throws
  {
    try await withHooks { bench in
      try await bench.register("store/order/*")
      try await bench.register("store/order/created", at: bench.destination + "/2")
      let off = try await bench.register("store/order/created", at: bench.destination + "/3")
      try await bench.client.control("hooks/demo1234/\(off)", ["is_active": false], .put)
      try await bench.fire("store/order/created")
      try await bench.wait(2)
      #expect(Set(bench.receiver.all.map(\.target)) == ["/hooks", "/hooks/2"])
      #expect(Set(bench.receiver.all.map(\.id)).count == 1)
    }
  }

  @Test func `a new hook hears nothing until it is noticed`() async throws {
    let clock = ManualClock()
    try await withHooks({
      $0.clock = clock.clock
      $0.webhookActivation = .seconds(60)
    }) { bench in
      try await bench.register("store/order/*")
      clock.advance(.seconds(59))
      try await bench.fire("store/order/created")
      #expect(try await bench.counts()["fired"] == 0)
      clock.advance(.seconds(1))
      try await bench.fire("store/order/created")
      try await bench.wait(1)
    }
  }

  @Test func `an uninstall takes the hooks, and what waited for them is given up`() async throws {
    try await withHooks { bench in
      try await bench.register("store/order/*")
      bench.receiver.answer("500 Oops")
      try await bench.fire("store/order/created")
      try await bench.wait(1, "attempts")
      try await bench.client.control("uninstall")
      try await bench.client.control("webhooks/flush")
      try await bench.wait(1, "given_up")
      #expect(bench.receiver.all.count == 1)
    }
  }

  @Test func `a cancelled store says so, and its tokens are dead`() async throws {
    try await withHooks { bench in
      try await bench.register("store/app/uninstalled")
      try await bench.client.control("cancel_store")
      try await bench.wait(1)
      #expect(try bench.receiver.all[0].json["data"] == ["type": "store"])
      #expect(try await bench.client.get("/stores/demo1234/v3/hooks").status == 401)
    }
  }
}
