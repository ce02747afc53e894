import Base
import HTTPTypes
import Sandbox
import Testing

@Suite struct `Resources` {
  private let v3 = "/stores/demo1234/v3"
  private let v2 = "/stores/demo1234/v2"

  @Test func `a product is made, changed, found and deleted`() async throws {
    try await withSandbox { client in
      let app = try await client.authorised()
      let products = v3 + "/catalog/products"
      let fields: JSONValue = [
        "name": "Brass Bell", "type": "physical", "price": 20, "weight": 1, "sku": "BELL",
      ]
      let made = try await app.json(.post, products, fields).json
      let id = try #require(made["data"]?["id"]?.integer)
      #expect(made["data"]?["calculated_price"] == 20)
      #expect(try await app.json(.post, products, fields).status == 409)
      let changed = try await app.json(
        .put, "\(products)/\(id)", ["sale_price": 15, "id": 5, "calculated_price": 1]
      ).json
      #expect(changed["data"]?["calculated_price"] == 15)
      #expect(changed["data"]?["id"]?.integer == id)
      let found = try await app.get(products + "?sku=BELL&include=variants").json
      #expect(found["data"]?.array?.count == 1)
      #expect(found["data"]?.array?.first?["variants"]?.array?.count == 1)
      #expect(try await app.send(.delete, "\(products)/\(id)").status == 204)
      #expect(try await app.get("\(products)/\(id)").status == 404)
      #expect(try await app.get("\(products)/\(id)/variants").status == 404)
    }
  }

  @Test func `a batch holds ten products, and all must be known`() async throws {
    try await withSandbox { client in
      let app = try await client.authorised()
      let products = v3 + "/catalog/products"
      let ten: [JSONValue] = (101...110).map { ["id": .integer($0), "price": 3] }
      let done = try await app.json(.put, products, .array(ten)).json
      #expect(done["data"]?.array?.count == 10)
      let eleven = ten + [["id": 111, "price": 3]]
      let refused = try await app.json(.put, products, .array(eleven))
      #expect(refused.status == 413)
      #expect(try refused.json["title"]?.string?.hasSuffix("array is 10.") == true)
      let unknown = try await app.json(.put, products, [["id": 9, "price": 3]])
      #expect(unknown.status == 404)
      let brand = try await app.json(.put, products + "/101", ["brand_id": 9999])
      #expect(brand.status == 409)
    }
  }

