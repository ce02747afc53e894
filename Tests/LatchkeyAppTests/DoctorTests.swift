import Base
import LatchkeyApp
import Linux
import Logging
import Storage
import TestSupport
import Testing
import Vault

@Suite struct `The doctor` {
  private let key = "k1:" + Base64.encode([UInt8](repeating: 7, count: 32))

  /// Verdicts by the name of the check.
  private func verdicts(
    _ changes: [String: String?], environment: [String: String] = ["SWIFT_BACKTRACE": "enable=no"]
  ) async throws -> [String: DoctorReport.Verdict] {
    let report = await Doctor.run(
      try settings(changes), environment: environment, logger: .quiet)
    return Dictionary(uniqueKeysWithValues: report.checks.map { ($0.name, $0.verdict) })
  }

  /// Runs the body with the origin of a server that answers 404 to everything.
  private func withPlatform<T: Sendable>(_ body: @Sendable (String) async throws -> T) async throws
    -> T
  {
    try await MisbehavingServer.run(
      script: { connection in
        _ = try await connection.readHead()
        try await connection.answer("404 Not Found")
      },
      body: { server in try await body("http://127.0.0.1:\(server.port)") })
  }

  @Test func `finds each dependency as it is`() async throws {
    ProcessHardening.forbidCoreDumps()
    try await withTemporaryDatabase(Migrations.all) { (temporary: TemporaryDatabase) in
      try await withPlatform { platform in
        let found = try await verdicts([
          "DATABASE_URL": temporary.connectionString.expose(), "CREDENTIALS_ENCRYPTION_KEY": key,
          "BIGCOMMERCE_LOGIN_URL": platform, "BIGCOMMERCE_API_URL": platform,
        ])
        // Clusters of tests do not sync, and the doctor says so.
        #expect(
          found.filter { $0.key != "descriptors" } == [
            "core_dumps": .ok, "backtraces": .ok, "libcurl": .ok, "login_host": .ok,
            "api_host": .ok,
            "keyring": .ok, "database": .failed, "migrations": .ok, "keyring_canaries": .ok,
          ])
      }
    }
  }

  @Test func `finds hosts and a database that are not there`() async throws {
    let found = try await verdicts(
      [
        "DATABASE_URL": "postgresql://127.0.0.1:1/none", "CREDENTIALS_ENCRYPTION_KEY": key,
        "BIGCOMMERCE_LOGIN_URL": "http://127.0.0.1:1", "BIGCOMMERCE_API_URL": "http://127.0.0.1:1",
      ], environment: [:])
    for name in ["login_host", "api_host", "database", "backtraces"] {
      #expect(found[name] == .failed, "\(name)")
    }
    #expect(found["keyring"] == .ok)
    #expect(found["migrations"] == nil)
  }

  @Test func `finds migrations that are missing, and a key that is another one`() async throws {
    try await withTemporaryDatabase { (temporary: TemporaryDatabase) in
      let found = try await verdicts([
        "DATABASE_URL": temporary.connectionString.expose(), "CREDENTIALS_ENCRYPTION_KEY": key,
        "BIGCOMMERCE_LOGIN_URL": "http://127.0.0.1:1", "BIGCOMMERCE_API_URL": "http://127.0.0.1:1",
      ])
      #expect(found["migrations"] == .failed)
    }
    try await withTemporaryDatabase(Migrations.all) { (temporary: TemporaryDatabase) in
      let right = try Keyring(parsing: Secret(key))
      try await VaultInventory(database: temporary.database, keyring: right).check()
      let wrong = "k1:" + Base64.encode([UInt8](repeating: 8, count: 32))
      let found = try await verdicts([
        "DATABASE_URL": temporary.connectionString.expose(), "CREDENTIALS_ENCRYPTION_KEY": wrong,
        "BIGCOMMERCE_LOGIN_URL": "http://127.0.0.1:1", "BIGCOMMERCE_API_URL": "http://127.0.0.1:1",
      ])
      #expect(found["keyring_canaries"] == .failed)
    }
  }

  @Test func `changes nothing on a machine where nothing was made yet`() async throws {
    let directory = try temporaryDirectory("doctor")
    let found = try await verdicts([
      "LATCHKEY_DATA_DIR": directory + "/data", "BIGCOMMERCE_LOGIN_URL": "http://127.0.0.1:1",
      "BIGCOMMERCE_API_URL": "http://127.0.0.1:1",
    ])
    #expect(found["keyring"] == .warning)
    #expect(found["database"] == .warning)
    #expect(try Directory.names(in: directory) == [])
  }

  @Test func `prints every setting, for people and programs, and no secret`() async throws {
    let settings = try settings([
      "BIGCOMMERCE_CLIENT_SECRET": "canary-secret", "CREDENTIALS_ENCRYPTION_KEY": key,
      "LATCHKEY_DATA_DIR": try temporaryDirectory("doctor") + "/none",
      "BIGCOMMERCE_LOGIN_URL": "http://127.0.0.1:1", "BIGCOMMERCE_API_URL": "http://127.0.0.1:1",
    ])
    let report = await Doctor.run(settings, environment: [:], logger: .quiet)
    let (text, json) = (report.text, report.json.text)
    for shown in [text, json] {
      #expect(!shown.contains("canary-secret"))
      #expect(!shown.contains(key.dropFirst(3)))
      for name in SettingName.allCases { #expect(shown.contains(name.rawValue)) }
    }
    #expect(report.json["healthy"] == false)
    #expect(try JSONScanner.parse(json)["settings"]?.array?.count == settings.effective.count)
  }
}
