import Base
import Curl
import HTTPTypes
import Linux
package import Logging
import NIOCore
import NIOPosix
import Postgres
import PrivatePostgres
import Reactor
import Storage
import Vault

/// Looks at everything that the service depends on, and changes nothing.
package struct Doctor: Sendable {
  private let settings: Settings
  private let environment: [String: String]
  private let logger: Logger

  /// Tries each dependency once, each within its own deadline, about 15 s at most.
  package static func run(
    _ settings: Settings, environment: [String: String], logger: Logger
  ) async -> DoctorReport {
    let doctor = Doctor(settings: settings, environment: environment, logger: logger)
    let loops = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let found: [DoctorReport.Check]
    do throws(ReactorError) {
      let reactor = try Reactor(loops: Array(loops.makeIterator()))
      found = await doctor.dependencies(reactor)
      await reactor.shutdown()
    } catch {
      found = [.init("event_loops", .failed, "\(error)")]
    }
    do {
      try await loops.shutdownGracefully()
    } catch {
      logger.debug("The event loops did not end", error: error)
    }
    return DoctorReport(settings: settings.effective, checks: doctor.process() + found)
  }

  // MARK: This process

  private func process() -> [DoctorReport.Check] {
    let state = ProcessHardening.state()
    let backtrace = environment["SWIFT_BACKTRACE"] ?? ""
    let isQuiet = backtrace.split(separator: ",").contains("enable=no")
    let internalAddress = settings.internalListener.address
    var checks: [DoctorReport.Check] = [
      state.coreDumpsPossible
        ? .init(
          "core_dumps", .failed,
          "this process could leave its memory, which holds tokens, in a file")
        : .init("core_dumps", .ok, "off"),
      isQuiet
        ? .init("backtraces", .ok, "off")
        : .init(
          "backtraces", .failed,
          "a crash would print memory, which holds tokens: set SWIFT_BACKTRACE=enable=no"),
      state.descriptors >= 4096
        ? .init("descriptors", .ok, "\(state.descriptors)")
        : .init(
          "descriptors", .warning,
          "only \(state.descriptors) connections and files at once; raise the limit (LimitNOFILE, ulimit -n)"
        ),
    ]
    if settings.internalListener.tls == nil && !internalAddress.isLoopback {
      checks.append(
        .init(
          "internal_listener", .warning,
          "\(internalAddress) is plain HTTP beyond this machine; make sure that only trusted peers reach it"
        ))
    }
    return checks
  }

  // MARK: What it depends on

  private func dependencies(_ reactor: Reactor) async -> [DoctorReport.Check] {
    var curlSettings = CurlSettings()
    curlSettings.caFile = settings.platform.caFile
    let keyring: Result<Keyring, KeyringFileError> = keyring()
    async let database = database(reactor, try? keyring.get())
    let platform: [DoctorReport.Check]
    do throws(CurlError) {
      let client = try CurlClient(reactor: reactor, settings: curlSettings)
      async let login = reach("login_host", settings.platform.login, client)
      async let api = reach("api_host", settings.platform.api, client)
      platform = [
        .init("libcurl", .ok, "looks names up in the background, has TLS"), await login, await api,
      ]
      await client.shutdown()
    } catch {
      platform = [.init("libcurl", .failed, Doctor.words(for: error))]
    }
    return platform + [Doctor.keyringCheck(keyring)] + (await database)
  }

  private func reach(
    _ name: String, _ origin: Origin, _ client: CurlClient
  ) async -> DoctorReport.Check {
    let request = CurlRequest(
      origin: origin, target: "/", firstByteTimeout: .seconds(10), totalTimeout: .seconds(12))
    do throws(CurlError) {
      _ = try await client.send(request)
      return .init(name, .ok, "\(origin) answers")
    } catch .tooLarge {
      return .init(name, .ok, "\(origin) answers")
    } catch {
      return .init(name, .failed, "\(origin): \(Doctor.words(for: error))")
    }
  }

  private static func words(for error: CurlError) -> String {
    switch error {
    case .resolveFailed: "the name has no address; look at DNS"
    case .connectFailed: "refuses connections"
    case .connectTimeout: "cannot be reached within 3 s; look at firewalls and routes"
    case .tlsFailed:
      "TLS failed: not TLS, or a certificate that is not trusted (BIGCOMMERCE_CA_FILE)"
    case .tlsTimeout: "the TLS handshake took longer than 5 s"
    case .firstByteTimeout, .totalTimeout, .stalled: "connects, but does not answer within 10 s"
    case .unusableLibrary(let reason): reason
    default: "does not speak HTTP as it should (\(error))"
    }
  }

  // MARK: Keyring

  /// The key as it is; one that is not made yet is not made.
  private func keyring() -> Result<Keyring, KeyringFileError> {
    Result { () throws(KeyringFileError) in
      switch settings.core.encryptionKey {
      case .given: try settings.core.encryptionKey.keyring()
      case .file(let path): try KeyringFile(path: path).open()
      }
    }
  }

  private static func keyringCheck(
    _ keyring: Result<Keyring, KeyringFileError>
  ) -> DoctorReport.Check {
    switch keyring {
    case .success(let ring):
      return .init(
        "keyring", .ok,
        "seals with \(ring.sealingKeyID), opens \(ring.keyIDs.map(\.text).joined(separator: ", "))")
    case .failure(.system(let error)) where error.isMissing:
      return .init("keyring", .warning, "\(error.path) is not made yet; `latchkey serve` makes it")
    case .failure(let error): return .init("keyring", .failed, "\(error)")
    }
  }
}