  @Test func `images come by URL and as uploads`() async throws {
    try await withSandbox { client in
      let app = try await client.authorised()
      let images = v3 + "/catalog/products/101/images"
      let linked = try await app.json(
        .post, images, ["image_url": "https://example.com/pics/bell.png?x=1"])
      #expect(try linked.json["data"]?["url_zoom"]?.string?.hasSuffix("/zoom/bell.png") == true)
      #expect(try await app.json(.post, images, ["image_url": "ftp://x"]).status == 422)
      func upload(_ bytes: [UInt8], field: String = "image_file") async throws -> Answer {
        let head =
          "--edge\r\nContent-Disposition: form-data; name=\"\(field)\"; filename=\"up.png\"\r\n"
          + "Content-Type: image/png\r\n\r\n"
        return try await app.send(
          .post, images, headers: ["Content-Type": "multipart/form-data; boundary=\"edge\""],
          body: Array(head.utf8) + bytes + Array("\r\n--edge--\r\n".utf8))
      }
      let made = try await upload([0x89, 0x0D, 0x0A, 0x2D, 0x2D])
      #expect(made.status == 200)
      #expect(try made.json["data"]?["image_file"] == "p/101/up.png")
      #expect(try await upload([1], field: "other").status == 422)
      #expect(
        try await upload([UInt8](repeating: 7, count: 8 * 1024 * 1024 + 1)).status == 422)
      let broken = try await app.send(
        .post, images, headers: ["Content-Type": "multipart/form-data; boundary=edge"],
        body: Array("--edge\r\nno end".utf8))
      #expect(broken.status == 400)
      #expect(try await app.get(images).json["data"]?.array?.count == 3)
    }
  }

  @Test func `an order moves through its shipments`() async throws {
    try await withSandbox { client in
      let app = try await client.authorised()
      let made = try await app.json(
        .post, v2 + "/orders",
        [
          "billing_address": ["first_name": "Jane", "email": "jane@example.com"],
          "products": [["product_id": 101, "quantity": 2]], "customer_id": 1,
        ])
      #expect(made.status == 201)
      let id = try #require(try made.json["id"]?.integer)
      #expect(made.header("Location")?.hasSuffix("/v2/orders/\(id)") == true)
      #expect(try made.json["status"] == "Pending")
      let order = "\(v2)/orders/\(id)"
      let line = try #require(try await app.get(order + "/products").json.array?.first?["id"])
      #expect(try await app.get(order + "/shipments").status == 204)
      func ship(_ quantity: Int) async throws -> Answer {
        try await app.json(
          .post, order + "/shipments",
          [
            "order_address_id": .integer(id), "tracking_number": "T",
            "items": [["order_product_id": line, "quantity": .integer(quantity)]],
          ])
      }
      #expect(try await ship(1).status == 201)
      #expect(try await app.get(order).json["status_id"] == 3)
      #expect(try await ship(2).status == 400)
      #expect(try await ship(1).status == 201)
      let shipped = try await app.get(order).json
      #expect(shipped["status"] == "Shipped")
      #expect(shipped["items_shipped"] == 2)
      #expect(try await app.get(order + "/shipments/count").json["count"] == 2)
      #expect(try await app.get(v2 + "/orders/count").json["count"] == 31)
    }
  }

  @Test func `customers come and go in arrays`() async throws {
    try await withSandbox { client in
      let app = try await client.authorised()
      let path = v3 + "/customers"
      func person(_ email: String) -> JSONValue {
        ["email": .string(email), "first_name": "Ann", "last_name": "Archer"]
      }
      let made = try await app.json(.post, path, [person("a@x.example"), person("b@x.example")])
      #expect(try made.json["data"]?.array?.count == 2)
      let twice = try await app.json(.post, path, [person("c@x.example"), person("a@x.example")])
      #expect(twice.status == 422)
      #expect(try await app.get(path + "?email:in=c@x.example").json["data"] == [])
      let id = try #require(try made.json["data"]?.array?.first?["id"]?.integer)
      let changed = try await app.json(.put, path, [["id": .integer(id), "notes": "vip"]])
      #expect(try changed.json["data"]?.array?.first?["notes"] == "vip")
      #expect(try await app.send(.delete, path).status == 422)
      #expect(try await app.send(.delete, "\(path)?id:in=\(id)").status == 204)
      #expect(try await app.get("\(path)?id:in=\(id)").json["data"] == [])
      let group = try await app.json(.post, v2 + "/customer_groups", ["name": "VIP"])
      #expect(group.status == 201)
      #expect(try await app.json(.post, v2 + "/customer_groups", ["name": "VIP"]).status == 409)
    }
  }

  @Test func `a cart's version guards its changes`() async throws {
    try await withSandbox { client in
      let app = try await client.authorised()
      let made = try await app.json(
        .post, v3 + "/carts?include=redirect_urls",
        ["line_items": [["product_id": 101, "quantity": 2]]])
      #expect(made.status == 201)
      let cart = try #require(try made.json["data"])
      #expect(cart["redirect_urls"]?["checkout_url"] != nil)
      #expect(cart["cart_amount"] == 19)
      let path = "\(v3)/carts/\(cart["id"]?.string ?? "")"
      #expect(
        try await app.json(.put, path, ["customer_id": 2, "version": 7]).status == 409)
      let more = try await app.json(
        .post, path + "/items", ["line_items": [["product_id": 102, "quantity": 1]]]
      ).json
      #expect(more["data"]?["version"] == 2)
      for (index, status) in [200, 204].enumerated() {
        let lines = cart["line_items"]?["physical_items"]?.array ?? []
        let others = more["data"]?["line_items"]?["physical_items"]?.array ?? []
        let line = index == 0 ? lines.first : others.last
        let item = try #require(line?["id"]?.string)
        #expect(try await app.send(.delete, "\(path)/items/\(item)").status == status)
      }
      #expect(try await app.get(path).status == 404)
    }
  }

  @Test func `stock changes for all items or for none`() async throws {
    try await withSandbox { client in
      let app = try await client.authorised()
      let path = v3 + "/inventory/adjustments/absolute"
      func level() async throws -> JSONValue? {
        try await app.get(v3 + "/inventory/items?variant_id:in=1001").json["data"]?.array?.first?[
          "locations"]?.array?.first?["available_to_sell"]
      }
      let good: JSONValue = ["location_id": 1, "variant_id": 1001, "quantity": 40]
      let bad: JSONValue = ["location_id": 1, "sku": "none", "quantity": 1]
      let before = try await level()
      #expect(try await app.json(.put, path, ["items": [good, bad]]).status == 422)
      #expect(try await level() == before)
      let done = try await app.json(.put, path, ["items": [good]])
      #expect(try done.json["transaction_id"] != nil)
      let relative = v3 + "/inventory/adjustments/relative"
      let less: JSONValue = ["location_id": 1, "variant_id": 1001, "quantity": -15]
      #expect(try await app.json(.post, relative, ["items": [less]]).status == 200)
      #expect(try await level() == 25)
    }
  }

  @Test func `GraphQL answers data and errors with 200, and null variables with 400`() async throws
  {
    try await withSandbox { client in
      let app = try await client.authorised()
      let path = "/stores/demo1234/graphql"
      let query =
        "query Shop($n: Int!) { store { hash title: name products(first: $n) "
        + "{ edges { cursor node { entityId name } } pageInfo { hasNextPage endCursor } } } }"
      let order: JSONValue = ["query": .string(query), "variables": ["n": 2]]
      let answer = try await app.json(.post, path, order)
      #expect(answer.status == 200)
      #expect(answer.header("x-bc-graphql-operation-name") == "Shop")
      #expect(answer.header("x-bc-graphql-complexity") == "12")
      let store = try #require(try answer.json["data"]?["store"])
      #expect(store["hash"] == "demo1234")
      #expect(store["title"] == "Fern & Fjord")
      #expect(store["products"]?["edges"]?.array?.count == 2)
      #expect(store["products"]?["pageInfo"]?["hasNextPage"] == true)
      let unknown = try await app.json(.post, path, ["query": "{ store { colour } }"])
      #expect(unknown.status == 200)
      #expect(try unknown.json["errors"]?.array?.count == 1)
      let broken = try await app.json(.post, path, ["query": "{ store { "])
      #expect(try broken.json["errors"] != nil)
      let null = try await app.json(.post, path, ["query": .string(query), "variables": .null])
      #expect(null.status == 400)
      #expect(try await app.get(path).status == 405)
    }
  }
}

