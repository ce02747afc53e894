import Base
import Curl
import Fields
import HTTPTypes
import NIOCore
import NIOPosix
import Reactor
import Sandbox
import Synchronization
import Testing

/// One answer, read to its end.
struct Answer: Sendable {
  let status: Int
  let headers: HTTPFields
  let bytes: [UInt8]

  var text: String { String(decoding: bytes, as: UTF8.self) }

  var json: JSONValue {
    get throws { try JSONScanner.parse(bytes) }
  }

  func header(_ name: String) -> String? {
    HTTPField.Name(name).flatMap { headers[$0] }
  }
}

/// Talks to a sandbox as an app, as a browser and as a test does.
struct SandboxClient: Sendable {
  let curl: CurlClient
  let sandbox: SandboxServer
  /// What is sent as `X-Auth-Token`.
  var token: String?

  func send(
    _ method: HTTPRequest.Method, _ target: String, headers: [String: String] = [:],
    body: [UInt8]? = nil, on origin: String? = nil
  ) async throws -> Answer {
    var fields = HTTPFields()
    for (name, value) in headers {
      fields[try #require(HTTPField.Name(name))] = value
    }
    if let token, let name = HTTPField.Name("X-Auth-Token") { fields[name] = token }
    let response = try await curl.send(
      CurlRequest(
        origin: try #require(Origin(origin ?? sandbox.origin)), method: method, target: target,
        headers: FieldSection(fields), body: body.map { .bytes(ByteBuffer(bytes: $0)) } ?? .none,
        firstByteTimeout: .seconds(10)))
    let buffer = try await response.body.collect(upTo: .mebibytes(64))
    return Answer(
      status: response.status, headers: response.headers.httpFields,
      bytes: Array(buffer.readableBytesView))
  }

  func get(_ target: String, headers: [String: String] = [:]) async throws -> Answer {
    try await send(.get, target, headers: headers)
  }

  /// Sends a JSON body.
  func json(
    _ method: HTTPRequest.Method, _ target: String, _ body: JSONValue
  ) async throws -> Answer {
    try await send(
      method, target, headers: ["Content-Type": "application/json"], body: body.encoded())
  }

  /// Sends a form as a browser does.
  func form(_ target: String, _ text: String) async throws -> Answer {
    try await send(
      .post, target, headers: ["Content-Type": "application/x-www-form-urlencoded"],
      body: Array(text.utf8))
  }

  /// Gives an order to the control API, which must accept it.
  @discardableResult
  func control(
    _ noun: String, _ body: JSONValue = [:], _ method: HTTPRequest.Method = .post
  ) async throws -> JSONValue {
    let answer =
      method == .get || method == .delete
      ? try await send(method, "/control/\(noun)")
      : try await json(method, "/control/\(noun)", body)
    try #require((200...299).contains(answer.status), "control \(noun): \(answer.text)")
    return try answer.json
  }

  /// The same client with a token that the control API issues.
  func authorised(
    store: String = "demo1234", app: String = "demo", scopes: [String]? = nil
  ) async throws -> SandboxClient {
    var order: JSONValue = .object([
      .init("store_hash", .string(store)), .init("client_id", .string(app)),
    ])
    if let scopes {
      order = .object((order.members ?? []) + [.init("scope", .array(scopes.map { .string($0) }))])
    }
    var client = self
    client.token = try await control("tokens", order)["access_token"]?.string
    return client
  }
}

/// A clock that a test sets.
final class ManualClock: Sendable {
  private let moment = Mutex(Timestamp(seconds: 1_800_000_000))

  var clock: WallClock { WallClock { self.moment.withLock { $0 } } }

  func advance(_ duration: Duration) {
    moment.withLock { $0 = $0 + duration }
  }
}

/// The app that tests register: client `demo`, secret `secret`.
func demoApp(origin: String = "http://127.0.0.1:9") -> AppRegistration {
  AppRegistration(clientID: "demo", clientSecret: "secret", name: "Demo <app>", origin: origin)
}

/// Lends a sandbox on a free port and a client for it.
func withSandbox<Value: Sendable>(
  _ configure: (inout SandboxConfiguration) -> Void = { _ in },
  curl settings: CurlSettings = CurlSettings(),
  _ body: @Sendable (SandboxClient) async throws -> Value
) async throws -> Value {
  var configuration = SandboxConfiguration()
  configuration.apps = [demoApp()]
  configuration.threads = 1
  configure(&configuration)
  let sandbox = try await SandboxServer.start(configuration)
  let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
  let reactor = try Reactor(loops: Array(group.makeIterator()))
  let curl = try CurlClient(reactor: reactor, settings: settings)
  let outcome: Result<Value, any Error>
  do {
    outcome = .success(try await body(SandboxClient(curl: curl, sandbox: sandbox)))
  } catch {
    outcome = .failure(error)
  }
  await curl.shutdown()
  await reactor.shutdown()
  try await group.shutdownGracefully()
  try await sandbox.stop()
  return try outcome.get()
}
