import Base
import BigCommerce
import Curl
import Linux
import Logging
import Postgres
import Reactor
import Storage
import Synchronization
import TestSupport
import Vault

@testable import Install
@testable import Spooling

/// A clock that stands where a test puts it.
final class SetClock: Sendable {
  private let moment: Mutex<Timestamp>

  init(_ seconds: Int64) { moment = Mutex(Timestamp(seconds: seconds)) }

  func set(_ seconds: Int64) { moment.withLock { $0 = Timestamp(seconds: seconds) } }

  var wall: WallClock { WallClock { self.moment.withLock { $0 } } }
}

/// One replica with everything that callbacks need, and a login host.
struct Deployment: Sendable {
  /// Where every test's clock begins.
  static let start: Int64 = 1_800_000_000
  static let path = "/auth/callback"
  static let origin = "https://app.example.com"

  let database: Database
  let keyring: Keyring
  let login: LoginServer
  let spool: InstallSpool?
  let callbacks: Callbacks
  let replay: SpoolReplay?
  let sweeper: Sweeper
  let clock: SetClock
  let directory: String

  /// Takes the spool's directory away, as a disk that is gone.
  func breakSpool() async throws {
    try DurableFile.rename("set-aside", to: "../set-aside", in: directory)
    try Some.removeDirectory(directory)
  }

  struct Options: Sendable {
    var appURL: String?
    var hasSpool = true
    var timings = CallbackTimings()
    var keyIDs = ["k1"]
    var requiredScopes = "store_v2_products"
    var logger = Some.logger
    /// In place of the login server's.
    var loginOrigin: Origin?
    /// Wraps the real login host.
    var login: @Sendable (any LoginHost) -> any LoginHost = { $0 }
    var adjust: @Sendable (inout DatabaseSettings) -> Void = { _ in }
  }

  /// Runs the body with a deployment on a database of its own.
  ///
  /// A body needs a `try` of its own: Swift 6.3 takes a closure whose only ones stand in `#expect`
  /// for one that cannot throw.
  static func with(
    _ options: Options = Options(), _ body: @Sendable (Deployment) async throws -> Void
  ) async throws {
    try await withTemporaryDatabase(
      Migrations.all, adjust: { options.adjust(&$0) }
    ) { (temporary: TemporaryDatabase) in
      try await replica(options, temporary.database, body)
    }
  }

  /// Runs the body with a deployment on that database.
  static func replica(
    _ options: Options, _ database: Database, _ body: @Sendable (Deployment) async throws -> Void
  ) async throws {
    try await LoginServer.with { login in
      try await Some.directory { directory in
        guard let origin = options.loginOrigin ?? login.origin else { throw Some.Impossible() }
        let client = try CurlClient(reactor: TestCluster.reactor, settings: CurlSettings())
        let deployment = try await Deployment(
          options, database, login, options.login(CurlLoginHost(client: client, origin: origin)),
          directory)
        do {
          try await body(deployment)
          await client.shutdown()
        } catch {
          await client.shutdown()
          throw error
        }
      }
    }
  }

  private init(
    _ options: Options, _ database: Database, _ login: LoginServer, _ host: any LoginHost,
    _ directory: String
  ) async throws {
    let keys = options.keyIDs.map { id in
      "\(id):\(Base64.encode(Array((id + String(repeating: "*", count: 32)).utf8.prefix(32))))"
    }
    keyring = try Keyring(parsing: Secret(keys.joined(separator: ",")))
    clock = SetClock(Deployment.start)
    self.database = database
    self.directory = directory
    self.login = login
    let logger = options.logger
    spool =
      options.hasSpool
      ? try InstallSpool(directory: directory, keyring: keyring, clock: clock.wall, logger: logger)
      : nil
    callbacks = Callbacks(
      settings: try Deployment.settings(options), database: database, keyring: keyring, login: host,
      spool: spool, clock: clock.wall,
      logger: logger)
    let keyring = keyring
    replay = spool.map {
      SpoolReplay(spool: $0, database: database, keyring: keyring, logger: logger)
    }
    sweeper = Sweeper(database: database, uninstalledDays: 30, logger: logger)
    _ = try await database.query(
      Statement(
        """
        INSERT INTO apps (app_id, client_id, required_scopes) VALUES ('default', 'client-id', '{}')
        ON CONFLICT DO NOTHING
        """))
  }

  static func settings(_ options: Options) throws -> CallbackSettings {
    guard let loginOrigin = Origin("https://login.bigcommerce.com") else { throw Some.Impossible() }
    let app = CallbackApp(
      name: .default, clientID: SignedCallback.clientID,
      clientSecrets: [Secret(SignedCallback.secret)],
      requiredScopes: Scopes(parsing: options.requiredScopes),
      installPaths: [Deployment.path, "/auth", "/apps/default/auth/callback"])
    return CallbackSettings(
      apps: [app], appOrigin: Deployment.origin, appURL: options.appURL, loginOrigin: loginOrigin,
      timings: options.timings)
  }