@Suite struct `Webhook registration` {
  private let path = "/stores/demo1234/v3/hooks"

  private func hook(_ scope: String, _ destination: String) -> JSONValue {
    ["scope": .string(scope), "destination": .string(destination)]
  }

  @Test func `ten hooks per scope, none of them twice`() async throws {
    try await withSandbox { client in
      let app = try await client.authorised()
      for number in 0..<10 {
        let made = try await app.json(
          .post, path, hook("store/order/*", "https://a.example/\(number)"))
        #expect(made.status == 200)
        #expect(try made.json["data"]?["client_id"] == "demo")
      }
      let more = hook("store/order/*", "https://a.example/10")
      #expect(try await app.json(.post, path, more).status == 422)
      let twice = hook("store/order/*", "https://a.example/3")
      #expect(try await app.json(.post, path, twice).status == 422)
      let other = hook("store/cart/*", "https://a.example/3")
      #expect(try await app.json(.post, path, other).status == 200)
    }
  }

  @Test(arguments: [
    "http://a.example/x", "https://a.example:8443/x", "https://", "a.example", "",
  ])
  func `a destination that the platform would refuse is refused`(
    _ destination: String
  ) async throws {
    try await withSandbox { client in
      let app = try await client.authorised()
      #expect(
        try await app.json(.post, path, hook("store/order/*", destination)).status == 422)
    }
  }

  @Test func `an app sees and changes its own hooks only`() async throws {
    try await withSandbox({
      $0.apps.append(
        .init(clientID: "other", clientSecret: "o", origin: "http://127.0.0.1:9"))
    }) { client in
      let app = try await client.authorised()
      let other = try await client.authorised(app: "other")
      let made = try await app.json(.post, path, hook("store/order/*", "https://a.example/"))
      let id = try #require(try made.json["data"]?["id"]?.integer)
      #expect(try await other.get(path).json["data"] == [])
      let unseen = try await other.get("\(path)/\(id)")
      #expect(unseen.status == 404)
      #expect(try unseen.json["title"]?.string == "Webhook with id \(id) not found")
      let changed = try await app.json(.put, "\(path)/\(id)", ["is_active": false])
      #expect(try changed.json["data"]?["is_active"] == false)
      #expect(try await app.get(path + "?is_active=true").json["data"] == [])
      let gone = try await app.send(.delete, "\(path)/\(id)")
      #expect(gone.status == 200)
      #expect(try gone.json["data"]?["id"]?.integer == id)
    }
  }

  @Test func `V2 answers the same hooks bare`() async throws {
    try await withSandbox { client in
      let app = try await client.authorised()
      let v2 = "/stores/demo1234/v2/hooks"
      #expect(try await app.get(v2).status == 204)
      let made = try await app.json(.post, v2, hook("store/order/*", "https://a.example/"))
      #expect(made.status == 201)
      #expect(try made.json["id"] != nil)
      #expect(try await app.get(path).json["data"]?.array?.count == 1)
    }
  }
}
