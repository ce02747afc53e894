import Base
import Foundation
import HTTPTypes
import NIOCore
import Sandbox
import Synchronization
import TestSupport
import Testing

/// One delivery as it arrived.
struct Arrival: Sendable {
  let target: String
  /// By name in lower case.
  let headers: [String: String]
  let body: [UInt8]

  init(head: String, body: [UInt8]) {
    let lines = head.split(separator: "\r\n")
    target = lines[0].split(separator: " ").dropFirst().first.map(String.init) ?? ""
    headers = lines.dropFirst().reduce(into: [:]) { headers, line in
      let parts = line.split(separator: ":", maxSplits: 1)
      headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces)
    }
    self.body = body
  }

  var json: JSONValue {
    get throws { try JSONScanner.parse(body) }
  }

  var id: String? { headers["webhook-id"] }
}

/// A webhook destination that keeps what arrives and answers as it is told.
final class HookReceiver: Sendable {
  private struct State {
    var arrivals: [Arrival] = []
    var status = "200 OK"
    var headers: [String] = []
    var isMute = false
  }

  private let state = Mutex(State())

  var all: [Arrival] { state.withLock { $0.arrivals } }

  /// What every further delivery is answered.
  func answer(_ status: String, headers: [String] = []) {
    state.withLock {
      $0.status = status
      $0.headers = headers
    }
  }

  /// No further delivery is answered.
  func mute() { state.withLock { $0.isMute = true } }

  /// Further deliveries are answered again.
  func unmute() { state.withLock { $0.isMute = false } }

  func serve(_ connection: MisbehavingConnection) async throws {
    while true {
      let head = try await connection.readHead()
      let length = Arrival(head: head, body: []).headers["content-length"].flatMap { Int($0) } ?? 0
      let body = try await connection.read(length)
      let arrival = Arrival(head: head, body: Array(body.readableBytesView))
      let state = state.withLock { state in
        state.arrivals.append(arrival)
        return state
      }
      guard !state.isMute else { return try await connection.stall() }
      try await connection.answer(state.status, headers: state.headers)
    }
  }
}

/// What a test of webhooks works with.
struct HookBench: Sendable {
  let client: SandboxClient
  let receiver: HookReceiver
  let server: MisbehavingServer

  var destination: String { "http://127.0.0.1:\(server.port)/hooks" }

  /// Registers a webhook; its ID.
  @discardableResult
  func register(
    _ scope: String, store: String = "demo1234", at destination: String? = nil,
    headers: JSONValue = .null
  ) async throws -> Int64 {
    let answer = try await client.json(
      .post, "/stores/\(store)/v3/hooks",
      [
        "scope": .string(scope), "destination": .string(destination ?? self.destination),
        "headers": headers,
      ])
    try #require(answer.status == 200, "\(answer.text)")
    return try #require(try answer.json["data"]?["id"]?.integer)
  }

  /// Fires events by control.
  func fire(_ scope: String, _ order: JSONValue = [:]) async throws {
    try await client.control("events", order.setting("scope", .string(scope)))
  }

  func setting(_ order: JSONValue) async throws {
    try await client.control("webhooks", order, .put)
  }

  func counts() async throws -> JSONValue { try await client.control("events", [:], .get) }

  func attempts() async throws -> [JSONValue] {
    try #require(try await client.control("deliveries?limit=100000", [:], .get).array)
  }

  /// Waits until so many deliveries were acknowledged, or whatever else is counted.
  func wait(_ count: Int, _ name: String = "acknowledged") async throws {
    let isReached = try await eventually {
      try await counts()[name]?.integer == Int64(count)
    }
    let reached = try await counts()
    try #require(isReached, "\(reached.text)")
  }
}

extension JSONValue {
  func setting(_ name: String, _ value: JSONValue) -> JSONValue {
    .object((members ?? []).filter { $0.name != name } + [.init(name, value)])
  }
}

/// Lends a sandbox, a token of its first store and a destination.
func withHooks(
  _ configure: @escaping @Sendable (inout SandboxConfiguration) -> Void = { _ in },
  _ body: @Sendable (HookBench) async throws -> Void
) async throws {
  let receiver = HookReceiver()
  try await MisbehavingServer.run(script: { try await receiver.serve($0) }) { server in
    try await withSandbox(configure) { client in
      try await body(
        HookBench(client: try await client.authorised(), receiver: receiver, server: server))
    }
  }
}
