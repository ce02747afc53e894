import Base
import BigCommerce
import Curl
import Fields
import Gateway
import HTTPTypes
import Logging
import NIOCore
import Postgres
import Reactor
import Storage
import TestSupport
import Testing
import Upstream
import Vault

extension Logger {
  /// For tests that provoke errors.
  static let silent = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
}

extension MonotonicClock {
  /// Time does not pass, so that nothing gets stale while a test waits for its turn.
  fileprivate static let standing = MonotonicClock(
    now: { .zero }, sleep: { _ throws(CancellationError) in await Task.yield() })
}

/// The whole gateway on a real server that plays BigCommerce; stores and keys come from memory.
struct GatewayRig: Sendable {
  let gateway: StoreGateway
  let admission: CallAdmission
  let usage: UsageBook
  let directory: StoreDirectory
  let settings: GatewaySettings
  let client: CurlClient
  let key: TestKey
  let server: MisbehavingServer
  let ledger: KeyedWrites?

  /// An installation of the app `default`, with the token `token-{store}` unless uninstalled.
  struct Installation: Sendable {
    let store: StoreHash
    var state = InstallationState.active
    var scopes = ["store_v2_products", "store_v2_orders"]
    var labels: Set<StoreLabel> = []
  }

  /// What the gateway knows, beside the rig's own key.
  struct World: Sendable {
    /// The stores `abc` and `xyz`.
    var installations = ["abc", "xyz"].compactMap { StoreHash($0) }.map { Installation(store: $0) }
    var keys: [ServiceKeyRecord] = []
  }

  private struct Source: StoreChangeSource {
    let keyring: Keyring
    let world: World

    func changes(after position: Int64) async throws(PostgresError) -> StoreChanges {
      StoreChanges(
        position: 1, replacesAll: false, installations: world.installations.map(record),
        keys: world.keys)
    }

    private func record(_ installation: Installation) -> InstallationRecord {
      let id = InstallationID(app: .default, store: installation.store)
      let place = SealedPlace(.accessToken, of: id, generation: Generation(1))
      let sealed = try? keyring.seal(Secret(Array("token-\(id.store)".utf8)), for: place)
      return InstallationRecord(
        installation: id, state: installation.state, generation: Generation(1),
        sealedToken: installation.state == .uninstalled ? nil : sealed?.bytes,
        scopes: Scopes(installation.scopes), labels: installation.labels, changeNumber: 1)
    }

    func auditUnreadable(_ records: [InstallationRecord]) async throws(PostgresError) {}
  }

  static func run<T: Sendable>(
    adjust: (inout CurlSettings, inout GatewaySettings) -> Void = { _, _ in },
    world: World = World(), calls: Int = 1000, pace: MonotonicClock = .system,
    ledger: KeyedWrites? = nil, script: @escaping MisbehavingServer.Script,
    _ body: @escaping @Sendable (GatewayRig) async throws -> T
  ) async throws -> T {
    var curl = CurlSettings()
    var settings = GatewaySettings(apps: [.default], userAgent: "Latchkey/test")
    adjust(&curl, &settings)
    let (curlSettings, gatewaySettings) = (curl, settings)
    let keyring = try Keyring(parsing: Keyring.makeEntry(try #require(KeyID("k1"))))
    let key = TestKey(
      Grant(app: .default, stores: .all, scopes: .all, abilities: Abilities([.operator])))
    var whole = world
    whole.keys.append(key.record)
    let source = Source(keyring: keyring, world: whole)
    return try await MisbehavingServer.run(script: script) { server in
      let client = try CurlClient(reactor: TestCluster.reactor, settings: curlSettings)
      let directory = StoreDirectory(
        source: source, keyring: keyring, clock: .standing,
        logger: .silent)
      try await directory.refreshNow()
      let origin = try #require(Origin("http://127.0.0.1:\(server.port)"))
      let admission = CallAdmission(limit: calls)
      let usage = UsageBook(loops: TestCluster.reactor.loops)
      let rig = GatewayRig(
        gateway: StoreGateway(
          directory: directory,
          upstream: Upstream(client: client, origin: origin, suspicions: Suspicions()),
          admission: admission, settings: gatewaySettings, pace: pace, ledger: ledger,
          usage: usage,
          logger: .silent),
        admission: admission, usage: usage, directory: directory, settings: gatewaySettings,
        client: client,
        key: key, server: server, ledger: ledger)
      let result: Result<T, any Error>
      do { result = .success(try await body(rig)) } catch { result = .failure(error) }
      await client.shutdown()
      return try result.get()
    }
  }

  /// The same gateway before another server.
  func with(origin: Origin) -> GatewayRig {
    let upstream = Upstream(client: client, origin: origin, suspicions: Suspicions())
    let gateway = StoreGateway(
      directory: directory, upstream: upstream, admission: admission, settings: settings,
      ledger: ledger, usage: usage, logger: .silent)
    return GatewayRig(
      gateway: gateway, admission: admission, usage: usage, directory: directory,
      settings: settings,
      client: client, key: key,
      server: server, ledger: ledger)
  }

  /// The same gateway with a directory that has never been read.
  func withStaleDirectory() throws -> GatewayRig {
    let keyring = try Keyring(parsing: Keyring.makeEntry(try #require(KeyID("k1"))))
    let stale = StoreDirectory(
      source: Source(keyring: keyring, world: World()), keyring: keyring, logger: .silent)
    let origin = try #require(Origin("http://127.0.0.1:\(server.port)"))
    let gateway = StoreGateway(
      directory: stale,
      upstream: Upstream(client: client, origin: origin, suspicions: Suspicions()),
      admission: admission, settings: settings, ledger: nil, usage: usage, logger: .silent)
    return GatewayRig(
      gateway: gateway, admission: admission, usage: usage, directory: stale, settings: settings,
      client: client,
      key: key,
      server: server, ledger: nil)
  }

  func send(
    _ method: HTTPRequest.Method = .get, _ target: String, headers: [(String, String)] = [],
    length: Int? = 0, body: GatewayRequest.Body? = nil, key caller: String? = nil
  ) async throws -> GatewayResponse {
    let fields = try Named.fields([("X-Auth-Token", caller ?? key.text)] + headers)
    let request = GatewayRequest(
      method: method, target: target, headers: fields, contentLength: length, body: body,
      requestID: try Named.requestID("req-7"),
      trace: TraceSource.shared.context(continuing: fields.only(.traceparent)),
      loop: TestCluster.reactor.next(),
      clientAddress: "127.0.0.1")
    return body == nil && Way.current == .lane
      ? await gateway.answerInLane(request) : await gateway.respond(to: request)
  }
}

extension GatewayResponse {
  /// The whole body.
  var bytes: ByteBuffer {
    get async throws {
      switch body {
      case .bytes(let bytes): return bytes
      case .stream(_, let stream):
        var whole = ByteBuffer()
        for try await chunk in stream { whole.writeImmutableBuffer(chunk) }
        return whole
      }
    }
  }

  /// Status, code and outcome of a problem of the gateway's own.
  var summary: String {
    get async throws {
      let json = try JSONScanner.parse(try await bytes.readableBytesView)
      let outcome = json["outcome"]?.string.map { " \($0)" } ?? ""
      return "\(status) \(json["code"]?.string ?? "-")\(outcome)"
    }
  }
}

/// A request body made of pieces, one after the other; it may fail at its end.
func pieces(_ pieces: [ByteBuffer], thenThrow error: (any Error)? = nil) -> GatewayRequest.Body {
  AsyncThrowingStream { continuation in
    for piece in pieces { continuation.yield(piece) }
    continuation.finish(throwing: error)
  }
}
