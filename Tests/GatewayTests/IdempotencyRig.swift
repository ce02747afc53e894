import Base
import Fields
import Gateway
import HTTPTypes
import NIOCore
import Postgres
import Storage
import Synchronization
import TestSupport
import Testing
import Vault

/// A gateway with a ledger in a real database, before a server that answers as it is told.
struct IdempotencyRig: Sendable {
  let gateway: GatewayRig
  let database: Database
  let upstream: CountingServer

  static let orders = "/stores/abc/v2/orders"

  static func run<T: Sendable>(
    _ upstream: CountingServer, calls: Int = 1000,
    world: GatewayRig.World = .init(),
    _ body: @escaping @Sendable (IdempotencyRig) async throws -> T
  ) async throws -> T {
    try await withTemporaryDatabase(Migrations.all) { (temporary: TemporaryDatabase) in
      let database = temporary.database
      try await database.addApp()
      let keyring = try Keyring(parsing: Keyring.makeEntry(try #require(KeyID("k1"))))
      return try await GatewayRig.run(
        world: world, calls: calls, ledger: KeyedWrites(database: database, keyring: keyring),
        script: upstream.script
      ) { gateway in
        try await body(IdempotencyRig(gateway: gateway, database: database, upstream: upstream))
      }
    }
  }

  /// A write with a key; `nil`: without one.
  func send(
    _ key: String? = "order-118", _ method: HTTPRequest.Method = .post, _ target: String = orders,
    body: String = "{}", headers: [(String, String)] = [], caller: String? = nil
  ) async throws -> GatewayResponse {
    let fields = headers + (key.map { [("Idempotency-Key", $0)] } ?? [])
    return try await gateway.send(
      method, target, headers: fields, length: body.utf8.count,
      body: body.isEmpty ? nil : pieces([ByteBuffer(string: body)]), key: caller)
  }

  func count(_ statement: Statement) async throws -> Int { try await database.count(statement) }
}

/// A server that answers each request in turn as it is told, the last way for ever, and counts.
final class CountingServer: Sendable {
  enum Act: Sendable {
    case answer(String, body: String = "{}", headers: [String] = [])
    /// Any bytes.
    case raw(String)
    case reset
    case hang
    /// Waits for the gate, then answers.
    case wait(Gate, String)
  }

  private let acts: Mutex<[Act]>
  private let seen = Mutex<[String]>([])

  init(_ acts: Act...) {
    self.acts = Mutex(acts)
  }

  /// Heads and beginnings of bodies of what arrived.
  var requests: [String] { seen.withLock { $0 } }

  var script: MisbehavingServer.Script {
    { connection in
      while true {
        let head = try await connection.readHead()
        var body = ""
        if let range = head.firstRange(of: "Content-Length: "),
          let length = Int(head[range.upperBound...].prefix { $0.isNumber })
        {
          body = String(buffer: try await connection.read(length))
        }
        self.seen.withLock { $0.append("\(head) \(body.prefix(40))") }
        switch self.acts.withLock({ $0.count > 1 ? $0.removeFirst() : $0[0] }) {
        case .answer(let status, let body, let headers):
          try await connection.answer(status, body, headers: headers)
        case .raw(let text):
          try await connection.send(text)
          return
        case .reset: return try await connection.reset()
        case .hang: return try await connection.stall()
        case .wait(let gate, let body):
          await gate.wait()
          try await connection.answer("200 OK", body)
        }
      }
    }
  }
}

extension GatewayResponse {
  var isReplay: Bool { headers[.latchkeyIdempotentReplay] == "true" }

  /// The problem's members.
  var problem: JSONValue {
    get async throws { try JSONScanner.parse(try await bytes.readableBytesView) }
  }
}

extension HTTPField.Name {
  static var latchkeyIdempotentReplay: HTTPField.Name {
    HTTPField.Name("Latchkey-Idempotent-Replay") ?? .accept
  }
}
