import Base
import BigCommerce
import NIOCore
import Synchronization
import TestSupport

/// An endpoint that events are pushed to: keeps what comes, and answers as it is told.
final class Subscriber: Sendable {
  /// One request that came.
  struct Push: Sendable {
    let head: String
    let body: [UInt8]

    func header(_ name: String) -> String? {
      for line in head.split(separator: "\r\n") {
        let parts = line.split(separator: ":", maxSplits: 1)
        if parts.count == 2, parts[0].lowercased() == name {
          return String(parts[1].drop { $0 == " " })
        }
      }
      return nil
    }

    var id: String? { header("webhook-id") }

    var document: JSONValue? { try? JSONScanner.parse(body) }

    /// How many signatures are the key's.
    func signatures(by key: WebhookKey) -> Int {
      guard let id, let time = header("webhook-timestamp").flatMap({ Int64($0) }) else { return 0 }
      let genuine = StandardWebhooks.sign(id: id, timestamp: time, body: body, key: key)
      return (header("webhook-signature") ?? "").split(separator: " ").filter { $0 == genuine }
        .count
    }
  }

  /// What it does with a request.
  enum Reply: Sendable {
    case answer(String, headers: [String] = [], body: String = "")
    /// Reads and never answers.
    case silence
    case reset
    /// Sends this and then nothing more.
    case unfinished(String)
  }

  private struct State {
    var pushes: [Push] = []
    var replies: [Reply] = []
    var usual = Reply.answer("200 OK")
    var underWay = 0
    var mostUnderWay = 0
  }

  private let state = Mutex(State())
  /// Waited for before each answer.
  let gate: Gate?

  init(gate: Gate? = nil) {
    self.gate = gate
  }

  var pushes: [Push] { state.withLock { $0.pushes } }
  var mostUnderWay: Int { state.withLock { $0.mostUnderWay } }

  /// Replies to the next requests, then `usual` to all others.
  func reply(_ replies: [Reply] = [], usual: Reply = .answer("200 OK")) {
    state.withLock { state in
      state.replies = replies
      state.usual = usual
    }
  }

  func serve(_ connection: MisbehavingConnection) async throws {
    while true {
      let head = try await connection.readHead()
      let push = Push(head: head, body: [])
      let length = push.header("content-length").flatMap { Int($0) } ?? 0
      let body = try await connection.read(length)
      let reply = state.withLock { state in
        state.pushes.append(Push(head: head, body: Array(body.readableBytesView)))
        state.underWay += 1
        state.mostUnderWay = max(state.mostUnderWay, state.underWay)
        return state.replies.isEmpty ? state.usual : state.replies.removeFirst()
      }
      await gate?.wait()
      state.withLock { $0.underWay -= 1 }
      switch reply {
      case .answer(let status, let headers, let body):
        try await connection.answer(status, body, headers: headers)
      case .silence: try await connection.stall()
      case .reset: try await connection.reset()
      case .unfinished(let text):
        try await connection.send(text)
        try await connection.stall()
      }
    }
  }
}
