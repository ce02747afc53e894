import Base
import LatchkeyApp
import Linux
import Logging
import TestSupport
import Testing

@Suite struct `The settings file` {
  private func file(_ content: String, _ kind: String = "yaml") throws -> String {
    let path = try temporaryDirectory("settings") + "/latchkey.\(kind)"
    _ = try SmallFile.createPrivate(path, Array(content.utf8))
    return path
  }

  private let twoApps = """
    apps:
      - name: second
        client_id: client-2
        client_secret: secret-2
        scopes: [store_v2_orders, store_v2_products]
        webhooks: [store/order/*]
        app_id: 77
      - {name: third, client_id: client-3, client_secret: "3", scopes: "b a"}
    latchkey: {log_level: debug}
    LATCHKEY_DRAIN_DELAY: 1s
    latchkey_trusted_proxies: [10.0.0.0/8, "::1"]
    latchkey_database_connections: 12
    """

  @Test func `adds apps and gives settings that the environment leaves open`() throws {
    let settings = try settings([
      "LATCHKEY_CONFIG": try file(twoApps), "LATCHKEY_DRAIN_DELAY": "2s",
    ])
    #expect(settings.core.apps.map(\.name.text) == ["default", "second", "third"])
    let second = try #require(settings.core.apps.dropFirst().first)
    #expect(second.clientSecret.expose() == "secret-2")
    #expect(second.scopes == ["store_v2_orders", "store_v2_products"])
    #expect(second.webhooks == ["store/order/*"])
    #expect(second.portalID == 77)
    #expect(settings.core.apps.last?.scopes == ["a", "b"])
    #expect(settings.core.logging.level == .debug)
    #expect(settings.trustedProxies == ["10.0.0.0/8", "::1"])
    #expect(settings.core.database.connections == 12)
    #expect(settings.drainDelay == .seconds(2))
  }

  @Test func `JSON says the same`() throws {
    let json = """
      {"apps": [{"name": "default", "client_id": "client-9", "client_secret": "s"}],
       "latchkey": {"metrics_open": true, "database_connections": 3}, "app_origin": "https://b.example"}
      """
    let settings = try Settings(reading: ["LATCHKEY_CONFIG": try file(json, "json")])
    #expect(settings.core.apps.map(\.clientID) == ["client-9"])
    #expect(settings.metricsOpen)
    #expect(settings.core.database.connections == 3)
    #expect(settings.appOrigin.text == "https://b.example")
  }

  @Test func `the environment wins over the file whatever the alias`() throws {
    let path = try file("bigcommerce_client_id: from-file\nbigcommerce_client_secret: x")
    let settings = try Settings(reading: [
      "CLIENT_ID": "from-environment", "APP_ORIGIN": "https://a.example", "LATCHKEY_CONFIG": path,
    ])
    #expect(settings.core.apps.first?.clientID == "from-environment")
  }

  @Test func `a secret of an app may stand in a file of its own`() throws {
    let secret = try file("kept-apart\n")
    let path = try file(
      "apps: [{name: other, client_id: c2, client_secret_file: \(secret)}]")
    let app = try settings(["LATCHKEY_CONFIG": path]).core.apps.last
    #expect(app?.clientSecret.expose() == "kept-apart")
  }

  @Test(arguments: [
    ("apps: 3", ["apps"]),
    ("apps: [3]", ["apps[0]"]),
    ("apps: [{name: a}]", ["apps[0].client_id", "apps[0].client_secret"]),
    (
      "apps: [{name: A b, client_id: 'x y', client_secret: s, color: red}]",
      ["apps[0].client_id", "apps[0].color", "apps[0].name"]
    ),
    ("apps: [{name: default, client_id: c2, client_secret: s}]", ["apps[0].name"]),
    ("apps: [{name: b, client_id: client-1, client_secret: s}]", ["apps[0].client_id"]),
    (
      "apps: [{name: b, client_id: b, client_secret: s, webhooks: [order]}]", ["apps[0].webhooks"]
    ),
    ("apps: [{name: b, client_id: b, client_secret_file: /nope}]", ["apps[0].client_secret_file"]),
    ("log_level: debug", ["LOG_LEVEL"]),
    ("latchkey: {log_levle: debug}", ["LATCHKEY_LOG_LEVLE"]),
    ("latchkey_log_level: loud", ["LATCHKEY_LOG_LEVEL"]),
    ("latchkey_log_level: info\nLATCHKEY_LOG_LEVEL: info", ["LATCHKEY_LOG_LEVEL"]),
    ("latchkey_log_level: [[info]]", ["LATCHKEY_LOG_LEVEL"]),
    ("a: b: c", ["LATCHKEY_CONFIG"]),
    ("- a", ["LATCHKEY_CONFIG"]),
    ("a: 1\na: 2", ["LATCHKEY_CONFIG"]),
  ])
  func `what is wrong in it is named by its place`(_ text: String, _ names: [String]) throws {
    #expect(problems(["LATCHKEY_CONFIG": try file(text)]) == names)
  }

  @Test func `one that is missing is a problem, an empty one is not`() throws {
    #expect(problems(["LATCHKEY_CONFIG": "/nope.yaml"]) == ["LATCHKEY_CONFIG"])
    _ = try settings(["LATCHKEY_CONFIG": try file("# nothing yet\n")])
  }
}
