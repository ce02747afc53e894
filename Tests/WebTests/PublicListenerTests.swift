import Base
import Foundation
import Gateway
import Install
import TestSupport
import Testing

@testable import Web

@Suite struct `Public listener` {
  private func ask(
    _ request: String, _ fixture: ListenerFixture = ListenerFixture(), toHEAD: Bool = false
  ) async throws -> RawHTTPResponse {
    let (answers, continuation) = AsyncStream.makeStream(of: RawHTTPResponse.self)
    try await fixture.run { running in
      continuation.yield(
        try await blocking {
          try RawConnection(port: running.publicPort).exchange(request, toHEAD: toHEAD)
        })
    }
    var iterator = answers.makeAsyncIterator()
    return try #require(await iterator.next())
  }

  private func get(_ target: String, _ fields: String = "") -> String {
    "GET \(target) HTTP/1.1\r\nHost: x\r\n\(fields)\r\n"
  }

  private static let internalPaths = [
    "/stores/a/v3/catalog/products", "/stores/", "/v1/stores", "/v1/keys", "/v1/", "/metrics",
    "/console",
    "/openapi.json", "/livez", "/readyz", "/v1/tickets/redeem", "/admin", "/internal",
  ]

  @Test func `every internal path is 404 in every spelling, method and Host`() async throws {
    let reached = AsyncStream.makeStream(of: String.self)
    var fixture = ListenerFixture()
    fixture.gateway = StubGateway { request in
      reached.continuation.yield(request.target)
      return .text("reached")
    }
    try await fixture.run { running in
      try await blocking {
        for path in Self.internalPaths {
          let tail = path.dropFirst()
          let spellings = [
            path, "/" + path, "//" + path, "/." + path, "/auth/.." + path, "/%2e" + path,
            "/auth/%2e%2e" + path,
            "/%2F\(tail)", "/%252F\(tail)", "/;\(path)", path + "?a=b", path + "/",
            path.uppercased(),
            "/%\(String(tail.utf8.first ?? 0, radix: 16))\(tail.dropFirst())", "/\\\(tail)",
            "/healthz" + path,
            "/apps/default/auth/.." + path, "/" + tail.replacing("/", with: "%2f"),
          ]
          for spelling in spellings {
            for method in ["GET", "POST", "HEAD", "DELETE"] {
              for host in ["x", "127.0.0.1:\(running.internalPort)"] {
                let request =
                  "\(method) \(spelling) HTTP/1.1\r\nHost: \(host)\r\nConnection: close\r\n\r\n"
                let answer = try RawConnection(port: running.publicPort)
                  .exchange(request, toHEAD: method == "HEAD")
                #expect(answer.status == 404, "\(method) \(spelling)")
              }
            }
          }
        }
      }
    }
    reached.continuation.finish()
    for await target in reached.stream { Issue.record("reached the gateway: \(target)") }
  }

  @Test func `callbacks arrive with their raw path, raw query and app`() async throws {
    let (seen, continuation) = AsyncStream.makeStream(of: String.self)
    var fixture = ListenerFixture()
    fixture.callbacks.seen = { kind, request in
      continuation.yield("\(kind) \(request.app) \(request.path) \(request.query)")
    }
    let paths: [(String, String)] = [
      ("/auth/callback", "install"), ("/auth", "install"), ("/api/auth", "install"),
      ("/auth/load", "load"),
      ("/load", "load"), ("/auth/uninstall", "uninstall"), ("/uninstall", "uninstall"),
      ("/auth/remove_user", "remove_user"), ("/remove_user", "remove_user"),
      ("/apps/default/auth/callback", "install"), ("/apps/default/auth/load", "load"),
    ]
    try await fixture.run { running in
      try await blocking {
        for (path, _) in paths {
          let answer = try RawConnection(port: running.publicPort).exchange(
            "GET \(path)?a=%2F&b=c|d HTTP/1.1\r\nHost: x\r\n\r\n")
          #expect(answer.status == 200)
        }
      }
    }
    continuation.finish()
    var lines: [String] = []
    for await line in seen { lines.append(line) }
    #expect(lines == paths.map { "\($0.1) default \($0.0) a=%2F&b=c|d" })
  }

