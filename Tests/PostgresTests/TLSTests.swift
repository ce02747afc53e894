import Base
import Linux
import Postgres
import PrivatePostgres
import TestSupport
import Testing

/// A server on TCP that takes nobody without TLS, unless it has none.
private struct TLSServer: Sendable {
  let cluster: PrivateCluster
  let port: UInt16

  /// `certificate` names files of the folder; `nil` makes a server that knows no TLS.
  static func with<T: Sendable>(
    _ certificate: String?, of certificates: Certificates, _ body: (TLSServer) async throws -> T
  ) async throws -> T {
    let port = try freePort()
    let rules = certificates.path("hba-\(port).conf")
    let kind = certificate == nil ? "host" : "hostssl"
    try SmallFile.replace(
      rules, with: "local all all trust\n\(kind) all all 127.0.0.1/32 trust\n",
      owner: ServerUser.forThisProcess().account)
    var further = ["listen_addresses": "127.0.0.1", "port": "\(port)", "hba_file": rules]
    if let certificate {
      let key = certificates.path(certificate + ".key")
      if let account = try ServerUser.forThisProcess().account {
        try Directory.give(key, userID: account.userID, groupID: account.groupID)
      }
      further["ssl"] = "on"
      further["ssl_cert_file"] = certificates.path(certificate + ".pem")
      further["ssl_key_file"] = key
    }
    return try await withOwnCluster(ClusterSettings(further: further, isThrowaway: true)) {
      try await body(TLSServer(cluster: $0, port: port))
    }
  }

  /// Whether its databases take writes by default.
  func setReadOnly(_ isReadOnly: Bool) async throws {
    let settings = DatabaseSettings(
      connectionString: Secret(
        "host=\(cluster.socketDirectory) port=\(port) dbname=latchkey user=postgres"))
    try await withOpenDatabase(settings) { administrator in
      _ = try await administrator.transaction([
        Statement("SET TRANSACTION READ WRITE"),
        isReadOnly
          ? Statement("ALTER DATABASE latchkey SET default_transaction_read_only = on")
          : Statement("ALTER DATABASE latchkey RESET default_transaction_read_only"),
      ])
    }
  }
}

@Suite struct `PostgreSQL over TLS` {
  /// An authority, a stranger's authority, and servers' certificates by the first.
  private static func makeCertificates() throws -> Certificates {
    let certificates = try Certificates()
    try certificates.issue("ca", subject: "/CN=Authority", signer: nil)
    try certificates.issue("stranger", subject: "/CN=Stranger", signer: nil)
    for (name, host) in [
      ("local", "localhost"), ("one", "one.example"), ("two", "two.example"),
    ] {
      try certificates.issue(
        name, subject: "/CN=\(host)", alternativeName: "DNS:\(host)", signer: "ca")
    }
    return certificates
  }

  private func settings(_ keywords: String) -> DatabaseSettings {
    var settings = DatabaseSettings(
      connectionString: Secret("\(keywords) dbname=latchkey user=latchkey"), connections: 2)
    settings.acquireTimeout = .seconds(1)
    return settings
  }

  /// The port of the server that answers, which must use TLS.
  private func answeringPort(_ database: Database) async throws -> String {
    let row = try await database.query(
      Statement(
        """
        SELECT ssl, current_setting('port') AS port FROM pg_stat_ssl WHERE pid = pg_backend_pid()
        """)
    ).rows[0]
    #expect(try row.decode("ssl", as: Bool.self))
    return try row.decode("port")
  }

  private struct NotRefused: Error {}

  /// What the log says of a server that must not be used.
  private func refusal(_ keywords: String) async throws -> String {
    let lines = LogLines()
    let database = Database(
      settings: settings(keywords), reactor: TestCluster.reactor, logger: lines.logger)
    let result: Result<QueryResult, PostgresError>
    do throws(PostgresError) {
      result = .success(try await database.query(Statement("SELECT 1")))
    } catch {
      result = .failure(error)
    }
    guard case .failure(.unavailable) = result else { throw NotRefused() }
    await database.close()
    return lines.text
  }

