import Base
import Fields
import Gateway
import HTTPTypes
import NIOCore
import Synchronization
import TestSupport
import Testing

/// A server that answers each request in turn as it is told, and the last way for ever.
private final class Turns: Sendable {
  enum Act: Sendable {
    case answer(String, [String])
    case reset
    case hang

    static func answer(_ status: String) -> Act { .answer(status, []) }
  }

  private let acts: Mutex<[Act]>
  private let seen = Mutex<[String]>([])

  init(_ acts: [Act]) {
    self.acts = Mutex(acts)
  }

  /// Method and target of what arrived.
  var requests: [String] { seen.withLock { $0 } }

  var script: MisbehavingServer.Script {
    { connection in
      while true {
        let head = try await connection.readHead()
        if let range = head.firstRange(of: "Content-Length: "),
          let length = Int(head[range.upperBound...].prefix { $0.isNumber })
        {
          _ = try await connection.read(length)
        } else if head.contains("Transfer-Encoding: chunked") {
          _ = try await connection.readChunked()
        }
        self.seen.withLock { $0.append(String(head.prefix { $0 != "\r" })) }
        switch self.acts.withLock({ $0.count > 1 ? $0.removeFirst() : $0[0] }) {
        case .answer(let status, let headers):
          try await connection.answer(status, "{}", headers: headers)
        case .reset: return try await connection.reset()
        case .hang: return try await connection.stall()
        }
      }
    }
  }
}

private let products = "/stores/abc/v3/catalog/products"

@Suite(.bothWays) struct `Repeated calls` {
  private func body(_ size: Int) -> GatewayRequest.Body {
    pieces([ByteBuffer(repeating: 7, count: size)])
  }

  @Test(arguments: [
    Turns.Act.answer("502 Bad"), .answer("504 Late"), .reset,
    .answer("503 Busy", ["Retry-After: 0"]),
  ])
  private func `a read is repeated after trouble, a write is not`(_ trouble: Turns.Act) async throws
  {
    let reads = Turns([trouble, trouble, .answer("200 OK")])
    try await GatewayRig.run(script: reads.script) { rig in
      let response = try await rig.send(.get, products)
      #expect(response.status == 200)
      #expect(reads.requests.count == 3)
    }
    let writes = Turns([trouble, .answer("200 OK")])
    try await GatewayRig.run(script: writes.script) { rig in
      let response = try await rig.send(.post, products, length: 3, body: body(3))
      #expect(response.status >= 500)
      #expect(writes.requests.count == 1)
      if case .reset = trouble {
        #expect(try await response.summary == "502 upstream_broken unknown")
      } else {
        #expect(response.headers[.latchkeyOrigin] == "upstream")
      }
    }
  }

  @Test(arguments: ["500 Error", "503 Down"])
  func `plain 500 and 503 pass as they are`(_ status: String) async throws {
    let turns = Turns([.answer(status)])
    try await GatewayRig.run(script: turns.script) { rig in
      let response = try await rig.send(.get, products, headers: [("Latchkey-Retry", "5")])
      #expect("\(response.status)" == status.prefix(3))
      #expect(response.headers[.latchkeyOrigin] == "upstream")
      #expect(turns.requests.count == 1)
    }
  }

  @Test(arguments: [
    ("429 Slow", ["X-Rate-Limit-Time-Reset-Ms: 200", "X-Rate-Limit-Requests-Left: 0"]),
    ("509 Slow", ["X-Retry-After: 0"]),
  ])
  func `a write that was refused for quota is sent again when the quota is back`(
    _ status: String, _ headers: [String]
  ) async throws {
    let turns = Turns([.answer(status, headers), .answer("201 Created")])
    try await GatewayRig.run(script: turns.script) { rig in
      let response = try await rig.send(.post, products, length: 700_000, body: body(700_000))
      #expect(response.status == 201)
      #expect(turns.requests.count == 2)
    }
  }

