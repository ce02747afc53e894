import Base
import Curl
import Fields
import HTTPTypes
import Logging
import Postgres
import Storage
import TestSupport
import Testing
import Upstream
import Vault

/// Upstream's parts on a real database and a real server that plays BigCommerce.
struct Rig: Sendable {
  let database: Database
  let keyring: Keyring
  let client: CurlClient
  let origin: Origin
  let suspicions = Suspicions()

  static func run<T: Sendable>(
    script: @escaping MisbehavingServer.Script, _ body: @Sendable (Rig) async throws -> T
  ) async throws -> T {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      try await database.addApp()
      let keyring = try Keyring(parsing: Keyring.makeEntry(try #require(KeyID("k1"))))
      return try await MisbehavingServer.run(script: script) { server in
        let client = try CurlClient(reactor: TestCluster.reactor, settings: CurlSettings())
        let rig = Rig(
          database: database, keyring: keyring, client: client,
          origin: try #require(Origin("http://127.0.0.1:\(server.port)")))
        let result: Result<T, any Error>
        do { result = .success(try await body(rig)) } catch { result = .failure(error) }
        await client.shutdown()
        return try result.get()
      }
    }
  }

  func id(_ store: String) throws -> InstallationID {
    InstallationID(app: .default, store: try #require(StoreHash(store)))
  }

  /// Installs the app with the token `token-{store}`.
  func install(_ stores: [String], scopes: [String] = []) async throws {
    for store in stores {
      let sealed = try keyring.seal(
        Secret(Array("token-\(store)".utf8)),
        for: SealedPlace(.accessToken, of: try id(store), generation: Generation(1)))
      try await database.addInstallation(store, sealedToken: sealed.bytes, scopes: scopes)
    }
  }

  func directory(_ clock: MonotonicClock = .system) -> StoreDirectory {
    StoreDirectory(
      source: StoreSnapshot(database: database), keyring: keyring, clock: clock, logger: .silent)
  }

  func watch(_ directory: StoreDirectory) -> RevocationWatch {
    RevocationWatch(
      revocations: Revocations(database: database), suspicions: suspicions, directory: directory,
      looks: looks(directory, every: .seconds(3600)), logger: .silent)
  }

  func health(
    _ directory: StoreDirectory, every: Duration = .seconds(3600), wall: WallClock = .system
  ) -> HealthWatch {
    HealthWatch(
      checks: StoreChecks(database: database, every: every), looks: looks(directory, every: every),
      directory: directory, suspicions: suspicions, every: every, wall: wall, logger: .silent)
  }

  private func looks(_ directory: StoreDirectory, every: Duration) -> StoreLooks {
    StoreLooks(
      canary: CanaryCall(client: client, origin: origin, directory: directory), keyring: keyring,
      checks: StoreChecks(database: database, every: every), logger: .silent)
  }

  /// Makes one call as the gateway would.
  func call(_ store: String, in directory: StoreDirectory, timeout: Duration = .seconds(5))
    async throws -> Int
  {
    let entry = try #require(directory.current()?.store(try id(store)))
    guard case .open(let token) = entry.token else { throw UpstreamError.notSendable }
    let call = StoreCall(
      store: entry, token: token, method: .get, target: "/stores/\(store)/v3/catalog/products",
      headers: [:],
      body: .none, demand: demand("test", maxWait: .seconds(10)), timeout: timeout, retries: 2)
    return try await Upstream(client: client, origin: origin, suspicions: suspicions).call(call)
      .status
  }
}
