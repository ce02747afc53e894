import Base
import LatchkeyApp
import Linux
import TestSupport
import Testing

/// The least that `serve` starts with.
let minimal = [
  "BIGCOMMERCE_CLIENT_ID": "client-1", "BIGCOMMERCE_CLIENT_SECRET": "hush-hush-secret",
  "APP_ORIGIN": "https://app.example.com",
]

/// The names of the settings that are reported as wrong.
func problems(_ changes: [String: String?]) -> [String] {
  do throws(SettingsProblems) {
    _ = try settings(changes)
    return []
  } catch {
    return error.problems.map(\.name)
  }
}

/// The minimal settings with some changed, or removed by `nil`.
func settings(_ changes: [String: String?] = [:]) throws(SettingsProblems) -> Settings {
  var environment = minimal
  for (name, value) in changes { environment[name] = value }
  return try Settings(reading: environment)
}

@Suite struct `Reading settings` {
  @Test func `the least that is needed gives the documented defaults`() throws {
    let settings = try settings()
    #expect(settings.core.apps.map(\.name) == [.default])
    #expect(settings.platform.login.text == "https://login.bigcommerce.com")
    #expect(settings.platform.api.text == "https://api.bigcommerce.com")
    #expect(settings.publicListener.address.description == "127.0.0.1:8080")
    #expect(settings.internalListener.address.description == "127.0.0.1:8081")
    #expect(settings.drainDelay == .seconds(5))
    #expect(settings.spools)
    guard case .ownCluster(connections: 8) = settings.core.database else {
      Issue.record("expected the private cluster")
      return
    }
  }