  @Test(arguments: ["HEAD", "POST", "PUT", "PATCH", "DELETE"])
  func `nothing but GET reaches a callback`(_ method: String) async throws {
    var fixture = ListenerFixture()
    fixture.callbacks.seen = { _, _ in Issue.record("reached") }
    for path in ["/auth/callback", "/load", "/uninstall", "/remove_user"] {
      let answer = try await ask(
        "\(method) \(path)?code=x HTTP/1.1\r\nHost: x\r\n\r\n", fixture, toHEAD: method == "HEAD")
      #expect(answer.status == 405 && answer["allow"] == "GET")
    }
  }

  @Test func `an unknown app, spelling or alias of a callback is 404`() async throws {
    for path in [
      "/apps/other/auth/callback", "/apps/default/auth/", "/apps//auth/callback", "/auth/",
      "/auth//callback",
      "/auth/callback/", "/AUTH/callback", "/auth/%63allback", "/apps/default", "/api/auth/",
    ] {
      let answer = try await ask(get(path))
      #expect(answer.status == 404, "\(path)")
    }
  }

  @Test func `answers of callbacks become pages, redirects, JSON and problems`() async throws {
    var fixture = ListenerFixture()
    let acknowledged = try await ask(get("/uninstall"), fixture)
    #expect(acknowledged.text == "{}" && acknowledged["content-type"] == "application/json")
    fixture.callbacks.answer = .redirect(status: 303, location: "https://app.example.com/?ticket=t")
    let redirect = try await ask(get("/load"), fixture)
    #expect(redirect.status == 303 && redirect["location"] == "https://app.example.com/?ticket=t")
    fixture.callbacks.answer = .refused(
      Problem(status: 503, code: "away", title: "Away", detail: "Later.", retryAfter: 7))
    let refused = try await ask(get("/load"), fixture)
    #expect(refused.status == 503 && refused["retry-after"] == "7")
    let link = try await ask(get("/auth/install"))
    #expect(link.status == 302)
    #expect(link["location"] == "https://login.bigcommerce.com/app/x/install")
  }

