import Base
import HTTPTypes
import Sandbox
import Testing

@Suite struct `Quota` {
  private let target = "/stores/demo1234/v3/hooks"

  @Test func `headers count down, then calls are refused until the window ends`() async throws {
    let clock = ManualClock()
    try await withSandbox({
      $0.clock = clock.clock
      $0.quotaLimit = 3
    }) { client in
      let app = try await client.authorised()
      for left in ["2", "1", "0"] {
        let answer = try await app.get(target)
        #expect(answer.status == 200)
        #expect(answer.header("X-Rate-Limit-Requests-Left") == left)
        #expect(answer.header("X-Rate-Limit-Requests-Quota") == "3")
        #expect(answer.header("X-Rate-Limit-Time-Window-Ms") == "30000")
      }
      clock.advance(.milliseconds(29_001))
      let refused = try await app.get(target)
      #expect(refused.status == 429)
      #expect(refused.header("X-Rate-Limit-Time-Reset-Ms") == "999")
      #expect(refused.header("X-Retry-After") == "1")
      #expect(try refused.json["title"] == "Too many requests")
      clock.advance(.seconds(1))
      #expect(try await app.get(target).status == 200)
    }
  }

  @Test func `apps share a store's quota, stores do not share one`() async throws {
    try await withSandbox({
      $0.stores = 2
      $0.quotaLimit = 2
      $0.apps.append(
        .init(clientID: "other", clientSecret: "o", origin: "http://127.0.0.1:9"))
    }) { client in
      let app = try await client.authorised()
      let other = try await client.authorised(app: "other")
      let elsewhere = try await client.authorised(store: "store0002")
      #expect(try await app.get(target).status == 200)
      #expect(try await other.get(target).status == 200)
      #expect(try await app.get(target).status == 429)
      #expect(try await elsewhere.get("/stores/store0002/v3/hooks").status == 200)
    }
  }

  @Test func `strangers take their share evenly, and the windows say who got what`() async throws {
    let clock = ManualClock()
    try await withSandbox({ $0.clock = clock.clock }) { client in
      let app = try await client.authorised()
      try await client.control(
        "quota/demo1234", ["limit": 10, "window_ms": 10_000, "strangers": 5], .put)
      #expect(try await app.get(target).header("X-Rate-Limit-Requests-Left") == "9")
      clock.advance(.seconds(4))
      #expect(try await app.get(target).header("X-Rate-Limit-Requests-Left") == "6")
      for _ in 0..<6 { #expect(try await app.get(target).status == 200) }
      #expect(try await app.get(target).status == 429)
      clock.advance(.seconds(6))
      #expect(try await app.get(target).header("X-Rate-Limit-Requests-Left") == "9")
      let windows = try await client.control("quota/demo1234", [:], .get).array
      #expect(windows == [["taken": 8, "refused": 1, "strangers": 2]])
    }
  }

  @Test func `headers can be switched off, and the limit changed, by order`() async throws {
    try await withSandbox { client in
      let app = try await client.authorised()
      try await client.control("quota/demo1234", ["limit": 1, "headers": false], .put)
      #expect(try await app.get(target).header("X-Rate-Limit-Requests-Left") == nil)
      let refused = try await app.get(target)
      #expect(refused.status == 429)
      #expect(refused.header("X-Retry-After") == nil)
      try await client.control("quota/*", ["limit": 450, "headers": true], .put)
      #expect(try await app.get(target).header("X-Rate-Limit-Requests-Quota") == "450")
    }
  }
}
