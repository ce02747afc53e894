import Base
import BigCommerce
import Gateway
import HTTPTypes
import NIOCore
import Storage
import TestSupport
import Testing
import Upstream

@Suite(.bothWays) struct `What calls come to in the usage` {

  /// Answers with the status that the path ends with.
  private static let statuses: MisbehavingServer.Script = { connection in
    while true {
      let head = try await connection.readHead()
      if let length = head.firstMatch(of: /Content-Length: (\d+)/).flatMap({ Int($0.1) }) {
        _ = try await connection.read(length)
      }
      let status = head.firstMatch(of: /products\/(\d+)/)?.1 ?? "200"
      try await connection.answer("\(status) Status", "0123456789")
    }
  }

  /// The counts that are not nothing, without those of time.
  private func counted(_ cell: UsageCell) -> [UsageCounts.Field: Int64] {
    let fields: [UsageCounts.Field] = [
      .calls, .rejected, .throttled, .failed, .refused, .abandoned, .waited, .sentBytes,
      .receivedBytes,
    ]
    return Dictionary(
      uniqueKeysWithValues: fields.map { ($0, cell.counts[$0]) }.filter { $0.1 != 0 })
  }

  @Test(arguments: [
    (200, UsageCounts.Field?.none), (404, .rejected), (422, .rejected),
    (429, .throttled), (509, .throttled), (500, .failed), (504, .failed),
  ])
  func `an answer counts by its status`(_ status: Int, _ fault: UsageCounts.Field?) async throws {
    try await GatewayRig.run(script: Self.statuses) { rig in
      let target = "/stores/abc/v3/catalog/products/\(status)"
      let answer = try await rig.send(.get, target, headers: [("Latchkey-Retry", "0")])
      #expect(answer.status == status)
      _ = try await answer.bytes
      let cell = try #require(try await rig.onlyCell())
      #expect(cell.installation == InstallationID(app: .default, store: try Named.store("abc")))
      #expect(cell.key == rig.key.record.id && cell.family == "v3/catalog reads")
      var expected: [UsageCounts.Field: Int64] = [.calls: 1]
      if let fault { expected[fault] = 1 }
      expected[.receivedBytes] = 10
      #expect(counted(cell) == expected)
      #expect(cell.counts.answered == 1 && cell.counts[.latencyMicroseconds] > 0)
      #expect(rig.usage.take().isEmpty)
    }
  }

  @Test func `bodies are counted that are sent, of known length or not`() async throws {
    try await GatewayRig.run(script: Self.statuses) { rig in
      let body = AsyncStream<ByteBuffer> { parts in
        for _ in 0..<3 { parts.yield(ByteBuffer(string: "1234567")) }
        parts.finish()
      }
      let thrown = body.map { part throws(any Error) in part }
      let target = "/stores/abc/v3/catalog/products"
      _ = try await rig.send(.post, target, length: 21, body: thrown).bytes
      let cell = try #require(try await rig.onlyCell())
      #expect(cell.family == "v3/catalog writes")
      #expect(counted(cell) == [.calls: 1, .sentBytes: 21, .receivedBytes: 10])
    }
  }

  @Test func `calls of a minute, store, caller and family are one cell`() async throws {
    let other = TestKey(
      Grant(
        app: .default, stores: .all, scopes: .all, abilities: Abilities([.proxy]),
        rate: CallRate(callsPerMinute: 2)))
    let world = GatewayRig.World(keys: [other.record])
    try await GatewayRig.run(world: world, script: Self.statuses) { rig in
      for _ in 0..<5 { _ = try await rig.send(.get, "/stores/abc/v3/catalog/products").bytes }
      for _ in 0..<3 {
        _ = try await rig.send(.get, "/stores/xyz/v2/orders", key: other.text).bytes
      }
      // Nobody's call, and nobody's store.
      _ = try await rig.send(.get, "/stores/abc/v3/catalog/products", key: "wrong")
      _ = try await rig.send(.get, "/stores/nobody/v3/catalog/products")
      let cells = try await rig.cells(calls: 8)
      var byStore: [String: UsageCounts] = [:]
      for cell in cells {
        byStore[
          "\(cell.installation.store) \(cell.key) \(cell.family)", default: UsageCounts()
        ].add(cell.counts)
      }
      let mine = "abc \(rig.key.record.id) v3/catalog reads"
      let theirs = "xyz \(other.record.id) v2/orders reads"
      #expect(Set(byStore.keys) == [mine, theirs])
      #expect(byStore[mine]?[.calls] == 5 && byStore[mine]?.answered == 5)
      // The third was over the key's rate.
      #expect(byStore[theirs]?[.calls] == 3 && byStore[theirs]?[.throttled] == 1)
      #expect(byStore[theirs]?.answered == 2)
    }
  }

  @Test func `nothing listening, no place and a caller who leaves are told apart`() async throws {
    try await GatewayRig.run(calls: 1, script: { _ in }) { rig in
      let none = try await rig.send(
        .get, "/stores/abc/v3/catalog/products", headers: [("Latchkey-Retry", "0")])
      #expect(none.status == 502)
      let failed = try #require(try await rig.onlyCell())
      #expect(counted(failed) == [.calls: 1, .failed: 1] && failed.counts.answered == 0)
    }
    let gate = Gate()
    let waiting: MisbehavingServer.Script = { connection in
      _ = try await connection.readHead()
      await gate.wait()
    }
    try await GatewayRig.run(calls: 1, script: waiting) { rig in
      let first = Task { try await rig.send(.get, "/stores/abc/v3/catalog/products") }
      #expect(try await eventually { rig.server.headCount == 1 })
      let second = try await rig.send(.get, "/stores/abc/v3/catalog/products")
      #expect(second.status == 503)
      let refused = try #require(try await rig.onlyCell())
      #expect(counted(refused) == [.calls: 1, .refused: 1])
      first.cancel()
      _ = try await first.value
      let abandoned = try #require(try await rig.onlyCell())
      #expect(counted(abandoned) == [.calls: 1, .abandoned: 1])
      await gate.open()
    }
  }
}

extension GatewayRig {
  /// The cells, once they hold that many calls: a call counts when the last who holds it lets go.
  fileprivate func cells(calls: Int64) async throws -> [UsageCell] {
    var cells: [UsageCell] = []
    _ = try await eventually {
      cells += usage.take()
      return cells.reduce(0) { $0 + $1.counts[.calls] } >= calls
    }
    return cells
  }

  fileprivate func onlyCell() async throws -> UsageCell? {
    let cells = try await cells(calls: 1)
    #expect(cells.count == 1)
    return cells.first
  }
}