// MARK: Database

extension Doctor {
  private func database(_ reactor: Reactor, _ keyring: Keyring?) async -> [DoctorReport.Check] {
    switch settings.core.database {
    case .external(let connectionString, _):
      return await look(at: connectionString, reactor, keyring)
    case .ownCluster:
      let directory = settings.core.clusterDirectory
      guard Directory.facts(directory + "/data/PG_VERSION") != nil else {
        return [
          .init("database", .warning, "\(directory) is not made yet; `latchkey serve` makes it")
        ]
      }
      let cluster = PrivateCluster(directory: directory, logger: logger)
      do throws(PrivatePostgresError) {
        let checks = await look(at: Secret(try await cluster.start()), reactor, keyring)
        try await cluster.stop()
        return checks
      } catch {
        return [.init("database", .failed, "\(error)")]
      }
    }
  }

  private func look(
    at connectionString: Secret<String>, _ reactor: Reactor, _ keyring: Keyring?
  ) async -> [DoctorReport.Check] {
    let database = Database(
      settings: DatabaseSettings(connectionString: connectionString, connections: 1),
      reactor: reactor, logger: logger)
    let checks = await look(at: database, keyring)
    await database.close()
    return checks
  }

  private func look(at database: Database, _ keyring: Keyring?) async -> [DoctorReport.Check] {
    var checks: [DoctorReport.Check] = []
    do throws(PostgresError) {
      let problems = try await DatabaseHealth.check(database)
      checks.append(
        problems.isEmpty
          ? .init("database", .ok, "reachable; keeps what it confirms")
          : .init("database", .failed, problems.map(\.description).joined(separator: "; ")))
    } catch {
      return [.init("database", .failed, Doctor.words(for: error))]
    }
    do throws(MigrationError) {
      try await Migrator(Migrations.all, logger: logger).verify(on: database)
      checks.append(.init("migrations", .ok, "all \(Migrations.all.count) applied"))
    } catch {
      return checks + [.init("migrations", .failed, "\(error)")]
    }
    if let keyring { checks.append(await canaries(database, keyring)) }
    return checks
  }

  private func canaries(_ database: Database, _ keyring: Keyring) async -> DoctorReport.Check {
    do throws(KeyringMismatch) {
      try await VaultInventory(database: database, keyring: keyring).check(plantsCanaries: false)
      return .init(
        "keyring_canaries", .ok, "every key that sealed something is loaded and the right one")
    } catch {
      return .init("keyring_canaries", .failed, error.advice)
    }
  }

  private static func words(for error: PostgresError) -> String {
    switch error {
    case .unavailable, .connectionLost:
      "cannot be reached, or refuses the user: look at DATABASE_URL, the network and the server's log"
    case .overloaded: "does not answer within 5 s"
    default: "\(error)"
    }
  }
}

extension KeyringMismatch {
  /// What is wrong and what to do, for the operator.
  package var advice: String {
    switch self {
    case .database(let error): "the keyring could not be checked: \(error)"
    case .missingKeys(let ids):
      "tokens are sealed with \(ids.joined(separator: ", ")), which CREDENTIALS_ENCRYPTION_KEY does not name; "
        + "add the key, or run `latchkey vault rewrap` where it is loaded"
    case .wrongKeys(let ids):
      "\(ids.joined(separator: ", ")) in CREDENTIALS_ENCRYPTION_KEY is another key than the one that sealed; "
        + "restore the right one"
    }
  }
}

extension CoreSettings {
  /// Where the private PostgreSQL lives.
  package var clusterDirectory: String { dataDirectory + "/postgres" }
}
