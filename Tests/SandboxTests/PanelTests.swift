import Base
import HTTPTypes
import Sandbox
import Synchronization
import TestSupport
import Testing

/// The request heads that an app's server got.
final class CallbackLog: Sendable {
  private let targets = Mutex<[String]>([])

  func add(_ head: String) {
    let target = head.split(separator: " ").dropFirst().first.map(String.init) ?? ""
    targets.withLock { $0.append(target) }
  }

  var all: [String] { targets.withLock { $0 } }
}

/// Lends a sandbox whose app is a server that answers everything with 200.
func withSandboxAndApp(
  _ body: @Sendable (SandboxClient, CallbackLog) async throws -> Void
) async throws {
  let log = CallbackLog()
  try await MisbehavingServer.run(script: { connection in
    log.add(try await connection.readHead())
    try await connection.answer("200 OK", "<p>hello from the app</p>")
  }) { server in
    let app = demoApp(origin: "http://127.0.0.1:\(server.port)")
    try await withSandbox({ $0.apps = [app] }) { try await body($0, log) }
  }
}

@Suite struct `Control panel` {
  private let store = "/manage/demo1234"

  @Test func `stores, apps and people are shown, with their names escaped`() async throws {
    try await withSandbox({ $0.stores = 50 }) { client in
      let list = try await client.get("/")
      #expect(list.status == 200)
      #expect(list.header("Content-Type") == "text/html; charset=utf-8")
      #expect(list.text.contains("50 stores"))
      #expect(list.text.contains("Fern &amp; Fjord"))
      #expect(list.text.contains("Demo &lt;app&gt;"))
      #expect(!list.text.contains("Demo <app>"))
      #expect(list.text.contains("page=2"))
      #expect(!list.text.contains("store0041"))
      #expect(try await client.get("/?page=2").text.contains("store0041"))
      let found = try await client.get("/?q=store0007").text
      #expect(found.contains("store0007") && !found.contains("demo1234"))
      let page = try await client.get(store).text
      #expect(
        page.contains("Olivia Owner") && page.contains("formaction=\"/manage/demo1234/install\""))
      #expect(try await client.get("/manage/none").status == 404)
      #expect(
        try await client.get("/style.css").header("Content-Type") == "text/css; charset=utf-8")
    }
  }

  @Test func `install shows the app's callback in a frame, with a code that works`() async throws {
    try await withSandboxAndApp { client, _ in
      let page = try await client.form(store + "/install", "client_id=demo&user_id=9000011")
      let url = try #require(page.text.firstMatch(of: /<iframe[^>]* src="([^"]+)"/)?.1)
        .replacing("&amp;", with: "&")
      let code = try #require(url.firstMatch(of: /code=([a-z0-9]+)&/)?.1)
      #expect(url.contains("/auth/callback?code="))
      var order = TokenOrder(code: String(code))
      order.redirectURI = String(url.prefix { $0 != "?" })
      let token = try await client.json(.post, "/oauth2/token", order.json).json
      #expect(token["user"]?["id"] == 9_000_011)
      #expect(try await client.get(store).text.contains(">installed<"))
    }
  }

  @Test func `open shows the load callback with a signed payload`() async throws {
    try await withSandboxAndApp { client, _ in
      _ = try await client.authorised()
      let page = try await client.form(
        store + "/open", "client_id=demo&user_id=9000010&url=%2Forders%3Fa%3D1")
      let url = try #require(page.text.firstMatch(of: /<iframe[^>]* src="([^"]+)"/)?.1)
      let token = try #require(url.firstMatch(of: /\/auth\/load\?signed_payload_jwt=([^&]+)$/)?.1)
      let claims = try JSONScanner.parse(
        try #require(Base64.decodeURL(token.split(separator: ".")[1])))
      #expect(claims["url"] == "/orders?a=1")
    }
  }

  @Test func `uninstalling kills the token and the hooks, and tells the app`() async throws {
    try await withSandboxAndApp { client, log in
      let app = try await client.authorised()
      let hook: JSONValue = ["scope": "store/order/*", "destination": "https://a.example/"]
      #expect(try await app.json(.post, "/stores/demo1234/v3/hooks", hook).status == 200)
      let page = try await client.form(store + "/uninstall", "client_id=demo&user_id=9000010")
      #expect(page.text.contains("answered 200"))
      #expect(page.text.contains("&lt;p&gt;hello from the app"))
      #expect(try await app.get("/stores/demo1234/v3/hooks").status == 401)
      #expect(try await client.control("hooks/demo1234", [:], .get) == [])
      #expect(log.all.count == 1)
      #expect(log.all.first?.hasPrefix("/auth/uninstall?signed_payload_jwt=ey") == true)
    }
  }

  @Test func `removing a user tells the app who it was`() async throws {
    try await withSandboxAndApp { client, log in
      let page = try await client.form(store + "/remove_user", "client_id=demo&user_id=9000012")
      #expect(page.text.contains("Uta Unger removed"))
      let target = try #require(log.all.first)
      #expect(target.hasPrefix("/auth/remove_user?signed_payload_jwt="))
      let claims = try JSONScanner.parse(
        try #require(Base64.decodeURL(target.split(separator: ".")[1])))
      #expect(claims["user"]?["id"] == 9_000_012)
    }
  }

  @Test func `an app that is away does not keep a merchant from uninstalling`() async throws {
    try await withSandbox { client in
      let app = try await client.authorised()
      let page = try await client.form(store + "/uninstall", "client_id=demo")
      #expect(page.text.contains("could not be reached"))
      #expect(try await app.get("/stores/demo1234/v3/hooks").status == 401)
    }
  }

  @Test func `changed scopes are asked for at the next opening, and then granted`() async throws {
    try await withSandboxAndApp { client, _ in
      let app = try await client.authorised()
      let changed = try await client.form(
        store + "/scopes",
        "client_id=demo&scopes=store_v2_orders+store_cart%0D%0Astore_themes_manage")
      #expect(changed.status == 303)
      #expect(try await app.get("/stores/demo1234/v3/catalog/products").status == 200)
      let consent = try await client.form(store + "/open", "client_id=demo&user_id=9000010").text
      #expect(consent.contains("asks for new permissions"))
      #expect(consent.contains("badge warn\">store_themes_manage"))
      #expect(!consent.contains("<iframe"))
      let install = try await client.form(store + "/install", "client_id=demo&user_id=9000010").text
      #expect(
        install.contains("scope=store_v2_orders%20store_cart%20store_themes_manage"))
    }
  }

  @Test func `an install from outside is marked, and ends on a result page`() async throws {
    try await withSandboxAndApp { client, _ in
      let page = try await client.get("/app/demo/install")
      #expect(page.text.contains("Install Demo &lt;app&gt;"))
      let accepted = try await client.form("/app/demo/install", "store_hash=demo1234")
      #expect(accepted.status == 302)
      let location = try #require(accepted.header("Location"))
      #expect(
        location.contains("/auth/callback?code=") && location.hasSuffix("&external_install=1"))
      let direct = try await client.get("/app/demo/install?store_hash=demo1234&accept=true")
      #expect(direct.status == 302)
      #expect(try await client.get("/app/demo/install/succeeded").text.contains("is installed"))
      #expect(try await client.get("/app/demo/install/failed").text.contains("could not"))
      let unknown = try await client.get("/app/nobody/install")
      #expect(unknown.status == 404)
      #expect(unknown.text.contains("This app is not available for installation."))
    }
  }
}