  @Test func `all problems are reported together, by name`() {
    #expect(
      problems([
        "APP_ORIGIN": nil, "BIGCOMMERCE_CLIENT_SECRET": nil, "LATCHKEY_LOG_LEVEL": "loud",
        "LATCHKEY_DRAIN_DELAY": "5", "LATCHKEY_BRAND_COLOR": "red",
      ]) == [
        "APP_ORIGIN", "BIGCOMMERCE_CLIENT_SECRET", "LATCHKEY_BRAND_COLOR", "LATCHKEY_DRAIN_DELAY",
        "LATCHKEY_LOG_LEVEL",
      ])
  }

  @Test func `nothing at all names what is needed`() {
    #expect(
      throws: SettingsProblems([
        .init("APP_ORIGIN", "is needed: the public origin, such as https://app.example.com"),
        .init(
          "BIGCOMMERCE_CLIENT_ID", "is needed, or an entry in `apps` of the file in LATCHKEY_CONFIG"
        ),
      ])
    ) { try Settings(reading: [:]) }
  }

  @Test(arguments: [
    ("BC_CLIENT_ID", "BC_CLIENT_SECRET"), ("CLIENT_ID", "CLIENT_SECRET"),
  ])
  func `aliases mean the same`(_ id: String, _ secret: String) throws {
    let settings = try Settings(reading: [
      id: "client-2", secret: "s", "APP_ORIGIN": "https://a.example",
    ])
    #expect(settings.core.apps.first?.clientID == "client-2")
  }

  @Test func `two aliases with the same value are fine, with different values an error`() throws {
    _ = try settings(["CLIENT_ID": "client-1"])
    #expect(problems(["CLIENT_ID": "client-2"]) == ["BIGCOMMERCE_CLIENT_ID"])
    #expect(problems(["BC_CLIENT_SECRET": "other"]) == ["BIGCOMMERCE_CLIENT_SECRET"])
  }

  @Test(arguments: [
    "BIGCOMMERCE_CLIENT_SECRET", "DATABASE_URL", "CREDENTIALS_ENCRYPTION_KEY", "APP_ORIGIN",
    "LATCHKEY_LOG_LEVEL", "BIGCOMMERCE_CLIENT_ID",
  ])
  func `an empty value is no value, and said so`(_ name: String) {
    #expect(problems([name: ""]).contains(name))
  }

  @Test func `an external database needs the key that seals`() throws {
    let key = "k1:" + Base64.encode([UInt8](repeating: 7, count: 32))
    #expect(problems(["DATABASE_URL": "postgresql://db/x"]) == ["CREDENTIALS_ENCRYPTION_KEY"])
    _ = try settings(["DATABASE_URL": "postgresql://db/x", "CREDENTIALS_ENCRYPTION_KEY": key])
    for wrong in ["k1", "k1:AAAA", ":\(key.dropFirst(3))", "\(key),\(key)", "\(key),", "\(key)\r"] {
      #expect(
        problems(["CREDENTIALS_ENCRYPTION_KEY": wrong]) == ["CREDENTIALS_ENCRYPTION_KEY"],
        "\(wrong)")
    }
    _ = try settings(["CREDENTIALS_ENCRYPTION_KEY": "\(key),k2:\(key.dropFirst(3))"])
  }

  @Test(arguments: ["0.0.0.0:8081", "[::]:8081", "10.1.2.3:8081"])
  func `the internal listener does not leave the machine unencrypted by accident`(
    _ address: String
  ) throws {
    #expect(problems(["LATCHKEY_INTERNAL_ADDRESS": address]) == ["LATCHKEY_INTERNAL_ADDRESS"])
    _ = try settings([
      "LATCHKEY_INTERNAL_ADDRESS": address, "LATCHKEY_INSECURE_INTERNAL": "true",
    ])
  }

  @Test func `the listeners cannot share an address, but both may take any free port`() throws {
    #expect(
      problems(["LATCHKEY_PUBLIC_ADDRESS": "localhost:8081"]) == ["LATCHKEY_INTERNAL_ADDRESS"])
    let free = "127.0.0.1:0"
    _ = try settings(["LATCHKEY_PUBLIC_ADDRESS": free, "LATCHKEY_INTERNAL_ADDRESS": free])
  }

  @Test func `a certificate without its key is half a setting, an unreadable one none`() {
    #expect(problems(["LATCHKEY_PUBLIC_TLS_CERT": "/etc/hostname"]) == ["LATCHKEY_PUBLIC_TLS_KEY"])
    #expect(
      problems([
        "LATCHKEY_INTERNAL_TLS_CERT": "/etc/hostname", "LATCHKEY_INTERNAL_TLS_KEY": "/nope",
      ])
        == ["LATCHKEY_INTERNAL_TLS_KEY"])
    #expect(
      problems(["LATCHKEY_INTERNAL_TLS_CLIENT_CA": "/etc/hostname"]) == [
        "LATCHKEY_INTERNAL_TLS_CLIENT_CA"
      ])
  }

  @Test func `further callback paths are taken unless they mean two things`() throws {
    let settings = try settings(["LATCHKEY_CALLBACK_PATHS": "install=/api/auth,load=/api/load"])
    #expect(settings.callbackPaths == [.init(.install, "/api/auth"), .init(.load, "/api/load")])
    for wrong in [
      "install=/auth", "load=/x,uninstall=/x", "load=x", "load=/a/../b", "load=/a//b", "load=/a/",
      "open=/x", "load=/stores/x", "load=/a%2fb", "load=/a?b", "load", "", "load=/auth/install",
    ] {
      #expect(
        problems(["LATCHKEY_CALLBACK_PATHS": wrong]) == ["LATCHKEY_CALLBACK_PATHS"], "\(wrong)")
    }
  }

  @Test func `plain http is for loopback only`() throws {
    _ = try settings(["APP_ORIGIN": "http://127.0.0.1:8080"])
    for name in ["APP_ORIGIN", "APP_URL", "BIGCOMMERCE_API_URL", "BIGCOMMERCE_LOGIN_URL"] {
      #expect(problems([name: "http://app.example.com"]) == [name])
    }
  }
}

