import Base
import HTTPTypes
import Sandbox
import Testing

@Suite struct `API host` {
  private static let scopeTitle: JSONValue =
    "You don't have a required scope to access the endpoint"

  @Test func `without the store's own token the answer is 401 in the V3 shape`() async throws {
    try await withSandbox({ $0.stores = 2 }) { client in
      var app = client
      for token in [nil, "wrong", try await client.authorised(store: "store0002").token] {
        app.token = token
        for path in ["/v3/catalog/products", "/v2/orders"] {
          let answer = try await app.get("/stores/demo1234\(path)")
          #expect(answer.status == 401)
          let body = try answer.json
          #expect(body["status"] == 401)
          #expect(body["title"]?.string?.contains("not a valid combination") == true)
          #expect(answer.header("X-Rate-Limit-Requests-Left") == nil)
        }
      }
    }
  }

  @Test func `a missing scope is 403, and a modify scope reads`() async throws {
    try await withSandbox { client in
      let app = try await client.authorised(
        scopes: ["store_v2_products", "store_v2_orders_read_only"])
      #expect(try await app.get("/stores/demo1234/v3/catalog/products").status == 200)
      #expect(try await app.get("/stores/demo1234/v2/orders").status == 200)
      for answer in [
        try await app.json(.put, "/stores/demo1234/v2/orders/100", ["status_id": 2]),
        try await app.get("/stores/demo1234/v3/customers"),
        try await app.get("/stores/demo1234/v2/store"),
        try await app.get("/stores/demo1234/v3/content/pages"),
      ] {
        #expect(answer.status == 403)
        #expect(try answer.json["title"] == Self.scopeTitle)
        #expect(try answer.json["errors"] == [:])
      }
      #expect(try await app.get("/stores/demo1234/v3/hooks").status == 200)
      let prefixed = try await app.get("/stores/store-demo1234/v3/hooks")
      #expect(prefixed.status == 403)
    }
  }

  @Test(arguments: [
    "/v3/c%61talog/products", "/v3//catalog/products", "/v3/catalog/products/",
    "/v3/catalog/products.json",
  ])
  func `no way of writing a path gets round its scope`(_ path: String) async throws {
    try await withSandbox { client in
      let reader = try await client.authorised(scopes: ["store_v2_products_read_only"])
      #expect(try await reader.get("/stores/demo1234" + path).status == 200)
      let other = try await client.authorised(scopes: ["store_v2_orders"])
      #expect(try await other.get("/stores/demo1234" + path).status == 403)
    }
  }

  @Test func `unknown paths, methods and bodies have their statuses`() async throws {
    try await withSandbox { client in
      let app = try await client.authorised()
      let products = "/stores/demo1234/v3/catalog/products"
      #expect(try await app.get("/stores/demo1234/v3/nothing").status == 404)
      #expect(try await app.get(products + "/999999").status == 404)
      #expect(try await app.send(.delete, "/stores/demo1234/v2/store").status == 405)
      let patch = try #require(HTTPRequest.Method(rawValue: "PATCH"))
      #expect(try await app.send(patch, products + "/101").status == 501)
      func post(_ type: String?, _ text: String) async throws -> Int {
        try await app.send(
          .post, products, headers: type.map { ["Content-Type": $0] } ?? [:],
          body: Array(text.utf8)
        ).status
      }
      #expect(try await post("text/xml", "<a/>") == 415)
      #expect(try await post("application/json", "{") == 400)
      #expect(try await post("application/json; charset=utf-8", "{}") == 422)
      #expect(try await app.get(products + "?limit=251").status == 413)
    }
  }

  @Test func `errors have the shape of their version`() async throws {
    try await withSandbox { client in
      let app = try await client.authorised()
      let v3 = try await app.json(
        .post, "/stores/demo1234/v3/catalog/products", ["type": "physical", "price": 1])
      #expect(v3.status == 422)
      #expect(try v3.json["title"] == "JSON data is missing or invalid")
      #expect(try v3.json["errors"]?["name"] == "error.path.missing.")
      #expect(try v3.json["type"]?.string?.hasPrefix("https://") == true)
      let v2 = try await app.json(.put, "/stores/demo1234/v2/orders/100", ["status_id": 99])
      #expect(v2.status == 400)
      let first = try #require(try v2.json.array?.first)
      #expect(first["status"] == 400)
      #expect(first["details"]?["invalid_reason"] != nil)
    }
  }

  @Test func `an empty V2 list is 204 and an empty V3 list an empty array`() async throws {
    try await withSandbox { client in
      let app = try await client.authorised()
      let v2 = try await app.get("/stores/demo1234/v2/orders?min_id=9999")
      #expect(v2.status == 204)
      #expect(v2.bytes.isEmpty)
      let v3 = try await app.get("/stores/demo1234/v3/catalog/products?name=none")
      #expect(v3.status == 200)
      #expect(try v3.json["data"] == [])
    }
  }

  @Test func `HEAD answers as GET does, without the body`() async throws {
    try await withSandbox { client in
      let app = try await client.authorised()
      let target = "/stores/demo1234/v3/catalog/products"
      let get = try await app.get(target)
      let head = try await app.send(.head, target, headers: ["Accept-Encoding": "gzip"])
      #expect(head.status == 200)
      #expect(head.bytes.isEmpty)
      #expect(head.header("Content-Length") == get.header("Content-Length"))
    }
  }

