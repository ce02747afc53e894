import Base
import NIOCore
import Synchronization
import TestSupport

/// BigCommerce's webhooks of one store, as bare or wrapped answers, with answers that get lost.
final class FakeHooks: Sendable {
  fileprivate struct State {
    var hooks: [JSONValue] = []
    var lastID: Int64 = 0
    var calls: [String] = []
    var isBare = false
    var lost = 0
    var now: Int64 = 1_800_000_000
  }

  private let state = Mutex(State())

  /// Method and path of every call, in their order.
  var calls: [String] { state.withLock { $0.calls } }
  var hooks: [JSONValue] { state.withLock { $0.hooks } }

  func forgetCalls() { state.withLock { $0.calls = [] } }
  func answerBare() { state.withLock { $0.isBare = true } }
  /// The next calls that change something take effect, and their answers get lost.
  func loseAnswers(_ count: Int) { state.withLock { $0.lost = count } }
  func pass(days: Int64) { state.withLock { $0.now += days * 86400 } }

  func edit(_ id: Int64, _ name: String, _ value: JSONValue) {
    state.withLock { state in
      state.hooks = state.hooks.map { hook in
        hook["id"]?.integer == id ? hook.replacing([.init(name, value)]) : hook
      }
    }
  }

  func serve(_ connection: MisbehavingConnection) async throws {
    while true {
      let head = try await connection.readHead()
      let line = head.prefix { $0 != "\r\n" }.split(separator: " ")
      let length =
        head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("content-length:") }
        .flatMap { Int($0.split(separator: " ")[1]) } ?? 0
      let bytes = Array(try await connection.read(length).readableBytesView)
      guard line.count > 1, let place = line[1].firstRange(of: "/v3/hooks") else { return }
      let path = String(line[1][place.upperBound...])
      guard let answer = try respond(String(line[0]), path, bytes) else { return }
      try await connection.answer("200 OK", answer.text)
    }
  }

  /// `nil`: the answer gets lost.
  private func respond(
    _ method: String, _ path: String, _ bytes: [UInt8]
  ) throws -> JSONValue? {
    let body = bytes.isEmpty ? .null : try JSONScanner.parse(bytes)
    return state.withLock { state in
      state.calls.append("\(method) \(path.prefix { $0 != "?" })")
      guard method != "GET" else {
        if path.hasPrefix("/admin") { return ["data": ["hooks_list": [], "blocked_domains": []]] }
        return state.isBare ? .array(state.hooks) : ["data": .array(state.hooks), "meta": [:]]
      }
      let answer = state.change(method, Int64(path.dropFirst()) ?? 0, body)
      if state.lost > 0 {
        state.lost -= 1
        return nil
      }
      return state.isBare ? answer : ["data": answer, "meta": [:]]
    }
  }
}

extension FakeHooks.State {
  fileprivate mutating func change(
    _ method: String, _ id: Int64, _ body: JSONValue
  ) -> JSONValue {
    switch method {
    case "POST":
      lastID += 1
      let hook = JSONValue.object([
        .init("id", .integer(lastID)), .init("client_id", "client-default"),
        .init("created_at", .integer(now)),
      ]).replacing(body.members ?? []).replacing([.init("updated_at", .integer(now))])
      hooks.append(hook)
      return hook
    case "PUT":
      hooks = hooks.map { hook in
        guard hook["id"]?.integer == id else { return hook }
        return hook.replacing(body.members ?? []).replacing([.init("updated_at", .integer(now))])
      }
    default: break
    }
    let hook = hooks.first { $0["id"]?.integer == id } ?? .null
    if method == "DELETE" { hooks.removeAll { $0["id"]?.integer == id } }
    return hook
  }
}

extension JSONValue {
  /// The object with these members instead of those of the same names.
  fileprivate func replacing(_ changes: [Member]) -> JSONValue {
    let names = Set(changes.map(\.name))
    return .object((members ?? []).filter { !names.contains($0.name) } + changes)
  }
}