@Suite struct `Names of settings` {
  @Test(arguments: [
    ("LATCHKEY_LOGLEVEL", "LATCHKEY_LOG_LEVEL"), ("LATCHKEY_LOG_LEVLE", "LATCHKEY_LOG_LEVEL"),
    ("LATCHKEY_DATADIR", "LATCHKEY_DATA_DIR"), ("LATCHKEY_PUBLIC_ADDR", "LATCHKEY_PUBLIC_ADDRESS"),
    ("LATCHKEY_TRUSTED_PROXY", "LATCHKEY_TRUSTED_PROXIES"),
  ])
  func `an unknown one is an error that names the nearest`(_ typo: String, _ meant: String) {
    #expect(
      throws: SettingsProblems([.init(typo, "is no setting; did you mean \(meant)?")])
    ) { try settings([typo: "x"]) }
  }

  @Test(arguments: [
    "LATCHKEY_SERVICE_HOST", "LATCHKEY_SERVICE_PORT", "LATCHKEY_SERVICE_PORT_HTTP", "LATCHKEY_PORT",
    "LATCHKEY_PORT_8080_TCP", "LATCHKEY_PORT_8080_TCP_ADDR", "LATCHKEY_INTERNAL_PORT_8081_TCP_PORT",
    "LATCHKEY_INTERNAL_SERVICE_HOST", "LATCHKEY_PORT_53_UDP_PROTO",
  ])
  func `what Kubernetes injects for a Service is not a typo`(_ name: String) throws {
    _ = try settings([name: "tcp://10.0.0.1:8080"])
  }

  @Test func `names of others are left alone`() throws {
    _ = try settings(["BIGCOMMERCE_STORE_HASH": "abc", "PATH": "/bin", "LATCHKEYS": "x"])
  }
}

@Suite struct `Secrets in settings` {
  private func file(_ name: String, _ content: String) throws -> String {
    let path = try temporaryDirectory("settings") + "/" + name
    _ = try SmallFile.createPrivate(path, Array(content.utf8))
    return path
  }

  @Test func `may come from a file with one line`() throws {
    for (index, content) in ["from-a-file", "from-a-file\n"].enumerated() {
      let path = try file("secret\(index)", content)
      let settings = try settings([
        "BIGCOMMERCE_CLIENT_SECRET": nil, "BC_CLIENT_SECRET_FILE": path,
      ])
      #expect(settings.core.apps.first?.clientSecret.expose() == "from-a-file")
    }
  }

  @Test func `a file that is missing, empty, of two lines or with a carriage return is refused`()
    throws
  {
    let key = "k1:" + Base64.encode([UInt8](repeating: 7, count: 32))
    let faults = [
      "/nope": "open /nope: No such file or directory",
      try file("empty", ""): "the file is empty",
      try file("two", "a\nb"): "the file has more than one line",
      try file("crlf", key + "\r\n"):
        "the file has a carriage return (Windows line ending); write it with LF only",
      try file("short", String(key.dropLast(3))):
        "expected id:base64 of 32 bytes, several separated by commas, every id once",
    ]
    for (path, text) in faults {
      #expect(throws: SettingsProblems([.init("CREDENTIALS_ENCRYPTION_KEY_FILE", text)])) {
        try settings(["CREDENTIALS_ENCRYPTION_KEY_FILE": path])
      }
    }
  }

  @Test func `given twice they must agree`() throws {
    let path = try file("other", "other")
    #expect(
      problems(["BIGCOMMERCE_CLIENT_SECRET_FILE": path]) == ["BIGCOMMERCE_CLIENT_SECRET"])
  }

  @Test func `do not show in a dump, in the effective settings or in a problem`() throws {
    let key = "k1:" + Base64.encode([UInt8](repeating: 99, count: 32))
    let environment: [String: String?] = [
      "BIGCOMMERCE_CLIENT_SECRET": "canary-one", "BIGCOMMERCE_CLIENT_SECRET_OLD": "canary-two",
      "DATABASE_URL": "postgresql://u:canary-three@db/x", "CREDENTIALS_ENCRYPTION_KEY": key,
      "LATCHKEY_KEY": "canary-four",
    ]
    let settings = try settings(environment)
    var dumped = ""
    dump(settings, to: &dumped)
    let shown = dumped + "\(settings)" + String(reflecting: settings)
    for canary in ["canary-", String(key.dropFirst(3))] { #expect(!shown.contains(canary)) }
    for name in environment.keys {
      #expect(settings.effective.first { $0.name.rawValue == name }?.text == "<redacted>")
    }
  }
}