  @Test func `a server with the right certificate is used, by name and by address`() async throws {
    let certificates = try Self.makeCertificates()
    let trust = "sslmode=verify-full sslrootcert=\(certificates.path("ca.pem"))"
    try await TLSServer.with("local", of: certificates) { server in
      for host in ["host=localhost", "host=localhost hostaddr=127.0.0.1"] {
        try await withOpenDatabase(settings("\(host) port=\(server.port) \(trust)")) { database in
          #expect(try await answeringPort(database) == "\(server.port)")
          // Answers of all lengths around those of TLS records and buffers.
          for length in stride(from: 4_000, to: 70_000, by: 997) + [3_000_000] {
            let row = try await database.query(
              Statement("SELECT repeat('x', $1::int) AS text", [length])
            ).rows[0]
            #expect(try row.decode("text", as: String.self).utf8.count == length)
          }
        }
      }
    }
  }

  @Test func `a server with the wrong certificate is refused, and the log says why`() async throws {
    let certificates = try Self.makeCertificates()
    let own = "sslrootcert=\(certificates.path("ca.pem"))"
    try await TLSServer.with("one", of: certificates) { server in
      let place = "host=localhost port=\(server.port)"
      let otherAuthority = try await refusal(
        "\(place) sslmode=verify-full sslrootcert=\(certificates.path("stranger.pem"))")
      #expect(otherAuthority.contains("certificate verify failed"))
      let otherName = try await refusal("\(place) sslmode=verify-full \(own)")
      #expect(
        otherName.contains(
          "server certificate for \"one.example\" does not match host name \"localhost\""))
      // The address that we give to libpq is not what the certificate must be for, and no way
      // around the name.
      let otherAddress = try await refusal(
        "host=two.example hostaddr=127.0.0.1 port=\(server.port) sslmode=verify-full \(own)")
      #expect(otherAddress.contains("does not match host name \"two.example\""))
      let noFile = try await refusal(
        "\(place) sslmode=verify-full sslrootcert=\(certificates.path("missing.pem"))")
      #expect(noFile.contains("missing.pem\" does not exist"))
    }
  }

  @Test func `a server without TLS is refused where TLS is required`() async throws {
    let certificates = try Self.makeCertificates()
    try await TLSServer.with(nil, of: certificates) { server in
      let place = "host=localhost port=\(server.port)"
      let required = try await refusal("\(place) sslmode=require")
      #expect(required.contains("server does not support SSL, but SSL was required"))
      // It is the mode that refuses, and not the server.
      try await withOpenDatabase(settings("\(place) sslmode=prefer")) { database in
        _ = try await database.query(Statement("SELECT 1"))
      }
    }
  }

  @Test func `of several hosts the one that takes writes is found, each by its own name`()
    async throws
  {
    let certificates = try Self.makeCertificates()
    let trust =
      "target_session_attrs=read-write sslmode=verify-full sslrootcert=\(certificates.path("ca.pem"))"
    try await TLSServer.with("one", of: certificates) { one in
      try await TLSServer.with("two", of: certificates) { two in
        let places = "hostaddr=127.0.0.1,127.0.0.1 port=\(one.port),\(two.port) \(trust)"
        for (readOnly, writable) in [(one, two), (two, one)] {
          try await readOnly.setReadOnly(true)
          let hosts = settings("host=one.example,two.example \(places)")
          let port = try await withOpenDatabase(hosts) { try await answeringPort($0) }
          #expect(port == "\(writable.port)")
          try await readOnly.setReadOnly(false)
        }
        // A certificate of the same authority is not good for another host of the list.
        let swapped = try await refusal("host=two.example,one.example \(places)")
        #expect(swapped.contains("does not match host name \"two.example\""))
        #expect(swapped.contains("does not match host name \"one.example\""))
      }
    }
  }
}
