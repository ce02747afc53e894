import Prometheus
import TestSupport
import Testing

@testable import Web

@Suite struct `Metrics and the description` {
  private func expect(
    _ cases: [(request: String, status: Int)], isOpen: Bool
  ) async throws {
    var fixture = ListenerFixture()
    fixture.pagesAreOpen = isOpen
    try await fixture.run { running in
      try await blocking {
        for (request, status) in cases {
          let answer = try RawConnection(port: running.internalPort).exchange(
            request, toHEAD: request.hasPrefix("HEAD"))
          #expect(answer.status == status, "\(request)")
          if status == 200 && request.contains("/metrics") {
            #expect(answer["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
            #expect(answer["content-length"] == "35")
          }
          if status == 200 && request.hasPrefix("GET /metrics") {
            #expect(answer.text == "# HELP up Up.\n# TYPE up gauge\nup 1\n")
          }
        }
        let outside = try RawConnection(port: running.publicPort).exchange(
          "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(outside.status == 404)
      }
    }
  }

  @Test func `needs a key`() async throws {
    let key = "Authorization: Bearer good\r\n"
    try await expect(
      [
        ("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 401),
        ("POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 401),
        ("GET /metrics HTTP/1.1\r\nHost: x\r\n\(key)\r\n", 200),
        ("HEAD /metrics HTTP/1.1\r\nHost: x\r\n\(key)\r\n", 200),
        ("POST /metrics HTTP/1.1\r\nHost: x\r\n\(key)\r\n", 405),
        ("GET /metrics?name=up HTTP/1.1\r\nHost: x\r\n\(key)\r\n", 400),
        ("GET /metrics/ HTTP/1.1\r\nHost: x\r\n\(key)\r\n", 404),
        ("GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n", 401),
        ("GET /openapi.json HTTP/1.1\r\nHost: x\r\n\(key)\r\n", 200),
        ("HEAD /openapi.json HTTP/1.1\r\nHost: x\r\n\(key)\r\n", 200),
        ("PUT /openapi.json HTTP/1.1\r\nHost: x\r\n\(key)\r\n", 405),
        ("GET /docs HTTP/1.1\r\nHost: x\r\n\r\n", 401),
        ("GET /docs HTTP/1.1\r\nHost: x\r\n\(key)\r\n", 200),
        ("GET /docs?x=1 HTTP/1.1\r\nHost: x\r\n\(key)\r\n", 400),
      ], isOpen: false)
  }

  @Test func `needs none when a setting opens it`() async throws {
    try await expect(
      [
        ("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 200),
        ("GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer bad\r\n\r\n", 200),
        ("DELETE /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        ("GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n", 200),
        ("GET /docs HTTP/1.1\r\nHost: x\r\n\r\n", 200),
      ], isOpen: true)
  }

  @Test func `a listener shows its connections, its refusals and its cuts, each under its name`() {
    let (outside, inside) = (ListenerCounters(), ListenerCounters())
    _ = outside.connectionOpened()
    _ = outside.connectionOpened()
    #expect(inside.requestBegan(limit: 1) && !inside.requestBegan(limit: 1))
    outside.count(Refusal.headTooLarge)
    for _ in 0..<3 { outside.count(ListenerCounters.Cut.head) }
    inside.count(ListenerCounters.Cut.gone)
    let families = ListenerCounters.families(of: [("public", outside), ("internal", inside)])
    let page = String(decoding: Exposition(families).bytes, as: UTF8.self)
    let grown = page.split(separator: "\n").filter { !$0.hasPrefix("#") && !$0.hasSuffix(" 0") }
    #expect(
      grown == [
        #"latchkey_connections{listener="public"} 2"#,
        #"latchkey_requests_in_flight{listener="internal"} 1"#,
        #"latchkey_requests_total{listener="internal"} 1"#,
        #"latchkey_guard_refusals_total{listener="public",reason="head_too_large"} 1"#,
        #"latchkey_connections_cut_total{listener="public",deadline="head"} 3"#,
        #"latchkey_connections_cut_total{listener="internal",deadline="gone"} 1"#,
      ])
    let series = page.split(separator: "\n").compactMap { line in
      line.hasPrefix("#") ? nil : line.split(separator: " ").first
    }
    #expect(Set(series).count == series.count)
  }
}
