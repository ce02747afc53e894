import Base
import Foundation
import NIOCore
import NIOSSL
import TestSupport
import Testing

@testable import Curl

/// A key and a self-signed certificate, made by openssl in a directory of its own.
struct Certificate: ~Copyable {
  let directory: URL
  var file: String { directory.appending(path: "cert.pem").path }

  /// Makes one for a subject's alternative name, such as `IP:127.0.0.1`.
  init(for name: String, days: Int = 2) throws {
    directory = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    let openssl = Process()
    openssl.executableURL = URL(filePath: "/usr/bin/openssl")
    openssl.currentDirectoryURL = directory
    openssl.arguments =
      ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
      + ["-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=test", "-days", "\(days)"]
      + ["-addext", "subjectAltName=\(name)"]
    openssl.standardError = FileHandle.nullDevice
    try openssl.run()
    openssl.waitUntilExit()
    try #require(openssl.terminationStatus == 0)
  }

  deinit {
    try? FileManager.default.removeItem(at: directory)
  }

  func serverContext() throws -> NIOSSLContext {
    let key = try NIOSSLPrivateKey(file: directory.appending(path: "key.pem").path, format: .pem)
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: try NIOSSLCertificate.fromPEMFile(file).map { .certificate($0) },
      privateKey: .privateKey(key))
    configuration.applicationProtocols = ["http/1.1"]
    return try NIOSSLContext(configuration: configuration)
  }
}

@Suite struct `TLS` {
  private static let script: MisbehavingServer.Script = { connection in
    while true {
      let head = try await connection.readHead()
      if head.hasPrefix("GET /large") {
        try await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n")
        try await connection.send(ByteBuffer(repeating: 9, count: 3_000_000))
      } else {
        try await connection.answer("200 OK", "secret")
      }
    }
  }

  /// Talks to a server with this certificate.
  private func exchange(
    _ name: String, trusted: Bool,
    _ body: @Sendable (CurlClient, Origin, MisbehavingServer) async throws -> Void
  ) async throws {
    let certificate = try Certificate(for: name)
    var settings = CurlSettings()
    if trusted { settings.caFile = certificate.file }
    let context = try certificate.serverContext()
    let final = settings
    try await MisbehavingServer.run(tls: context, script: Self.script) { server in
      try await withClient(final) { client in
        let origin = try #require(Origin("https://127.0.0.1:\(server.port)"))
        try await body(client, origin, server)
      }
    }
    withExtendedLifetime(certificate.file) {}
  }

  @Test func `a certificate that is trusted and fits is accepted`() async throws {
    try await exchange("IP:127.0.0.1", trusted: true) { client, origin, server in
      for _ in 0..<3 {
        let response = try await client.send(CurlRequest(origin: origin, target: "/"))
        #expect(try await response.body.text == "secret")
        let large = try await client.send(CurlRequest(origin: origin, target: "/large"))
        #expect(try await large.body.collect(upTo: .mebibytes(3)).readableBytes == 3_000_000)
      }
      #expect(server.connectionCount == 1)
    }
  }

  @Test func `a certificate that nobody vouches for is refused`() async throws {
    try await exchange("IP:127.0.0.1", trusted: false) { client, origin, server in
      let error = try await failure {
        try await client.send(CurlRequest(origin: origin, target: "/"))
      }
      #expect(error == .tlsFailed)
      #expect(!error.wasSent)
      #expect(server.headCount == 0)
    }
  }

  @Test(arguments: ["DNS:other.example", "IP:127.0.0.2"])
  func `a certificate for another host is refused`(_ name: String) async throws {
    try await exchange(name, trusted: true) { client, origin, server in
      let error = try await failure {
        try await client.send(CurlRequest(origin: origin, target: "/"))
      }
      #expect(error == .tlsFailed)
      #expect(server.headCount == 0)
    }
  }

  @Test func `a server that does not speak TLS gets nothing`() async throws {
    try await withClientAndServer { connection in
      try await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
      try await connection.stall()
    } _: { client, server in
      let origin = try #require(Origin("https://127.0.0.1:\(server.port)"))
      let error = try await failure {
        try await client.send(CurlRequest(origin: origin, target: "/"))
      }
      #expect(error == .tlsFailed)
      #expect(server.headCount == 0)
    }
  }

  @Test func `authorities that cannot be read are a failure`() async throws {
    var settings = CurlSettings()
    settings.caFile = "/nonexistent/ca.pem"
    try await withClientAndServer(settings) { connection in
      try await connection.stall()
    } _: { client, server in
      let origin = try #require(Origin("https://127.0.0.1:\(server.port)"))
      let error = try await failure {
        try await client.send(CurlRequest(origin: origin, target: "/"))
      }
      #expect(error == .tlsFailed)
    }
  }
}
