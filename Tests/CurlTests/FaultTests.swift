import Base
import Foundation
import HTTPTypes
import NIOCore
import TestSupport
import Testing

@testable import Curl

/// Deadlines short enough to be waited for.
private func hasty(
  connect: Duration = .seconds(5), tls: Duration = .seconds(5), stall: Duration = .seconds(5)
) -> CurlSettings {
  var settings = CurlSettings()
  settings.connectTimeout = connect
  settings.tlsTimeout = tls
  settings.stallTimeout = stall
  return settings
}

private let soon = Duration.milliseconds(500)
private let chunkedHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

/// What a server does after it has read a request, and what the client must say.
struct Fault: CustomTestStringConvertible, Sendable {
  let testDescription: String
  let expected: CurlError
  let act: @Sendable (MisbehavingConnection) async throws -> Void

  init(
    _ name: String, _ expected: CurlError,
    _ act: @escaping @Sendable (MisbehavingConnection) async throws -> Void
  ) {
    testDescription = name
    self.expected = expected
    self.act = act
  }

  init(sending text: String, _ expected: CurlError = .broken, named name: String) {
    self.init(name, expected) { try await $0.send(text) }
  }
}

private let big = 200_000

private let faults: [Fault] = [
  Fault("closes without an answer", .broken) { _ in },
  Fault("resets without an answer", .broken) { try await $0.reset() },
  Fault(sending: "HTTP/1.1 200 OK\r\nContent-Le", named: "closes within the head"),
  Fault("resets within the head", .broken) {
    try await $0.send("HTTP/1.1 200 OK\r\nContent-Le")
    try await $0.reset()
  },
  Fault(
    sending: "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345",
    named: "closes within a small body"),
  Fault(
    sending: "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", named: "closes before a small body"),
  Fault("resets within a small body", .broken) {
    try await $0.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
    try await $0.reset()
  },
  Fault("closes within a large body", .broken) {
    try await $0.send("HTTP/1.1 200 OK\r\nContent-Length: \(big)\r\n\r\n")
    try await $0.send(ByteBuffer(repeating: 7, count: big - 1))
  },
  Fault("resets within a large body", .broken) {
    try await $0.send("HTTP/1.1 200 OK\r\nContent-Length: \(big)\r\n\r\n")
    try await $0.send(ByteBuffer(repeating: 7, count: big - 1))
    try await $0.reset()
  },
  Fault(sending: chunkedHead + "5\r\n12345\r\n", named: "closes before the last chunk"),
  Fault(sending: chunkedHead + "5\r\n123", named: "closes within a chunk"),
  Fault(sending: chunkedHead, named: "closes before the first chunk"),
  Fault(sending: chunkedHead + "x\r\n12345\r\n0\r\n\r\n", named: "chunk size is no number"),
  Fault(sending: chunkedHead + "-5\r\n12345\r\n0\r\n\r\n", named: "chunk size is negative"),
  Fault(
    sending: chunkedHead + "fffffffffffffffff\r\n12345\r\n0\r\n\r\n", named: "chunk size overflows"),
  Fault(sending: chunkedHead + "5\r\n1234567\r\n0\r\n\r\n", named: "chunk is longer than it says"),
  Fault(
    sending: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    named: "length and chunks"),
  Fault(
    sending: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n123456",
    named: "two lengths"),
  Fault(
    sending: "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n", named: "NUL in a header"),
  Fault(
    sending: "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n12345", named: "204 with a body"),
  Fault(sending: "HTTP/1.1 200 OK\r\n\r\nuntil the end", named: "body without an end"),
  Fault(sending: "<html>hello</html>\r\n\r\n", named: "HTTP/0.9"),
  Fault(sending: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\nPRI", named: "101"),
  Fault(
    sending: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", named: "HTTP/2 preface"),
  Fault(
    sending: "HTTP/1.1 200 OK\r\n"
      + (0..<100_000).map { "X-\($0): y\r\n" }.joined() + "Content-Length: 0\r\n\r\n",
    .tooLarge, named: "a hundred thousand headers"),
  Fault(
    sending: "HTTP/1.1 200 OK\r\nX: " + String(repeating: "y", count: 90_000) + "\r\n\r\n",
    .tooLarge, named: "a header of 90 000 bytes"),
  Fault(
    sending: "HTTP/1.1 200 OK\r\nX: " + String(repeating: "y", count: 300_000) + "\r\n\r\n",
    .tooLarge, named: "a header of 300 000 bytes"),
  Fault(
    sending: String(repeating: "HTTP/1.1 100 Continue\r\n\r\n", count: 10_000), .tooLarge,
    named: "interim answers without end"),
  Fault(
    sending: chunkedHead + "0\r\n" + String(repeating: "X: y\r\n", count: 20_000) + "\r\n",
    .tooLarge, named: "trailers without end"),
]

@Suite struct `A server that fails` {
  @Test(arguments: faults)
  func `is reported, and the next request is clean`(_ fault: Fault) async throws {
    let first = Gate()
    try await withClientAndServer { connection in
      let head = try await connection.readHead()
      if head.hasPrefix("GET /good") {
        try await connection.answer("200 OK", "clean")
        try await connection.stall()
      } else {
        try await fault.act(connection)
      }
      await first.open()
    } _: { client, server in
      let error = try await failure {
        try await client.send(server.request()).body.text
      }
      #expect(error == fault.expected)
      #expect(error.wasSent)
      let good = try await client.send(server.request(.get, "/good"))
      #expect(try await good.body.text == "clean")
      #expect(await client.transferCount() == 0)
      try await expectEventually { try socketsConnected(to: server.port) <= 1 }
    }
  }

  @Test func `a thousand interim answers are skipped`() async throws {
    try await withClientAndServer { connection in
      _ = try await connection.readHead()
      try await connection.send(String(repeating: "HTTP/1.1 100 Continue\r\n\r\n", count: 1000))
      try await connection.answer("200 OK", "done")
    } _: { client, server in
      let response = try await client.send(server.request())
      #expect(try await response.body.text == "done")
    }
  }

  @Test(arguments: [
    "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
  ])
  func `bytes behind an answer never become the next one`(_ answer: String) async throws {
    let poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
    let isAnswered = Gate()
    try await withClientAndServer { connection in
      while true {
        let head = try await connection.readHead()
        if head.hasPrefix("GET /at-once") {
          try await connection.send(answer + poison)
        } else if head.hasPrefix("GET /later") {
          try await connection.send(answer)
          await isAnswered.wait()
          try await connection.send(poison)
        } else {
          try await connection.answer("200 OK", "clean")
        }
      }
    } _: { client, server in
      _ = try await client.send(server.request(.get, "/at-once"))
      let next = try await client.send(server.request(.get, "/good"))
      #expect(try await next.body.text == "clean")
      _ = try await client.send(server.request(.get, "/later"))
      await isAnswered.open()
      // The connection on which something came unasked is given up.
      try await expectEventually { try socketsConnected(to: server.port) == 0 }
      let last = try await client.send(server.request(.post, "/good"))
      #expect(try await last.body.text == "clean")
    }
  }

  @Test func `nobody listens`() async throws {
    let closed = try DeafListener(listens: false)
    let port = closed.port
    try await withClient { client in
      let origin = try #require(Origin("http://127.0.0.1:\(port)"))
      let error = try await failure {
        try await client.send(CurlRequest(origin: origin, target: "/"))
      }
      #expect(error == .connectFailed)
      #expect(!error.wasSent)
    }
    withExtendedLifetime(closed.port) {}
  }

  @Test func `a name without an address`() async throws {
    try await withClient { client in
      let origin = try #require(Origin("https://no-such-host.invalid"))
      let error = try await failure {
        try await client.send(CurlRequest(origin: origin, target: "/"))
      }
      #expect(error == .resolveFailed || error == .connectTimeout)
      #expect(!error.wasSent)
    }
  }

  @Test func `an answer larger than allowed is cut off`() async throws {
    try await withClientAndServer { connection in
      let head = try await connection.readHead()
      if head.hasPrefix("GET /length") {
        try await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100001\r\n\r\n")
      } else {
        try await connection.send(chunkedHead)
      }
      let chunk = ByteBuffer(string: "1000\r\n" + String(repeating: "x", count: 4096) + "\r\n")
      while true { try await connection.send(chunk) }
    } _: { client, server in
      for target in ["/length", "/chunks"] {
        var request = try server.request(.get, target)
        request.maxResponseBody = ByteCount(100_000)
        let error = try await failure { try await client.send(request).body.text }
        #expect(error == .tooLarge)
      }
      let response = try await client.send(server.request(.get, "/chunks"))
      let error = try await failure { try await response.body.collect(upTo: .kibibytes(100)) }
      #expect(error == .tooLarge)
      withExtendedLifetime(response) {}
    }
    // Leaving the server's scope shows that it was let go.
  }
}

@Suite struct `A server that stalls` {
  @Test func `before the answer`() async throws {
    try await withClientAndServer { connection in
      _ = try await connection.readHead()
      try await connection.stall()
    } _: { client, server in
      var request = try server.request()
      request.firstByteTimeout = soon
      #expect(try await failure { try await client.send(request) } == .firstByteTimeout)
      try await expectEventually { try socketsConnected(to: server.port) == 0 }
    }
  }

  @Test func `within the head`() async throws {
    try await withClientAndServer { connection in
      _ = try await connection.readHead()
      try await connection.send("HTTP/1.1 200 OK\r\n")
      try await connection.stall()
    } _: { client, server in
      var request = try server.request()
      request.firstByteTimeout = soon
      #expect(try await failure { try await client.send(request) } == .firstByteTimeout)
    }
  }

  @Test(arguments: ["Content-Length: 10", "Content-Length: 100000", "Transfer-Encoding: chunked"])
  func `within the body`(_ framing: String) async throws {
    try await withClientAndServer(hasty(stall: soon)) { connection in
      _ = try await connection.readHead()
      try await connection.send("HTTP/1.1 200 OK\r\n\(framing)\r\n\r\n5\r\n12345")
      try await connection.stall()
    } _: { client, server in
      let error = try await failure { try await client.send(server.request()).body.text }
      #expect(error == .stalled)
    }
  }

  @Test func `while it should take the request`() async throws {
    let end = Gate()
    try await withClientAndServer(hasty(stall: .milliseconds(300))) { connection in
      _ = try await connection.readHead()
      await end.wait()
    } _: { client, server in
      let body = CurlRequest.Body.bytes(ByteBuffer(repeating: 1, count: 32 << 20))
      let error = try await failure { try await client.send(server.request(.post, body: body)) }
      #expect(error == .stalled)
      await end.open()
    }
  }

  @Test func `in the TLS handshake`() async throws {
    try await withClientAndServer(hasty(tls: soon)) { connection in
      try await connection.stall()
    } _: { client, server in
      let origin = try #require(Origin("https://127.0.0.1:\(server.port)"))
      let error = try await failure {
        try await client.send(CurlRequest(origin: origin, target: "/"))
      }
      #expect(error == .tlsTimeout)
      #expect(!error.wasSent)
    }
  }

  @Test func `one byte at a time is not a stall, but has a total`() async throws {
    try await withClientAndServer(hasty(stall: .seconds(2))) { connection in
      _ = try await connection.readHead()
      try await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
      while true {
        try await connection.send("x")
        try await Task.sleep(for: .milliseconds(5))
      }
    } _: { client, server in
      var request = try server.request()
      request.totalTimeout = .milliseconds(2500)
      let error = try await failure { try await client.send(request).body.text }
      #expect(error == .totalTimeout)
    }
  }

  @Test func `a reader that takes its time is not a stall`() async throws {
    try await withClientAndServer(hasty(stall: .seconds(1))) { connection in
      _ = try await connection.readHead()
      try await connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(4 << 20)\r\n\r\n")
      try await connection.send(ByteBuffer(repeating: 3, count: 4 << 20))
      try await connection.stall()
    } _: { client, server in
      let response = try await client.send(server.request())
      try await Task.sleep(for: .milliseconds(1500))
      #expect(try await response.body.collect(upTo: .mebibytes(4)).readableBytes == 4 << 20)
    }
  }
}
