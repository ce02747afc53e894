import Base
import HTTPTypes
import Sandbox
import Testing

/// The fields of a token request as an app sends them.
struct TokenOrder {
  var code: String
  var context = "stores/demo1234"
  var clientID = "demo"
  var clientSecret = "secret"
  var redirectURI = "http://127.0.0.1:9/auth/callback"

  private var fields: [(String, String)] {
    [
      ("client_id", clientID), ("client_secret", clientSecret), ("code", code),
      ("context", context), ("scope", "store_v2_products"), ("grant_type", "authorization_code"),
      ("redirect_uri", redirectURI),
    ]
  }

  var json: JSONValue { .object(fields.map { .init($0.0, .string($0.1)) }) }

  var form: String {
    fields.map { $0.0 + "=" + $0.1.replacing(":", with: "%3A").replacing("/", with: "%2F") }
      .joined(separator: "&")
  }
}

@Suite struct `Token endpoint` {
  private func code(_ client: SandboxClient, _ order: JSONValue = [:]) async throws -> String {
    try #require(try await client.control("codes", order)["code"]?.string)
  }

  private func exchange(_ client: SandboxClient, _ order: TokenOrder) async throws -> Answer {
    try await client.json(.post, "/oauth2/token", order.json)
  }

  @Test func `a code is exchanged for a token that opens the store`() async throws {
    try await withSandbox { client in
      let answer = try await exchange(client, TokenOrder(code: try await code(client)))
      #expect(answer.status == 200)
      let token = try answer.json
      #expect(token["context"] == "stores/demo1234")
      #expect(token["user"]?["id"] == token["owner"]?["id"])
      #expect(token["account_uuid"]?.string?.utf8.count == 36)
      let scopes = try #require(token["scope"]?.string).split(separator: " ")
      #expect(scopes.contains("store_v2_products"))
      #expect(scopes.suffix(2) == ["store_v2_default", "users_basic_information"])
      var app = client
      app.token = token["access_token"]?.string
      #expect(app.token?.utf8.count == 31)
      #expect(try await app.get("/stores/demo1234/v2/store").json["id"] == "demo1234")
    }
  }

  @Test func `a form body is taken as well`() async throws {
    try await withSandbox { client in
      let order = TokenOrder(code: try await code(client))
      let answer = try await client.form("/oauth2/token", order.form)
      #expect(answer.status == 200)
      #expect(try answer.json["access_token"] != nil)
    }
  }

  @Test func `the acting user and the owner are told apart`() async throws {
    try await withSandbox { client in
      let order = TokenOrder(code: try await code(client, ["user": "staff"]))
      let token = try await exchange(client, order).json
      #expect(token["user"]?["email"] == "staff@demo1234.example")
      #expect(token["owner"]?["email"] == "owner@demo1234.example")
    }
  }

  @Test func `a code is good for one exchange, and every attempt is counted`() async throws {
    try await withSandbox { client in
      let code = try await code(client)
      #expect(try await exchange(client, TokenOrder(code: code)).status == 200)
      for _ in 0..<2 {
        let again = try await exchange(client, TokenOrder(code: code))
        #expect(again.status == 400)
        #expect(try again.json["error"] == "invalid_grant")
      }
      let counters = try await client.control("counters", [:], .get)
      #expect(counters["codes"]?[code] == 3)
      #expect(counters["token_requests"] == 3)
    }
  }

  @Test func `another app cannot use a code`() async throws {
    try await withSandbox { client in
      try await client.control(
        "apps", ["client_id": "other", "client_secret": "s", "origin": "http://127.0.0.1:9"])
      var order = TokenOrder(code: try await code(client, ["client_id": "demo"]))
      order.clientID = "other"
      order.clientSecret = "s"
      #expect(try await exchange(client, order).json["error"] == "invalid_grant")
    }
  }

