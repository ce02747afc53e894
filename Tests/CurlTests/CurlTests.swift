import Base
import Fields
import Foundation
import HTTPTypes
import NIOCore
import TestSupport
import Testing

@testable import Curl

@Suite struct `HTTP client` {
  @Test func `a request goes out as it was given and its answer comes back`() async throws {
    try await withClientAndServer { connection in
      while true {
        let head = try await connection.readHead()
        try await connection.answer("200 Fine", head, headers: ["X-Test: 1", "X-Test:  two "])
      }
    } _: { client, server in
      for _ in 0..<3 {
        let response = try await client.send(
          server.request(.get, "/a/../b?x=1&y=%2e", [.accept: "a/b", .init("X-Empty")!: ""]))
        #expect(response.status == 200)
        #expect(response.headers.httpFields[values: .init("X-Test")!] == ["1", "two"])
        let sent = """
          GET /a/../b?x=1&y=%2e HTTP/1.1\r
          Host: 127.0.0.1:\(server.port)\r
          Accept: a/b\r
          X-Empty:\r
          \r

          """
        #expect(try await response.body.text == sent)
      }
      #expect(server.connectionCount == 1)
    }
  }

  @Test func `nothing is added that the caller did not give`() async throws {
    try await withClientAndServer { connection in
      try await connection.answer(body: connection.readHead())
    } _: { client, server in
      let response = try await client.send(server.request(.delete))
      #expect(
        try await response.body.text
          == "DELETE / HTTP/1.1\r\nHost: 127.0.0.1:\(server.port)\r\n\r\n")
    }
  }

  @Test(arguments: [HTTPRequest.Method.post, .put, .patch])
  func `a request without a body says so where a body is usual`(
    _ method: HTTPRequest.Method
  ) async throws {
    try await withClientAndServer { connection in
      try await connection.answer(body: connection.readHead())
    } _: { client, server in
      let head = try await client.send(server.request(method)).body.text
      #expect(head.hasPrefix("\(method.rawValue) / HTTP/1.1\r\n"))
      #expect(head.contains("\r\nContent-Length: 0\r\n"))
      #expect(!head.contains("Expect") && !head.contains("Content-Type"))
    }
  }

  @Test func `one handle serves all kinds of requests in turn`() async throws {
    try await withClientAndServer { connection in
      while true {
        let head = try await connection.readHead()
        let line = String(head.prefix { $0 != "\r\n" })
        if line.hasPrefix("HEAD") {
          try await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        } else {
          let length = head.firstRange(of: "Content-Length: ").map {
            Int(head[$0.upperBound...].prefix { $0.isNumber }) ?? 0
          }
          let body = try await connection.read(length ?? 0)
          try await connection.answer(body: "\(line) \(String(buffer: body))")
        }
      }
    } _: { client, server in
      for round in 0..<5 {
        let body = CurlRequest.Body.bytes(ByteBuffer(string: "body \(round)"))
        let post = try await client.send(server.request(.post, body: body))
        #expect(try await post.body.text == "POST / HTTP/1.1 body \(round)")
        let head = try await client.send(server.request(.head))
        #expect(head.body.knownLength == 0)
        #expect(head.headers[.contentLength] == "5")
        let get = try await client.send(server.request(.get))
        #expect(try await get.body.text == "GET / HTTP/1.1 ")
        let put = try await client.send(server.request(.put, body: body))
        #expect(try await put.body.text == "PUT / HTTP/1.1 body \(round)")
        let delete = try await client.send(server.request(.delete))
        #expect(try await delete.body.text == "DELETE / HTTP/1.1 ")
      }
      #expect(server.connectionCount == 1)
    }
  }

  @Test func `answers without a body leave the connection in order`() async throws {
    let heads = [
      "204 No Content\r\n", "304 Not Modified\r\nContent-Length: 700\r\n",
      "204 No Content\r\nContent-Length: 0\r\n", "200 OK\r\nContent-Length: 0\r\n",
    ]
    try await withClientAndServer { connection in
      for head in heads {
        _ = try await connection.readHead()
        try await connection.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\n")
        try await connection.send("HTTP/1.1 \(head)\r\n")
      }
      try await connection.stall()
    } _: { client, server in
      for head in heads {
        let response = try await client.send(server.request())
        #expect(head.hasPrefix("\(response.status)"))
        #expect(response.headers.httpFields[.init("A")!] == nil)
        #expect(response.body.knownLength == 0)
        #expect(try await response.body.text.isEmpty)
      }
      #expect(server.connectionCount == 1)
    }
  }

  @Test func `a compressed body is not touched`() async throws {
    let gzip = ByteBuffer(bytes: [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3, 4])
    try await withClientAndServer { connection in
      let head = try await connection.readHead()
      #expect(head.contains("Accept-Encoding: gzip\r\n"))
      try await connection.send(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: \(gzip.readableBytes)\r\n\r\n"
      )
      try await connection.send(gzip)
      try await connection.stall()
    } _: { client, server in
      let response = try await client.send(
        server.request(.get, "/", [.acceptEncoding: "gzip"]))
      #expect(response.headers[.contentEncoding] == "gzip")
      #expect(try await response.body.collect(upTo: .kibibytes(1)) == gzip)
    }
  }

  @Test func `a redirect is an answer like any other`() async throws {
    try await withClientAndServer { connection in
      while true {
        _ = try await connection.readHead()
        try await connection.answer("302 Found", headers: ["Location: /elsewhere"])
      }
    } _: { client, server in
      let response = try await client.send(server.request())
      #expect(response.status == 302)
      #expect(server.headCount == 1)
    }
  }

  @Test func `neither cookies nor challenges are remembered`() async throws {
    try await withClientAndServer { connection in
      while true {
        let head = try await connection.readHead()
        #expect(!head.lowercased().contains("cookie") && !head.contains("Authorization"))
        try await connection.answer(
          "401 No", headers: ["Set-Cookie: a=b; Path=/", "WWW-Authenticate: Basic realm=x"])
      }
    } _: { client, server in
      for _ in 0..<3 {
        let response = try await client.send(server.request())
        #expect(response.status == 401)
      }
      #expect(server.headCount == 3)
    }
  }

  // In a process of its own: changing the environment races with every thread that reads it.
  @Test func `the environment names no proxy and no netrc`() async {
    await #expect(processExitsWith: .success) { try await callInMisleadingEnvironment() }
  }

  @Test func `two origins never share a connection`() async throws {
    let script: MisbehavingServer.Script = { connection in
      while true { try await connection.answer(body: connection.readHead()) }
    }
    try await withClientAndServer(script: script) { client, first in
      try await MisbehavingServer.run(script: script) { second in
        for _ in 0..<3 {
          for server in [first, second] {
            let head = try await client.send(server.request()).body.text
            #expect(head.contains("Host: 127.0.0.1:\(server.port)\r\n"))
          }
        }
        #expect(first.connectionCount == 1 && second.connectionCount == 1)
      }
    }
  }

  @Test func `a thousand requests at once all get their own answers`() async throws {
    try await withClientAndServer(loops: 2) { connection in
      while true {
        let head = try await connection.readHead()
        let number = head.dropFirst("GET /".count).prefix { $0 != " " }
        try await connection.answer(body: String(repeating: "\(number),", count: 100))
      }
    } _: { client, server in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<1000 {
          group.addTask {
            let response = try await client.send(server.request(.get, "/\(number)"))
            #expect(
              try await response.body.text == String(repeating: "\(number),", count: 100))
          }
        }
        try await group.waitForAll()
      }
      #expect(server.headCount == 1000)
      #expect(await client.transferCount() == 0)
    }
  }

  @Test func `a client that was shut down refuses`() async throws {
    try await withClientAndServer { connection in
      _ = try await connection.readHead()
      try await connection.stall()
    } _: { client, server in
      let waiting = Task { try await failure { try await client.send(server.request()) } }
      try await expectEventually { server.headCount == 1 }
      await client.shutdown()
      #expect(try await waiting.value == .shutDown(sent: true))
      let later = try await failure { try await client.send(server.request()) }
      #expect(later == .shutDown(sent: false))
      try await expectEventually { try socketsConnected(to: server.port) == 0 }
      await client.shutdown()
    }
  }
}

extension MisbehavingConnection {
  /// Answers 200 with this body.
  func answer(body: String) async throws {
    try await answer("200 OK", body)
  }
}

/// Makes a call while the environment names a proxy and a home with credentials.
private func callInMisleadingEnvironment() async throws {
  let home = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
  try FileManager.default.createDirectory(at: home, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: home) }
  try Data("default login me password secret\n".utf8).write(to: home.appending(path: ".netrc"))
  setenv("HOME", home.path, 1)
  try await MisbehavingServer.run { connection in
    _ = try await connection.readHead()
    try await connection.answer("502 Proxy")
  } body: { proxy in
    for name in ["http_proxy", "all_proxy", "ALL_PROXY"] {
      setenv(name, "http://127.0.0.1:\(proxy.port)", 1)
    }
    try await withClientAndServer { connection in
      let head = try await connection.readHead()
      try await connection.answer("200 OK", head)
    } _: { client, server in
      let response = try await client.send(server.request())
      try #require(response.status == 200)
      let head = try await response.body.text
      try #require(!head.contains("Authorization"))
    }
    try #require(proxy.connectionCount == 0)
  }
}
