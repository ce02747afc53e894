import Base
import BigCommerce
import Gateway
import HTTPTypes
import Storage
import TestSupport
import Testing
import Upstream

@Suite(.bothWays) struct `Calls that fail are noted` {
  /// Answers with the status that the path ends with, at once.
  private static let statuses: MisbehavingServer.Script = { connection in
    while true {
      let head = try await connection.readHead()
      let status = head.firstMatch(of: /products\/(\d+)/)?.1 ?? "200"
      try await connection.answer("\(status) Status", "0123456789")
    }
  }

  private func only(_ rig: GatewayRig) async throws -> FailedCall? {
    var calls: [FailedCall] = []
    _ = try await eventually {
      calls += rig.usage.takeFailures()
      return !calls.isEmpty
    }
    #expect(calls.count == 1)
    return calls.first
  }

  @Test(arguments: [401, 404, 422, 429, 500, 503])
  func `with the status that BigCommerce answered, and without the query`(
    _ status: Int
  ) async throws {
    try await GatewayRig.run(script: Self.statuses) { rig in
      let answer = try await rig.send(
        .get, "/stores/abc/v3/catalog/products/\(status)?email=jo%40example.com",
        headers: [("Latchkey-Retry", "0")])
      _ = try await answer.bytes
      let call = try #require(try await only(rig))
      #expect(call.installation == InstallationID(app: .default, store: try Named.store("abc")))
      #expect(call.path == "/v3/catalog/products/\(status)" && call.method == "GET")
      #expect(call.status == status && call.code == nil && call.outcome == .answered)
      #expect(call.requestID == "req-7" && call.key == rig.key.record.id)
      #expect(call.duration > .zero)
    }
  }

  @Test func `but those that go well, dry runs and strangers are not`() async throws {
    let foreign = TestKey(
      Grant(
        app: .default, stores: .only([try Named.store("xyz")]), scopes: .all,
        abilities: Abilities([.proxy])))
    let world = GatewayRig.World(keys: [foreign.record])
    try await GatewayRig.run(world: world, script: Self.statuses) { rig in
      for path in ["catalog/products/200", "catalog/products/201"] {
        _ = try await rig.send(.get, "/stores/abc/v3/\(path)").bytes
      }
      _ = try await rig.send(
        .get, "/stores/abc/v2/store", headers: [("Latchkey-Dry-Run", "true")])
      // Nobody's key, nobody's store, a key that is for another store, and no store at all.
      _ = try await rig.send(.get, "/stores/abc/v2/orders", key: "wrong")
      _ = try await rig.send(.get, "/stores/nobody/v2/orders")
      _ = try await rig.send(.get, "/stores/abc/v2/orders", key: foreign.text)
      _ = try await rig.send(.get, "/stores/abc/%2e%2e/v2/orders")
      // One that counts comes last, so that the others would have been there.
      _ = try await rig.send(.get, "/stores/abc/v3/catalog/products/404").bytes
      #expect(try await only(rig)?.status == 404)
    }
  }

  @Test func `with the code of the gateway's refusal, and whether anything was sent`() async throws
  {
    try await GatewayRig.run(calls: 1, script: { _ in }) { rig in
      _ = try await rig.send(.get, "/stores/abc/v2/customers")
      let refused = try #require(try await only(rig))
      #expect(refused.status == 403 && refused.code == "scope_missing")
      #expect(refused.outcome == .notSent && refused.path == "/v2/customers")
      _ = try await rig.send(
        .get, "/stores/abc/v2/orders", headers: [("Latchkey-Retry", "0")])
      let broken = try #require(try await only(rig))
      #expect(broken.status == 502 && broken.code == "upstream_broken")
      #expect(broken.outcome == .unknown)
    }
    let gate = Gate()
    let waiting: MisbehavingServer.Script = { connection in
      _ = try await connection.readHead()
      await gate.wait()
    }
    try await GatewayRig.run(calls: 1, script: waiting) { rig in
      let first = Task { try await rig.send(.get, "/stores/abc/v3/catalog/products") }
      #expect(try await eventually { rig.server.headCount == 1 })
      _ = try await rig.send(.get, "/stores/xyz/v3/catalog/products")
      let refused = try #require(try await only(rig))
      #expect(refused.status == 503 && refused.code == "overloaded")
      first.cancel()
      _ = try await first.value
      // Who has left has not failed.
      #expect(rig.usage.takeFailures().isEmpty)
      await gate.open()
    }
  }

  @Test func `a path is cut to its bound`() async throws {
    try await GatewayRig.run(script: Self.statuses) { rig in
      let long = String(repeating: "x", count: 5000)
      _ = try await rig.send(.get, "/stores/abc/v3/catalog/products/404/\(long)").bytes
      let path = try #require(try await only(rig)).path
      #expect(path.utf8.count == FailedCall.longestPath)
      #expect(path.hasPrefix("/v3/catalog/products/404/xxx"))
    }
  }
}