  @Test func `a body beyond a mebibyte, or of unknown length, is sent once`() async throws {
    let headers = ["X-Rate-Limit-Time-Reset-Ms: 10", "X-Rate-Limit-Requests-Left: 0"]
    for (size, length) in [(1_100_000, Int?.some(1_100_000)), (5, nil)] {
      let turns = Turns([.answer("429 Slow", headers)])
      try await GatewayRig.run(script: turns.script) { rig in
        let response = try await rig.send(.post, products, length: length, body: body(size))
        #expect(response.status == 429)
        #expect(response.headers[.latchkeyOrigin] == "upstream")
        #expect(turns.requests.count == 1)
      }
    }
  }

  @Test func `the caller says how often, down to never`() async throws {
    let turns = Turns([.answer("502 Bad")])
    try await GatewayRig.run(script: turns.script) { rig in
      for (retries, sent) in [("0", 1), ("1", 3), ("3", 7)] {
        let response = try await rig.send(.get, products, headers: [("Latchkey-Retry", retries)])
        #expect(response.status == 502)
        #expect(turns.requests.count == sent)
      }
    }
  }

  @Test func `a deadline ends the repetitions`() async throws {
    let turns = Turns([.answer("503 Busy", ["Retry-After: 5"])])
    try await GatewayRig.run(script: turns.script) { rig in
      let response = try await rig.send(.get, products, headers: [("Latchkey-Timeout", "3")])
      #expect(response.status == 503)
      #expect(turns.requests.count == 1)
    }
  }

  @Test func `the quota's word holds before the next call, and is told with the refusal`()
    async throws
  {
    let turns = Turns([
      .answer(
        "200 OK",
        [
          "X-Rate-Limit-Time-Reset-Ms: 20000", "X-Rate-Limit-Requests-Left: 0",
          "X-Rate-Limit-Requests-Quota: 150", "X-Rate-Limit-Time-Window-Ms: 30000",
        ])
    ])
    try await GatewayRig.run(script: turns.script) { rig in
      #expect(try await rig.send(.get, products).status == 200)
      let response = try await rig.send(.get, products, headers: [("Latchkey-Max-Wait", "5")])
      #expect(try await response.summary == "429 quota_exhausted")
      let wait = try #require(response.headers[.retryAfter].flatMap { Int($0) })
      #expect((19...22).contains(wait))
      #expect(turns.requests.count == 1)
      // Another store has a quota of its own.
      #expect(try await rig.send(.get, "/stores/xyz/v3/catalog/products").status == 200)
    }
  }

  @Test func `a call that can wait goes when the window is over`() async throws {
    let turns = Turns([
      .answer(
        "200 OK",
        [
          "X-Rate-Limit-Time-Reset-Ms: 300", "X-Rate-Limit-Requests-Left: 0",
          "X-Rate-Limit-Requests-Quota: 2", "X-Rate-Limit-Time-Window-Ms: 1000",
        ])
    ])
    try await GatewayRig.run(script: turns.script) { rig in
      // The window is over 300 ms after the first answer came, whenever we hear of it.
      let began = ContinuousClock.now
      _ = try await rig.send(.get, products)
      let response = try await rig.send(.get, products)
      #expect(response.status == 200)
      #expect(ContinuousClock.now - began >= .milliseconds(300))
    }
  }

  @Test func `a store that answers 503 only is told apart from a platform that fails`() async throws
  {
    for (act, cause) in [
      (Turns.Act.answer("503 Down"), "store_unavailable"), (.answer("500 Error"), "platform"),
    ] {
      let turns = Turns([act])
      try await GatewayRig.run(script: turns.script) { rig in
        for _ in 0..<20 { _ = try await rig.send(.get, products) }
        let response = try await rig.send(.get, products)
        let json = try JSONScanner.parse(try await response.bytes.readableBytesView)
        #expect(try await response.summary == "502 upstream_unreachable not_sent")
        #expect(json["cause"]?.string == cause)
        #expect(response.headers[.retryAfter] == "1")
        #expect(turns.requests.count == 20)
      }
    }
  }
}
