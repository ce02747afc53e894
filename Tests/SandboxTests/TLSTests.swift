import Base
import Curl
import Foundation
import HTTPTypes
import NIOSSL
import Sandbox
import TestSupport
import Testing

@Suite struct `TLS` {
  /// A certificate for 127.0.0.1 that nobody but the test trusts.
  private func withCertificate(
    _ body: (_ certificate: String, _ key: String) async throws -> Void
  ) async throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "sandbox-tls-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let certificate = folder.appending(path: "cert.pem").path
    let key = folder.appending(path: "key.pem").path
    let made = try await ProgramRun.of([
      "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
      "-nodes", "-days", "2", "-subj", "/CN=sandbox", "-addext", "subjectAltName=IP:127.0.0.1",
      "-keyout", key, "-out", certificate,
    ])
    try #require(made.status == 0, "\(made.output)")
    try await body(certificate, key)
  }

  @Test func `with certificate and key every port speaks TLS`() async throws {
    try await withCertificate { certificate, key in
      var settings = CurlSettings()
      settings.caFile = certificate
      try await withSandbox(
        {
          $0.certificateFile = certificate
          $0.privateKeyFile = key
        }, curl: settings
      ) { client in
        #expect(client.sandbox.origin.hasPrefix("https://"))
        let app = try await client.authorised()
        #expect(try await app.get("/stores/demo1234/v2/store").status == 200)
        let order = try await app.json(
          .post, "/stores/demo1234/v2/orders",
          [
            "billing_address": ["first_name": "Jane"],
            "products": [["product_id": 101, "quantity": 1]],
          ])
        #expect(order.header("Location")?.hasPrefix(client.sandbox.origin + "/stores/") == true)
      }
    }
  }

  @Test func `apps behind TLS are called, when their certificate is trusted`() async throws {
    try await withCertificate { certificate, key in
      let context = try NIOSSLContext(
        configuration: .makeServerConfiguration(
          certificateChain: try NIOSSLCertificate.fromPEMFile(certificate)
            .map { .certificate($0) },
          privateKey: .privateKey(try NIOSSLPrivateKey(file: key, format: .pem))))
      try await MisbehavingServer.run(
        tls: context,
        script: { connection in
          _ = try await connection.readHead()
          try await connection.answer("200 OK", "{}")
        }
      ) { server in
        let app = demoApp(origin: "https://127.0.0.1:\(server.port)")
        for trust in [certificate, nil] {
          try await withSandbox({
            $0.apps = [app]
            $0.trustFile = trust
          }) { client in
            let answer = try await client.control("uninstall")
            #expect((answer["status"] == 200) == (trust != nil))
          }
        }
      }
    }
  }

  @Test func `webhooks go to TLS destinations whose certificate is trusted`() async throws {
    try await withCertificate { certificate, key in
      let context = try NIOSSLContext(
        configuration: .makeServerConfiguration(
          certificateChain: try NIOSSLCertificate.fromPEMFile(certificate)
            .map { .certificate($0) },
          privateKey: .privateKey(try NIOSSLPrivateKey(file: key, format: .pem))))
      let receiver = HookReceiver()
      try await MisbehavingServer.run(
        tls: context, script: { try await receiver.serve($0) }
      ) { server in
        for trust in [certificate, nil] {
          try await withSandbox({ $0.trustFile = trust }) { client in
            let bench = HookBench(
              client: try await client.authorised(), receiver: receiver, server: server)
            try await bench.register("store/*", at: "https://127.0.0.1:\(server.port)/")
            try await bench.fire("store/order/created", ["count": 40])
            try await bench.wait(40, "attempts")
            let failures = Set(try await bench.attempts().map { $0["failure"]?.string })
            #expect(failures == [trust == nil ? "tls" : nil])
          }
        }
      }
      #expect(receiver.all.count == 40)
    }
  }
}
