import Base
import Curl
import Foundation
import HTTPTypes
import Sandbox
import Testing

@Suite struct `Control API` {
  @Test func `it lists what it can do`() async throws {
    try await withSandbox { client in
      let index = try #require(try await client.get("/control").json.array)
      #expect(index.count > 20)
      #expect(index.allSatisfy { $0["does"]?.string?.isEmpty == false })
      #expect(try await client.get("/control/health").json == ["status": "up"])
      #expect(try await client.get("/control/nothing").status == 404)
      #expect(try await client.json(.post, "/control/codes", ["client_id": "x"]).status == 404)
      let broken = try await client.send(.post, "/control/codes", body: Array("{".utf8))
      #expect(broken.status == 400)
    }
  }

  @Test func `it installs and opens as a browser would`() async throws {
    try await withSandboxAndApp { client, log in
      let installed = try await client.control("install", ["user": "staff"])
      #expect(installed["status"] == 200)
      #expect(installed["body"] == "<p>hello from the app</p>")
      #expect(log.all.first?.hasPrefix("/auth/callback?code=") == true)
      #expect(try await client.control("open", ["url": "/x"])["status"] == 200)
      #expect(log.all.count == 2)
      #expect(try await client.control("remove_user", ["user": "staff"])["status"] == 200)
      #expect(try await client.control("uninstall")["status"] == 200)
    }
  }

  @Test func `a store that is not open answers every call in one way`() async throws {
    try await withSandbox { client in
      let app = try await client.authorised()
      for (condition, status) in [
        ("suspended", 503), ("owner_gone", 403), ("plan_limit", 507), ("open", 200),
      ] {
        let shown = try await client.control(
          "stores/demo1234", ["condition": .string(condition)], .put)
        #expect(shown["condition"] == .string(condition))
        let answer = try await app.get("/stores/demo1234/v3/hooks")
        #expect(answer.status == status)
        #expect(answer.header("Retry-After") == nil)
      }
      let wrong = try await client.json(
        .put, "/control/stores/demo1234", ["condition": "on fire"])
      #expect(wrong.status == 400)
    }
  }

  @Test func `it shows what arrived, with the token's store`() async throws {
    try await withSandbox({
      $0.stores = 2
      $0.journalLength = 3
    }) { client in
      let app = try await client.authorised(store: "store0002")
      for number in 1...5 {
        _ = try await app.get(
          "/stores/store0002/v3/hooks?limit=\(number)", headers: ["X-Trace": "t\(number)"])
      }
      _ = try await app.get("/stores/demo1234/v3/hooks")
      let entries = try #require(
        try await client.control("requests?store=store0002", [:], .get).array)
      #expect(entries.compactMap { $0["number"]?.integer } == [4, 5])
      #expect(entries.last?["target"] == "/stores/store0002/v3/hooks?limit=5")
      #expect(entries.last?["headers"]?.array?.contains(["X-Trace", "t5"]) == true)
      let wrong = try #require(
        try await client.control("requests?after=5", [:], .get).array?.first)
      #expect(wrong["token_store"] == "store0002")
      #expect(wrong["status"] == 401)
      let counters = try await client.control("counters", [:], .get)
      #expect(counters["total"] == 6)
      #expect(counters["statuses"]?["200"] == 5)
    }
  }

  @Test func `it makes stores, and resets everything but the apps`() async throws {
    try await withSandbox { client in
      try await client.control("stores", ["store_hash": "mine", "name": "My shop"])
      #expect(try await client.json(.post, "/control/stores", ["store_hash": "mine"]).status == 400)
      #expect(
        try await client.json(.post, "/control/stores", ["store_hash": "Bad-1"]).status == 400)
      try await client.control("stores", ["count": 20])
      #expect(try await client.control("stores", [:], .get).array?.count == 22)
      let app = try await client.authorised(store: "mine")
      #expect(try await app.get("/stores/mine/v2/store").json["name"] == "My shop")
      try await client.control("faults", ["kind": "hang", "host": "api"])
      try await client.control("reset")
      #expect(try await client.control("stores", [:], .get).array?.count == 1)
      #expect(try await app.get("/stores/mine/v2/store").status == 401)
      #expect(try await client.control("tokens", [:], .get) == [])
      #expect(try await client.control("apps", [:], .get).array?.count == 1)
    }
  }

  @Test func `it revokes a token, and issues one of a wanted text`() async throws {
    try await withSandbox { client in
      var app = try await client.authorised()
      try await client.control("revoke", ["store_hash": "demo1234"])
      #expect(try await app.get("/stores/demo1234/v3/hooks").status == 401)
      #expect(try await client.json(.post, "/control/revoke", [:]).status == 404)
      try await client.control("tokens", ["access_token": "fixed"])
      app.token = "fixed"
      #expect(try await app.get("/stores/demo1234/v3/hooks").status == 200)
      #expect(
        try await client.control("tokens", [:], .get).array?.first?["access_token"] == "fixed")
    }
  }

  @Test func `with a port of its own it leaves the platform's`() async throws {
    try await withSandbox({ $0.controlPort = 0 }) { client in
      #expect(client.sandbox.controlPort != client.sandbox.port)
      let health = try await client.get("/control/health")
      #expect(health.status == 404)
      #expect(try await client.get("/").status == 404)
      let control = client.sandbox.controlOrigin
      #expect(try await client.send(.get, "/control/health", on: control).status == 200)
      #expect(try await client.send(.get, "/stores/demo1234/v3/hooks", on: control).status == 404)
    }
  }

  @Test func `apps come from a file`() throws {
    let file = FileManager.default.temporaryDirectory.appending(path: "sandbox-\(UUID()).json")
    defer { try? FileManager.default.removeItem(at: file) }
    try Data(
      #"{"apps":[{"client_id":"f","client_secret":"s","origin":"https://a.example"}]}"#.utf8
    ).write(to: file)
    let apps = try SandboxConfiguration.apps(inFile: file.path)
    #expect(apps.map(\.authCallback) == ["https://a.example/auth/callback"])
    try Data(#"{"apps":[{"client_id":"f"}]}"#.utf8).write(to: file)
    let error = #expect(throws: SandboxConfigurationError.self) {
      try SandboxConfiguration.apps(inFile: file.path)
    }
    #expect(error?.text == "app: client_secret is missing")
  }
}
