import Base
import BigCommerce
import Fields
import Gateway
import HTTPTypes
import NIOCore
import Synchronization
import TestSupport
import Testing
import Upstream

@Suite struct `A replica that holds as many calls as it may` {
  private static let target = "/stores/abc/v3/catalog/products"

  /// Answers the first request of each connection when told, and closes.
  private static func answering(when gate: Gate) -> MisbehavingServer.Script {
    { connection in
      _ = try await connection.readHead()
      await gate.wait()
      try await connection.answer("200 OK", "{}")
    }
  }

  private final class Flag: Sendable {
    private let state = Atomic<Bool>(false)
    var isRaised: Bool { state.load(ordering: .relaxed) }
    func raise() { state.store(true, ordering: .relaxed) }
  }

  @Test func `one more is refused at once, its body unread, and nothing of it is sent`()
    async throws
  {
    let gate = Gate()
    try await GatewayRig.run(calls: 1, script: Self.answering(when: gate)) { rig in
      async let first = rig.send(.get, Self.target)
      #expect(try await eventually { rig.server.headCount == 1 })
      let isRead = Flag()
      let body = AsyncThrowingStream<ByteBuffer, any Error> {
        isRead.raise()
        return nil
      }
      let refused = try await rig.send(.post, Self.target, length: 7, body: body)
      #expect(try await refused.summary == "503 overloaded")
      #expect(refused.headers[.retryAfter] == "1")
      #expect(refused.headers[.latchkeyOrigin] == "gateway")
      #expect(!isRead.isRaised)
      #expect(rig.server.headCount == 1)
      #expect(rig.admission.refused(.replica) == 1)
      await gate.open()
      #expect(try await first.status == 200)
      #expect(rig.admission.held == 0)
      #expect(try await rig.send(.get, Self.target).status == 200)
    }
  }

  @Test func `a store that has its share is refused, and another is served`() async throws {
    let gate = Gate()
    let other = TestKey(
      Grant(app: .default, stores: .all, scopes: .all, abilities: Abilities([.operator])))
    let world = GatewayRig.World(keys: [other.record])
    try await GatewayRig.run(world: world, calls: 3, script: Self.answering(when: gate)) { rig in
      async let first = rig.send(.get, Self.target)
      async let second = rig.send(.get, Self.target)
      #expect(try await eventually { rig.server.headCount == 2 })
      let refused = try await rig.send(.get, Self.target)
      let said = try JSONScanner.parse(try await refused.bytes.readableBytesView)
      #expect(refused.status == 503 && said["held"]?.string == "store")
      async let quiet = rig.send(.get, "/stores/xyz/v3/catalog/products", key: other.text)
      #expect(try await eventually { rig.server.headCount == 3 })
      await gate.open()
      for status in try await [first.status, second.status, quiet.status] {
        #expect(status == 200)
      }
      #expect(rig.admission.held == 0)
    }
  }

  @Test func `a body that streams keeps the call's place until it has been read`() async throws {
    let script: MisbehavingServer.Script = { connection in
      _ = try await connection.readHead()
      try await connection.send(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
    }
    try await GatewayRig.run(calls: 1, script: script) { rig in
      do {
        let answer = try await rig.send(.get, Self.target)
        #expect(rig.admission.held == 1)
        #expect(try await rig.send(.get, Self.target).status == 503)
        #expect(try await answer.bytes == ByteBuffer(string: "{}"))
      }
      #expect(rig.admission.held == 0)
      // One that nobody reads is given up with its answer.
      _ = try await rig.send(.get, Self.target)
      #expect(rig.admission.held == 0)
    }
  }

  @Test func `a caller that goes away gives its place back`() async throws {
    let gate = Gate()
    try await GatewayRig.run(calls: 1, script: Self.answering(when: gate)) { rig in
      let call = Task { try await rig.send(.get, Self.target) }
      #expect(try await eventually { rig.server.headCount == 1 })
      call.cancel()
      _ = try await call.value
      #expect(rig.admission.held == 0)
      await gate.open()
    }
  }
}
