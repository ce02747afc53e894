import Base
import Fields
import Gateway
import HTTPTypes
import NIOCore
import TestSupport
import Testing

@Suite(.bothWays) struct `Dry runs` {
  private let dry = [("Latchkey-Dry-Run", "true"), ("Latchkey-Priority", "bulk")]

  /// Runs with a server that must not be called; what its gateway says of a call.
  private func explain(
    _ target: String, after calls: Int = 0, headers: [String] = []
  ) async throws -> JSONValue {
    let script: MisbehavingServer.Script = { connection in
      while true {
        _ = try await connection.readHead()
        try await connection.answer("200 OK", "{}", headers: headers)
      }
    }
    return try await GatewayRig.run(script: script) { rig in
      for _ in 0..<calls { _ = try await rig.send(.get, target) }
      let response = try await rig.send(.get, target, headers: dry)
      #expect(response.status == 200)
      #expect(response.headers[.latchkeyOrigin] == "gateway")
      #expect(response.headers[.contentType] == "application/json")
      #expect(rig.server.headCount == calls)
      return try JSONScanner.parse(try await response.bytes.readableBytesView)
    }
  }

  @Test func `a call that may be made is told with everything that decides it`() async throws {
    let said = try await explain("/stores/abc/v3/catalog/products?limit=1")
    #expect(said["decision"] == "call")
    #expect(said["dry_run"] == true)
    #expect(said["app"] == "default" && said["store_hash"] == "abc")
    #expect(said["grant"] == ["ability": "proxy", "allowed": true])
    #expect(said["rule"]?["enforced"] == true)
    #expect(said["rule"]?["scopes_any_of"]?.array?.contains("store_v2_products") == true)
    #expect(said["store"]?["state"] == "active")
    #expect(said["endpoint"] == ["family": "v3/catalog reads", "documented_limit": nil])
    #expect(said["controls"]?["priority"] == "bulk")
    #expect(said["quota"] == ["known": false, "wait_ms": 0])
    #expect(said["refusal"] == .some(.null))
  }

  @Test func `the quota's part is what a call would meet now`() async throws {
    let said = try await explain(
      "/stores/abc/v3/pricelists/1/records", after: 1,
      headers: [
        "X-Rate-Limit-Time-Reset-Ms: 25000", "X-Rate-Limit-Requests-Left: 0",
        "X-Rate-Limit-Requests-Quota: 150", "X-Rate-Limit-Time-Window-Ms: 30000",
      ])
    #expect(said["decision"] == "refuse")
    #expect(said["refusal"]?["code"] == "quota_exhausted")
    #expect((25...27).contains(said["refusal"]?["retry_after"]?.integer ?? 0))
    #expect(said["quota"]?["limit"] == 150 && said["quota"]?["remaining"] == 0)
    #expect(said["quota"]?["family_concurrency_limit"] == 10)
    #expect(said["endpoint"] == ["family": "pricelist_reads", "documented_limit": 10])
  }

  @Test func `what would be refused says how, and goes no further`() async throws {
    let missing = try await explain("/stores/abc/v3/customers")
    #expect(missing["decision"] == "refuse")
    #expect(missing["refusal"]?["code"] == "scope_missing")
    #expect(missing["refusal"]?["status"] == 403)
    #expect(missing["quota"] == .some(.null))
    let unknown = try await explain("/stores/nosuch/v3/catalog/products")
    #expect(unknown["refusal"]?["code"] == "store_unknown")
    #expect(unknown["store"] == .some(.null))
  }
}
