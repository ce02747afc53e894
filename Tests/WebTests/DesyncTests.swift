import Gateway
import TestSupport
import Testing

@testable import Web

@Suite struct `Request smuggling` {
  private static let marker =
    "GET /stores/second/v3/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

  @Test func `every severe case is refused, closed, and nothing behind it is answered`()
    async throws
  {
    #expect(DesyncCases.severe.count >= 130)
    let reached = Reached()
    var fixture = ListenerFixture()
    fixture.gateway = StubGateway { request in
      await reached.note(request.target)
      return await StubGateway.echo.respond(to: request)
    }
    let counters = fixture.internalCounters
    try await fixture.run { running in
      for (label, bytes) in DesyncCases.severe {
        try await blocking {
          let connection = try RawConnection(port: running.internalPort)
          connection.send(bytes + Self.marker)
          let (answers, failure) = connection.responses()
          #expect(failure == nil, "\(label): \(String(describing: failure))")
          #expect(answers.count == 1, "\(label): \(answers.map(\.status))")
          let statuses = [400, 405, 417, 505]
          #expect(statuses.contains(answers.first?.status ?? 0), "\(label)")
          #expect(answers.first?.closes == true, "\(label)")
        }
      }
    }
    let targets = await reached.targets
    #expect(!targets.contains { $0.contains("second") || $0.contains("smuggled") })
    #expect(counters.refusals.values.reduce(0, +) == UInt64(DesyncCases.severe.count))
    #expect(counters.requestsInFlight == 0)
  }

  private actor Reached {
    var targets: [String] = []
    func note(_ target: String) { targets.append(target) }
  }

  /// Written oddly, but with one meaning only: answered, and the request behind it too.
  @Test(arguments: [
    "GET /stores/a/v3/x HTTP/1.1\r\nhost:x\r\n\r\n",
    "GET /stores/a/v3/x HTTP/1.1\r\nHOST: \t x \t \r\n\r\n",
    "\r\nGET /stores/a/v3/x HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /stores/a/v3/x HTTP/1.1\r\nHost: [::1]:8081\r\n\r\n",
    "GET /stores/a/v3/x HTTP/1.1\r\nHost: x\r\nA:\r\n\r\n",
    "GET /stores/a/v3/x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    "GET /stores/a/v3/x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
    "POST /stores/a/v3/x HTTP/1.1\r\nHost: x\r\ntransfer-encoding:CHUNKED\r\n\r\n00a\r\n0123456789\r\n0\r\n\r\n",
    "POST /stores/a/v3/x HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, x\r\n\r\n",
    "GET //stores//a HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /stores/a/v3/x HTTP/1.1\r\nHost: x\r\nKeep-Alive: timeout=5\r\nContent_Length: 7\r\n\r\n",
  ])
  func `an unusual request with one meaning is counted as one`(_ bytes: String) async throws {
    try await ListenerFixture().run { running in
      try await blocking {
        let connection = try RawConnection(port: running.internalPort)
        connection.send(bytes + Self.marker)
        let (answers, failure) = connection.responses()
        #expect(failure == nil)
        #expect(answers.count == 2)
        #expect(answers.last?.text == "GET /stores/second/v3/x 0")
      }
    }
  }
}