  @Test(arguments: [
    "http://127.0.0.1:9/auth/callback/", "http://127.0.0.1:9/auth/load",
    "https://127.0.0.1:9/auth/callback", "",
  ])
  func `redirect_uri must be the registered one`(_ uri: String) async throws {
    try await withSandbox { client in
      let code = try await code(client)
      var order = TokenOrder(code: code)
      order.redirectURI = uri
      let answer = try await exchange(client, order)
      #expect(answer.status == 400)
      #expect(
        try answer.json["error_description"]
          == "Parameter redirect_uri does not match registered URI")
      #expect(try await exchange(client, TokenOrder(code: code)).status == 200)
    }
  }

  @Test func `a body that does not match its type is 401, an unknown type 406`() async throws {
    try await withSandbox { client in
      let order = TokenOrder(code: try await code(client))
      let formAsJSON = try await client.send(
        .post, "/oauth2/token", headers: ["Content-Type": "application/json"],
        body: Array(order.form.utf8))
      #expect(formAsJSON.status == 401)
      #expect(try await client.form("/oauth2/token", order.json.text).status == 401)
      let plain = try await client.send(
        .post, "/oauth2/token", headers: ["Content-Type": "text/plain"],
        body: order.json.encoded())
      #expect(plain.status == 406)
      #expect(try plain.json == ["error": "Invalid format."])
      let xml = try await client.send(
        .post, "/oauth2/token",
        headers: ["Content-Type": "application/json", "Accept": "application/xml"],
        body: order.json.encoded())
      #expect(xml.status == 406)
      #expect(try await exchange(client, order).status == 200)
    }
  }

  @Test func `a wrong secret and an unknown client are 401`() async throws {
    try await withSandbox { client in
      var order = TokenOrder(code: try await code(client))
      order.clientSecret = "wrong"
      #expect(try await exchange(client, order).status == 401)
      order.clientID = "nobody"
      #expect(try await exchange(client, order).json["error"] == "invalid_client")
    }
  }

  @Test func `what is no token request is sent to the login page`() async throws {
    try await withSandbox { client in
      for answer in [
        try await client.get("/oauth2/token"),
        try await client.json(.post, "/oauth2/token", ["client_id": "demo"]),
      ] {
        #expect(answer.status == 302)
        #expect(answer.header("Location") == "https://login.bigcommerce.com/login")
        #expect(answer.text.contains("redirected"))
      }
    }
  }

  @Test(arguments: ["stores/store0002", "stores/{hash}", ""])
  func `a wrong context makes a token without scopes that opens nothing`(
    _ context: String
  ) async throws {
    try await withSandbox({ $0.stores = 2 }) { client in
      var order = TokenOrder(code: try await code(client))
      order.context = context
      let token = try await exchange(client, order).json
      #expect(token["scope"] == .some(.null))
      var app = client
      app.token = token["access_token"]?.string
      for store in ["demo1234", "store0002"] {
        #expect(try await app.get("/stores/\(store)/v3/hooks").status == 403)
      }
    }
  }

  @Test func `a new token ends the one before, of that app and store only`() async throws {
    try await withSandbox({ $0.stores = 2 }) { client in
      let elsewhere = try await client.authorised(store: "store0002")
      var first = client
      first.token = try await exchange(client, TokenOrder(code: try await code(client)))
        .json["access_token"]?.string
      #expect(try await first.get("/stores/demo1234/v3/hooks").status == 200)
      var second = client
      second.token = try await exchange(client, TokenOrder(code: try await code(client)))
        .json["access_token"]?.string
      #expect(try await first.get("/stores/demo1234/v3/hooks").status == 401)
      #expect(try await second.get("/stores/demo1234/v3/hooks").status == 200)
      #expect(try await elsewhere.get("/stores/store0002/v3/hooks").status == 200)
    }
  }

  @Test func `the callback's query is as documented`() async throws {
    try await withSandbox { client in
      let made = try await client.control(
        "codes", ["external": true, "scope": "store_cart store_v2_orders"])
      let query = try #require(made["callback_query"]?.string)
      #expect(query.contains("scope=store_cart%20store_v2_orders&context=stores%2Fdemo1234&"))
      #expect(query.contains("&account_uuid=0f3ab9d1-"))
      #expect(query.hasSuffix("&external_install=1"))
      #expect(
        made["callback_url"]?.string?.hasPrefix("http://127.0.0.1:9/auth/callback?code=") == true)
    }
  }
}