  @Test func `an answer is compressed when that is asked for`() async throws {
    try await withSandbox { client in
      let app = try await client.authorised()
      let target = "/stores/demo1234/v3/catalog/products"
      let plain = try await app.get(target)
      #expect(plain.header("Content-Encoding") == nil)
      let packed = try await app.get(target, headers: ["Accept-Encoding": "gzip"])
      #expect(packed.header("Content-Encoding") == "gzip")
      #expect(packed.bytes.prefix(2) == [0x1F, 0x8B])
      #expect(packed.bytes.count < plain.bytes.count / 4)
    }
  }

  @Test func `an unchanged order is 304`() async throws {
    try await withSandbox { client in
      let app = try await client.authorised()
      let order = "/stores/demo1234/v2/orders/100"
      let first = try await app.get(order)
      let modified = try #require(first.header("Last-Modified"))
      let again = try await app.get(order, headers: ["If-Modified-Since": modified])
      #expect(again.status == 304)
      #expect(again.bytes.isEmpty)
      #expect(try await app.json(.put, order, ["status_id": 2]).status == 200)
      #expect(
        try await app.get(order, headers: ["If-Modified-Since": modified]).status == 200)
    }
  }

  @Test func `a .json ending and a trailing slash do not matter`() async throws {
    try await withSandbox { client in
      let app = try await client.authorised()
      let bare = try await app.get("/stores/demo1234/v2/orders/100")
      #expect(try await app.get("/stores/demo1234/v2/orders/100.json").bytes == bare.bytes)
      #expect(try await app.get("/stores/demo1234/v2/orders/100/").bytes == bare.bytes)
    }
  }

  @Test func `stores do not share what they hold`() async throws {
    try await withSandbox({ $0.stores = 2 }) { client in
      let one = try await client.authorised()
      let two = try await client.authorised(store: "store0002")
      let product: JSONValue = ["name": "Only here", "type": "physical", "price": 1, "weight": 1]
      let made = try await one.json(.post, "/stores/demo1234/v3/catalog/products", product)
      let id = try #require(try made.json["data"]?["id"]?.integer)
      #expect(try await two.get("/stores/store0002/v3/catalog/products/\(id)").status == 404)
      let first = try await two.get("/stores/store0002/v3/catalog/products/101").json
      #expect(first["data"]?["mpn"] == "store0002-1001")
    }
  }
}

@Suite struct `Pages of a list` {
  private let path = "/stores/demo1234/v3/catalog/products"

  @Test func `next leads through every product once, to a last page without next`() async throws {
    try await withSandbox { client in
      let app = try await client.authorised()
      var seen: [Int64] = []
      var query: String? = "?limit=11&is_visible=1"
      var pages = 0
      while let current = query {
        let answer = try await app.get(path + current).json
        seen += (answer["data"]?.array ?? []).compactMap { $0["id"]?.integer }
        let meta = try #require(answer["meta"]?["pagination"])
        pages += 1
        #expect(meta["current_page"]?.integer == Int64(pages))
        #expect(meta["total"] == 48)
        #expect(meta["total_pages"] == 5)
        #expect((meta["links"]?["previous"] == nil) == (pages == 1))
        query = meta["links"]?["next"]?.string
        if let query { #expect(query.hasPrefix("?is_visible=1&page=\(pages + 1)&limit=11")) }
      }
      #expect(pages == 5)
      #expect(seen == Array(101...148))
    }
  }

  @Test func `cursors lead forward and back, also past a deletion`() async throws {
    try await withSandbox { client in
      let app = try await client.authorised()
      let first = try await app.get(path + "?limit=20").json
      #expect(first["meta"]?["pagination"] != nil)
      let cursor = try #require(first["meta"]?["cursor_pagination"])
      #expect(cursor["links"]?["previous"] == nil)
      #expect(try await app.send(.delete, path + "/101").status == 204)
      let next = try #require(cursor["links"]?["next"]?.string)
      let second = try await app.get(path + next).json
      #expect(second["data"]?.array?.first?["id"] == 121)
      #expect(second["meta"]?["pagination"] == nil)
      let start = try #require(second["meta"]?["cursor_pagination"]?["start_cursor"]?.string)
      let back = try await app.get(path + "?before=\(start)&limit=3").json
      #expect(back["data"]?.array?.compactMap { $0["id"]?.integer } == [118, 119, 120])
      #expect(try await app.get(path + "?before=\(start)&after=\(start)").status == 422)
    }
  }

  @Test func `filters, sorting and field selection work together`() async throws {
    try await withSandbox { client in
      let app = try await client.authorised()
      let cheap = try await app.get(
        path + "?price:max=20&sort=price&direction=desc&include_fields=price"
      ).json
      let rows = try #require(cheap["data"]?.array)
      #expect(!rows.isEmpty)
      let prices = rows.compactMap { $0["price"]?.lenient }
      #expect(prices.allSatisfy { $0 <= 20 })
      #expect(prices == prices.sorted(by: >))
      #expect(rows[0].members?.map(\.name).sorted() == ["id", "price"])
      let chosen = try await app.get(path + "?id:in=105,103&name:like=%25a%25").json
      #expect((chosen["data"]?.array ?? []).allSatisfy { [103, 105].contains($0["id"]?.integer) })
      #expect(try await app.get(path + "?price:odd=1").status == 422)
    }
  }

  @Test func `V2 lists end with 204`() async throws {
    try await withSandbox { client in
      let app = try await client.authorised()
      var orders = 0
      var page = 1
      while true {
        let answer = try await app.get("/stores/demo1234/v2/orders?limit=7&page=\(page)")
        if answer.status == 204 { break }
        orders += try answer.json.array?.count ?? 0
        page += 1
      }
      #expect(orders == 30)
      #expect(page == 6)
    }
  }
}

extension JSONValue {
  /// The number as a decimal.
  var lenient: Double? {
    if case .number(let text) = self { return Double(text) }
    return nil
  }
}