  @Test func `every answer carries an ID and the security fields, and pages their own policy`()
    async throws
  {
    for path in [
      "/", "/healthz", "/auth/callback", "/uninstall", "/auth/install", "/nothing", "/favicon.ico",
    ] {
      let answer = try await ask(get(path, "X-Request-Id: mine-1\r\n"))
      #expect(answer["x-request-id"] == "mine-1")
      #expect(
        answer["x-content-type-options"] == "nosniff" && answer["referrer-policy"] == "no-referrer")
      #expect(answer["cache-control"] == "no-store" && answer["server"] == nil)
      #expect(answer["set-cookie"] == nil && answer["latchkey-origin"] == nil)
      let policy = try #require(answer["content-security-policy"])
      #expect(policy.hasPrefix("default-src 'none';") && !policy.contains("script"))
      let isPage = path == "/auth/callback"
      #expect(policy.contains("frame-ancestors https://*.mybigcommerce.com") == isPage)
      #expect(policy.contains("frame-ancestors 'none'") == !isPage)
    }
    let made = try await ask(get("/", "X-Request-Id: bad id\r\n"))
    #expect(made["x-request-id"]?.hasPrefix("r1-") == true)
  }

  @Test func `health follows readiness and has no body`() async throws {
    var fixture = ListenerFixture()
    #expect(try await ask(get("/healthz"), fixture).status == 200)
    fixture.isReady = false
    let answer = try await ask(get("/healthz"), fixture)
    #expect(answer.status == 503 && answer.body.isEmpty)
  }

  @Test func `a body over 64 KiB is refused, announced or not`() async throws {
    let long = try await ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n")
    #expect(long.status == 413 && long.closes)
    let chunks = String(
      repeating: "8000\r\n" + String(repeating: "a", count: 0x8000) + "\r\n", count: 3)
    let chunked = try await ask(
      "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
    #expect([404, 413].contains(chunked.status) && chunked.closes)
  }

  @Test func `the access log has the path and never the query`() async throws {
    let (lines, continuation) = AsyncStream.makeStream(of: AccessRecord.self)
    var fixture = ListenerFixture()
    fixture.accessLog = AccessLog { continuation.yield($0) }
    _ = try await ask(get("/auth/callback?code=secret"), fixture)
    var iterator = lines.makeAsyncIterator()
    let record = try #require(await iterator.next())
    #expect(record.path == "/auth/callback" && record.status == 200 && record.method == "GET")
    #expect(record.listener == "public" && record.clientAddress == "127.0.0.1")
    #expect(!"\(record)".contains("secret"))
  }

  @Test func `only trusted proxies say who the client is`() async throws {
    for (proxies, forwarded, expected) in [
      ([], "1.2.3.4", "127.0.0.1"), (["10.0.0.0/8"], "1.2.3.4", "127.0.0.1"),
      (["127.0.0.0/8"], "1.2.3.4", "1.2.3.4"), (["127.0.0.1"], "6.6.6.6, 1.2.3.4", "1.2.3.4"),
      (["127.0.0.1", "1.2.3.0/24"], "6.6.6.6, 1.2.3.4", "6.6.6.6"),
      (["127.0.0.1"], "junk", "127.0.0.1"),
      (["127.0.0.1"], "2001:db8::1", "2001:db8::1"),
    ] as [([String], String, String)] {
      let (seen, continuation) = AsyncStream.makeStream(of: String.self)
      var fixture = ListenerFixture()
      fixture.proxies = try #require(TrustedProxies(proxies))
      fixture.callbacks.seen = { _, request in continuation.yield(request.clientAddress) }
      _ = try await ask(get("/load", "X-Forwarded-For: \(forwarded)\r\n"), fixture)
      var iterator = seen.makeAsyncIterator()
      #expect(await iterator.next() == expected)
    }
  }

  @Test func `addresses and blocks are read strictly`() throws {
    for text in [
      "", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.4/33", "::1/129", "a::b::c", "12345::",
      "1.2.3.4/", "x",
    ] {
      #expect(AddressRange(text) == nil, "\(text)")
    }
    let range = try #require(AddressRange("2001:db8::/33"))
    #expect(range.contains(try #require(IPAddress("2001:db8:7fff::1"))))
    #expect(!range.contains(try #require(IPAddress("2001:db8:8000::1"))))
    #expect(
      AddressRange("10.0.0.0/8")?.contains(try #require(IPAddress("::ffff:10.9.8.7"))) == true)
  }

  @Test func `callbacks run on other threads than the calls of services`() async throws {
    let (seen, continuation) = AsyncStream.makeStream(of: Bool.self)
    var fixture = ListenerFixture()
    fixture.callbacks.seen = { _, _ in continuation.yield(Task.currentPriority > .medium) }
    fixture.gateway = StubGateway { _ in
      continuation.yield(Task.currentPriority > .medium)
      return .text("")
    }
    try await fixture.run { running in
      try await blocking {
        let callback = "GET /auth/load HTTP/1.1\r\nHost: x\r\n\r\n"
        let answered = try RawConnection(port: running.publicPort).exchange(callback)
        #expect(answered.status == 200)
        let call = "GET /stores/a/v3/x HTTP/1.1\r\nHost: x\r\n\r\n"
        let called = try RawConnection(port: running.internalPort).exchange(call)
        #expect(called.status == 200)
      }
    }
    var iterator = seen.makeAsyncIterator()
    #expect(await iterator.next() == true)
    #expect(await iterator.next() == false)
  }

  @Test func `callbacks whose browsers have gone still count among those under way`() async throws {
    let gate = Gate()
    var fixture = ListenerFixture()
    var limits = GuardLimits.publicListener
    limits.requestsInFlight = 3
    fixture.limits = limits
    let (seen, continuation) = AsyncStream.makeStream(of: Void.self)
    fixture.callbacks.seen = { _, _ in
      continuation.yield()
      await gate.wait()
    }
    let counters = fixture.publicCounters
    let callback = get("/auth/load")
    try await fixture.run { running in
      let browsers = try await blocking {
        try (0..<3).map { _ in
          let browser = try RawConnection(port: running.publicPort)
          browser.send(callback)
          return browser
        }
      }
      var begun = seen.makeAsyncIterator()
      for _ in 0..<3 { await begun.next() }
      try await blocking {
        for browser in browsers { browser.reset() }
        try? blockUntil { counters.requestsInFlight == 0 }
        let refused = try RawConnection(port: running.publicPort).exchange(callback)
        #expect(refused.status == 503)
      }
      await gate.open()
      try await blocking {
        try blockUntil {
          try RawConnection(port: running.publicPort).exchange(callback).status == 200
        }
      }
    }
  }
}
