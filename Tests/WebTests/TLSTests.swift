import Foundation
import TestSupport
import Testing

@testable import Web

@Suite struct `Listeners with TLS` {
  /// A certificate authority, a server's and a client's certificate.
  private static func makeCertificates() throws -> Certificates {
    let certificates = try Certificates()
    try certificates.issue("ca", subject: "/CN=Test authority", signer: nil)
    try certificates.issue("server", subject: "/CN=first", signer: "ca")
    try certificates.issue("client", subject: "/CN=client", signer: "ca")
    return certificates
  }

  private static func command(_ name: String, _ arguments: [String]) throws -> (Int32, String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [name] + arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, output)
  }

  private static func curl(_ port: Int, _ certificates: Certificates, _ more: [String] = [])
    async throws -> (Int32, String)
  {
    let authority = certificates.path("ca.pem")
    return try await blocking {
      try command(
        "curl",
        ["-sv", "--max-time", "5", "--cacert", authority] + more + [
          "https://127.0.0.1:\(port)/livez"
        ])
    }
  }

  @Test
  func
    `a certificate that is read again counts for new connections, and a bad one changes nothing`()
    async throws
  {
    let certificates = try Self.makeCertificates()
    let identity = try TLSIdentity(
      files: .init(
        certificate: certificates.path("server.pem"), key: certificates.path("server.key")))
    var fixture = ListenerFixture()
    fixture.tls = identity
    try await fixture.run { running in
      let first = try await Self.curl(running.internalPort, certificates)
      #expect(first.1.contains("CN=first") && first.1.contains("ok"))
      try certificates.issue("server", subject: "/CN=second", signer: "ca")
      try identity.reload()
      #expect(try await Self.curl(running.internalPort, certificates).1.contains("CN=second"))
      try Data("nonsense".utf8).write(to: URL(fileURLWithPath: certificates.path("server.pem")))
      #expect(throws: TLSIdentityError.self) { () throws in try identity.reload() }
      #expect(try await Self.curl(running.internalPort, certificates).1.contains("CN=second"))
      // Plain HTTP and a client that never finishes its handshake get nothing.
      let plain = try await blocking {
        let connection = try RawConnection(port: running.internalPort)
        connection.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        return connection.receiveToEnd().text
      }
      #expect(!plain.contains("HTTP/1.1"))
    }
  }

  @Test func `a handshake that does not come to an end is cut`() async throws {
    let certificates = try Self.makeCertificates()
    var limits = GuardLimits.internalListener
    limits.headTime = .milliseconds(300)
    var fixture = ListenerFixture()
    fixture.limits = limits
    fixture.tls = try TLSIdentity(
      files: .init(
        certificate: certificates.path("server.pem"), key: certificates.path("server.key")))
    let counters = fixture.internalCounters
    try await fixture.run { running in
      try await blocking {
        let silent = try RawConnection(port: running.internalPort)
        let begun = try RawConnection(port: running.internalPort)
        begun.send([0x16, 0x03, 0x01, 0x02, 0x00, 0x01])
        _ = silent.receiveToEnd()
        _ = begun.receiveToEnd()
        #expect(counters.cuts[.handshake] == 2)
      }
    }
  }

  @Test func `a listener that demands client certificates lets nobody in without one`() async throws
  {
    let certificates = try Self.makeCertificates()
    try certificates.issue("stranger", subject: "/CN=stranger", signer: nil)
    var fixture = ListenerFixture()
    fixture.tls = try TLSIdentity(
      files: .init(
        certificate: certificates.path("server.pem"), key: certificates.path("server.key"),
        clientAuthorities: certificates.path("ca.pem")))
    try await fixture.run { running in
      for (name, isWelcome) in [("client", true), ("stranger", false)] {
        let (status, _) = try await Self.curl(
          running.internalPort, certificates,
          ["--cert", certificates.path("\(name).pem"), "--key", certificates.path("\(name).key")])
        #expect((status == 0) == isWelcome, "\(name)")
      }
      #expect(try await Self.curl(running.internalPort, certificates).0 != 0)
    }
  }
}
