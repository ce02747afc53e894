import Base
import BigCommerce
import Fields
import Gateway
import HTTPTypes
import NIOCore
import Synchronization
import TestSupport
import Testing

@Suite(.bothWays) struct `Keys with a rate` {
  /// A clock that a test moves.
  private final class Time: Sendable {
    private let moment = Mutex(Duration.seconds(1000))

    var clock: MonotonicClock {
      MonotonicClock(
        now: { self.moment.withLock { $0 } },
        sleep: { _ throws(CancellationError) in throw CancellationError() })
    }

    func pass(_ duration: Duration) { moment.withLock { $0 += duration } }
  }

  @Test func `calls over it are refused, cost nothing and reach nobody`() async throws {
    let time = Time()
    func key(_ calls: Int64) -> TestKey {
      TestKey(
        Grant(
          app: .default, stores: .all, scopes: .all, methods: .all, abilities: Abilities([.proxy]),
          rate: CallRate(callsPerMinute: calls)))
    }
    let (slow, other) = (key(2), key(2))
    let world = GatewayRig.World(keys: [slow.record, other.record])
    let script: MisbehavingServer.Script = { connection in
      while true {
        _ = try await connection.readHead()
        try await connection.answer("200 OK", "{}")
      }
    }
    try await GatewayRig.run(world: world, pace: time.clock, script: script) { rig in
      let target = "/stores/abc/v3/catalog/products"
      func status(_ key: TestKey, _ target: String) async throws -> Int {
        try await rig.send(.get, target, key: key.text).status
      }
      // What the grant refuses takes nothing of the rate.
      for _ in 0..<5 { #expect(try await status(slow, "/stores/abc/v3/nosuch") == 403) }
      for _ in 0..<2 { #expect(try await status(slow, target) == 200) }
      let refused = try await rig.send(.get, target, key: slow.text)
      #expect(try await refused.summary == "429 rate_limited")
      #expect(refused.headers[.retryAfter] == "30")
      #expect(refused.headers[.latchkeyOrigin] == "gateway")
      #expect(try await status(slow, "/stores/abc/v3/nosuch") == 403, "the grant comes first")
      #expect(rig.server.headCount == 2)
      #expect(try await status(other, target) == 200, "each key has its own")
      for _ in 0..<5 { #expect(try await status(rig.key, target) == 200) }
      time.pass(.milliseconds(29_001))
      #expect(
        try await rig.send(.get, target, key: slow.text).headers[.retryAfter] == "1")
      time.pass(.milliseconds(999))
      #expect(try await status(slow, target) == 200)
      #expect(try await status(slow, target) == 429)
    }
  }

  @Test func `a dry run says what the rate would allow, and takes nothing of it`() async throws {
    let time = Time()
    let key = TestKey(
      Grant(
        app: .default, stores: .all, scopes: .all, methods: .all, abilities: Abilities([.proxy]),
        rate: CallRate(callsPerMinute: 3)))
    let script: MisbehavingServer.Script = { connection in
      while true {
        _ = try await connection.readHead()
        try await connection.answer("200 OK", "{}")
      }
    }
    try await GatewayRig.run(
      world: GatewayRig.World(keys: [key.record]), pace: time.clock, script: script
    ) { rig in
      let target = "/stores/abc/v3/catalog/products"
      func explain(_ text: String = key.text) async throws -> JSONValue {
        let answer = try await rig.send(
          .get, target, headers: [("Latchkey-Dry-Run", "true")], key: text)
        return try JSONScanner.parse(try await answer.bytes.readableBytesView)
      }
      func call() async throws -> Int { try await rig.send(.get, target, key: key.text).status }
      let without = try await explain(rig.key.text)
      #expect(without["rate"] == .some(.null))
      for left in [3, 2, 1] {
        for _ in 0..<5 {
          let said = try await explain()
          #expect(
            said["rate"] == [
              "calls_per_minute": 3, "calls_now": .integer(left), "wait_ms": 0,
            ])
          #expect(said["decision"] == "call")
        }
        #expect(try await call() == 200)
      }
      let spent = try await explain()
      #expect(spent["rate"] == ["calls_per_minute": 3, "calls_now": 0, "wait_ms": 20_000])
      #expect(spent["decision"] == "refuse" && spent["refusal"]?["code"] == "rate_limited")
      #expect(spent["refusal"]?["retry_after"] == 20)
      #expect(try await call() == 429)
      time.pass(.seconds(20))
      #expect(try await explain()["rate"]?["calls_now"] == 1)
      #expect(try await call() == 200)
      #expect(try await call() == 429)
    }
  }
}