  // MARK: Callbacks

  static func request(_ path: String, _ query: String) throws -> CallbackRequest {
    CallbackRequest(
      app: .default, path: path, query: query, requestID: try Some.requestID(),
      notes: RequestNotes(trace: TraceSource.shared.begin()), clientAddress: "127.0.0.1")
  }

  static func installQuery(
    _ code: String, store: String = "abc123",
    scope: String = "store_v2_products+store_v2_default", more: String = ""
  ) -> String {
    "code=\(code)&scope=\(scope)&context=stores%2F\(store)&account_uuid=acc\(more)"
  }

  func install(
    _ code: String, store: String = "abc123", path: String = Deployment.path, more: String = ""
  ) async throws -> CallbackAnswer {
    await callbacks.install(
      try Deployment.request(
        path, Deployment.installQuery(code, store: store, more: more)))
  }

  func load(_ signed: SignedCallback) async throws -> CallbackAnswer {
    await callbacks.load(try Deployment.request("/auth/load", signed.query))
  }

  func uninstall(_ signed: SignedCallback) async throws -> CallbackAnswer {
    await callbacks.uninstall(try Deployment.request("/auth/uninstall", signed.query))
  }

  func removeUser(_ signed: SignedCallback) async throws -> CallbackAnswer {
    await callbacks.removeUser(try Deployment.request("/auth/remove_user", signed.query))
  }

  /// A payload signed `offset` seconds after the beginning of the test's time.
  func signed(_ jti: String, at offset: Int64 = 0, user: Int64 = 7) -> SignedCallback {
    SignedCallback(
      userID: user, issuedAt: Timestamp(seconds: Deployment.start + offset), jti: jti)
  }

  // MARK: What is stored

  struct Stored: Sendable, Equatable {
    let state: String
    let generation: Int64
    let token: String?
    let scopes: [String]
  }

  /// The installation's row with its token opened; `nil` when there is none.
  func stored(_ store: String = "abc123") async throws -> Stored? {
    let result = try await database.query(
      Statement(
        """
        SELECT state, generation, sealed_token, scopes FROM installations
        WHERE app_id = 'default' AND store_hash = $1
        """, [store]))
    guard let row = result.rows.first else { return nil }
    let generation = try row.decode("generation", as: Int64.self)
    let place = SealedPlace(
      .accessToken, of: try Some.installation(store), generation: Generation(generation))
    let token = try row.decode("sealed_token", as: [UInt8]?.self).map { bytes in
      let opened = try keyring.open(Sealed(bytes: bytes), for: place)
      return String(decoding: opened.expose(), as: UTF8.self)
    }
    return Stored(
      state: try row.decode("state"), generation: generation, token: token,
      scopes: try row.decode("scopes"))
  }

  /// One number from the database.
  func number(_ statement: Statement) async throws -> Int {
    try await database.query(statement).rows.first?.decode("n", as: Int.self) ?? -1
  }

  func execute(_ statement: Statement) async throws { _ = try await database.query(statement) }

  func attemptStates() async throws -> [String] {
    try await database.query(
      Statement(
        """
        SELECT state || coalesce(':' || failure, '') AS state FROM install_attempts
        ORDER BY attempt_id
        """)
    ).rows.map { try $0.decode("state", as: String.self) }
  }

  func events() async throws -> [String] {
    try await database.query(Statement("SELECT type FROM pending_events ORDER BY pending_id"))
      .rows.map { try $0.decode("type", as: String.self) }
  }

  func audited() async throws -> [String] {
    try await database.query(Statement("SELECT action FROM audit ORDER BY audit_id"))
      .rows.map { try $0.decode("action", as: String.self) }
  }
}

extension CallbackAnswer {
  /// The status that the caller sees.
  var status: Int {
    switch self {
    case .page(let page): page.status
    case .redirect(let status, _): status
    case .acknowledged: 200
    case .refused(let problem): problem.status
    }
  }

  var failure: MerchantPage.Failure? {
    guard case .page(let page) = self, case .failed(let failure) = page.kind else { return nil }
    return failure
  }

  var isConnectedPage: Bool {
    guard case .page(let page) = self, case .connected = page.kind else { return false }
    return page.status == 200
  }

  var isOpenedPage: Bool {
    guard case .page(let page) = self, case .opened = page.kind else { return false }
    return page.status == 200
  }

  /// The ticket in a redirect.
  var ticket: String? {
    guard case .redirect(303, let location) = self,
      let range = location.firstRange(of: "ticket=")
    else { return nil }
    return String(location[range.upperBound...])
  }
}
