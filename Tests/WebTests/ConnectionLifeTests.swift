import Base
import Fields
import Gateway
import HTTPTypes
import Install
import NIOCore
import ServiceLifecycle
import TestSupport
import Testing

@testable import Web

@Suite struct `Connections and the drain` {
  private static let request = "GET /stores/a/v3/x HTTP/1.1\r\nHost: x\r\n\r\n"

  @Test func `more than a thousand idle connections cost no one a wait`() async throws {
    let count = count(ordinary: 1_200, full: 6_000)
    let fixture = ListenerFixture()
    try await fixture.run { running in
      try await blocking {
        var idle: [RawConnection] = []
        for index in 0..<count {
          let connection = try RawConnection(port: running.internalPort)
          // Half of them have had an answer before.
          if index.isMultiple(of: 2) {
            var rest: [UInt8] = []
            connection.send(Self.request)
            let answer1 = try connection.response(rest: &rest)
            #expect(answer1.status == 200)
          }
          idle.append(connection)
        }
        // Other loops may not have counted the last ones yet when the newest has its answer.
        let newest = try RawConnection(port: running.internalPort)
        #expect(try newest.exchange(Self.request).status == 200)
        try blockUntil { fixture.internalCounters.openConnections == count + 1 }
        let time = try ContinuousClock().measure {
          for connection in idle.suffix(50) {
            let answer2 = try connection.exchange(Self.request)
            #expect(answer2.status == 200)
          }
        }
        #expect(time < .seconds(5))
      }
    }
  }

  @Test func `one connection too many gets a clean refusal, and a place is free again later`()
    async throws
  {
    var fixture = ListenerFixture()
    var limits = GuardLimits.internalListener
    limits.connections = 10
    limits.refusedConnections = 2
    fixture.limits = limits
    let counters = fixture.internalCounters
    try await fixture.run { running in
      try await blocking {
        var held: [RawConnection] = []
        for _ in 0..<10 {
          let connection = try RawConnection(port: running.internalPort)
          let answer3 = try connection.exchange(Self.request)
          #expect(answer3.status == 200)
          held.append(connection)
        }
        let refused = try RawConnection(port: running.internalPort)
        var rest: [UInt8] = []
        let answer = try refused.response(rest: &rest)
        #expect(answer.status == 503 && answer["retry-after"] == "1" && answer.closes)
        #expect(try held[3].exchange(Self.request).status == 200)
        held = []
        try blockUntil { counters.openConnections < 10 }
        let answer4 = try RawConnection(port: running.internalPort).exchange(Self.request)
        #expect(answer4.status == 200)
        #expect(counters.refusals[.overloaded] == 1)
      }
    }
  }

  @Test func `a listener that is flooded leaves the other its share of the connections`()
    async throws
  {
    var fixture = ListenerFixture()
    fixture.connections = (total: 12, sure: 4)
    let counters = (fixture.publicCounters, fixture.internalCounters)
    try await fixture.run { running in
      try await blocking {
        let health = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        func connect(_ port: Int, _ request: String) throws -> (RawConnection, Int) {
          let connection = try RawConnection(port: port)
          return (connection, try connection.exchange(request).status)
        }
        var held: [RawConnection] = []
        for _ in 0..<8 {
          let (connection, status) = try connect(running.internalPort, Self.request)
          #expect(status == 200)
          held.append(connection)
        }
        #expect(try connect(running.internalPort, Self.request).1 == 503)
        for _ in 0..<4 {
          let (connection, status) = try connect(running.publicPort, health)
          #expect(status == 200)
          held.append(connection)
        }
        #expect(try connect(running.publicPort, health).1 == 503)
        #expect(counters.0.openConnections == 4 && counters.1.openConnections == 8)
        // What one gives back is the other's, beyond its share.
        held.removeFirst(2)
        try blockUntil { counters.1.openConnections == 6 }
        for status in [200, 200, 503] {
          let (connection, seen) = try connect(running.publicPort, health)
          #expect(seen == status)
          held.append(connection)
        }
      }
    }
  }

  @Test func `requests beyond those that may be in flight are refused at once`() async throws {
    let gate = Gate()
    var fixture = ListenerFixture()
    var limits = GuardLimits.internalListener
    limits.requestsInFlight = 3
    fixture.limits = limits
    fixture.gateway = StubGateway { request in
      if request.target.hasSuffix("/wait") { await gate.wait() }
      return await StubGateway.echo.respond(to: request)
    }
    let counters = fixture.internalCounters
    try await fixture.run { running in
      let held = try await blocking {
        var held: [RawConnection] = []
        for _ in 0..<3 {
          let connection = try RawConnection(port: running.internalPort)
          connection.send("GET /stores/a/v3/wait HTTP/1.1\r\nHost: x\r\n\r\n")
          held.append(connection)
        }
        try blockUntil { counters.requestsInFlight == 3 }
        let answer = try RawConnection(port: running.internalPort).exchange(Self.request)
        #expect(answer.status == 503)
        return held
      }
      await gate.open()
      try await blocking {
        for connection in held {
          var rest: [UInt8] = []
          let answer5 = try connection.response(rest: &rest)
          #expect(answer5.status == 200)
        }
        let answer6 = try RawConnection(port: running.internalPort).exchange(Self.request)
        #expect(answer6.status == 200)
      }
    }
  }

  @Test func `a connection ends in order after its share of requests`() async throws {
    var fixture = ListenerFixture()
    var limits = GuardLimits.publicListener
    limits.requestsPerConnection = 3
    fixture.limits = limits
    try await fixture.run { running in
      try await blocking {
        let connection = try RawConnection(port: running.publicPort)
        for index in 1...3 {
          let answer = try connection.exchange("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
          #expect(answer.status == 200 && answer.closes == (index == 3))
        }
        #expect(connection.endsInOrder())
      }
    }
  }

  @Test func `a client that resets cancels its call at once, and one that half-closes soon`()
    async throws
  {
    for isReset in [true, false] {
      var fixture = ListenerFixture()
      let (ended, continuation) = AsyncStream.makeStream(of: Bool.self)
      fixture.gateway = StubGateway { _ in
        let forever = AsyncStream<Void> { _ in }
        for await _ in forever {}
        continuation.yield(Task.isCancelled)
        return .text("late")
      }
      let counters = fixture.internalCounters
      try await fixture.run { running in
        let held = try await blocking {
          let connection = try RawConnection(port: running.internalPort)
          connection.send(Self.request)
          try blockUntil { counters.requestsInFlight == 1 }
          if isReset { connection.reset() } else { connection.endSending() }
          return [connection]
        }
        var iterator = ended.makeAsyncIterator()
        let time = await ContinuousClock().measure { #expect(await iterator.next() == true) }
        #expect(time < .seconds(5))
        try await blocking {
          try blockUntil { counters.requestsInFlight == 0 && counters.openConnections == 0 }
          withExtendedLifetime(held) {}
        }
      }
      #expect(counters.cuts[.gone] == 1)
    }
  }

  @Test func `a stream is cancelled when its reader goes away`() async throws {
    let (ended, continuation) = AsyncStream.makeStream(of: Void.self)
    var fixture = ListenerFixture()
    fixture.gateway = StubGateway { _ in
      let parts = AsyncThrowingStream<ByteBuffer, any Error> { stream in
        stream.yield(ByteBuffer(string: "first"))
        stream.onTermination = { _ in continuation.yield() }
      }
      return GatewayResponse(status: 200, headers: [:], body: .stream(length: nil, parts))
    }
    try await fixture.run { running in
      try await blocking {
        let connection = try RawConnection(port: running.internalPort)
        connection.send(Self.request)
        _ = try connection.receive(until: "first")
        connection.reset()
      }
      var iterator = ended.makeAsyncIterator()
      #expect(await iterator.next() != nil)
    }
  }

  @Test func `a half-closed client gets an answer that is quick`() async throws {
    try await ListenerFixture().run { running in
      try await blocking {
        let connection = try RawConnection(port: running.internalPort)
        connection.send(Self.request + Self.request)
        connection.endSending()
        let (answers, failure) = connection.responses()
        // Both were complete before the client's end.
        #expect(failure == nil && answers.first?.status == 200)
      }
    }
  }

  @Test func `a callback goes on when its browser has gone`() async throws {
    let gate = Gate()
    let (done, continuation) = AsyncStream.makeStream(of: Bool.self)
    var fixture = ListenerFixture()
    fixture.callbacks.seen = { _, _ in
      await gate.wait()
      continuation.yield(Task.isCancelled)
    }
    let counters = fixture.publicCounters
    try await fixture.run { running in
      try await blocking {
        let connection = try RawConnection(port: running.publicPort)
        connection.send("GET /auth/callback?code=x HTTP/1.1\r\nHost: x\r\n\r\n")
        try blockUntil { counters.requestsInFlight == 1 }
        connection.reset()
        try blockUntil { counters.openConnections == 0 }
      }
      await gate.open()
      var iterator = done.makeAsyncIterator()
      #expect(await iterator.next() == false)
    }
  }

  @Test func `while draining, readiness says so and every answer ends its connection`() async throws
  {
    try await ListenerFixture().run { running in
      running.draining.begin()
      try await blocking {
        let get = { (path: String) in "GET \(path) HTTP/1.1\r\nHost: x\r\n\r\n" }
        let health = try RawConnection(port: running.publicPort).exchange(get("/healthz"))
        #expect(health.status == 503 && health.closes && health.body.isEmpty)
        let ready = try RawConnection(port: running.internalPort).exchange(get("/readyz"))
        #expect(ready.status == 503 && ready.text.contains("draining"))
        #expect(try RawConnection(port: running.internalPort).exchange(get("/livez")).status == 200)
        let connection = try RawConnection(port: running.internalPort)
        let answer = try connection.exchange(Self.request)
        #expect(answer.status == 200 && answer.closes)
        #expect(connection.endsInOrder())
      }
    }
  }

  @Test
  func `a graceful shutdown answers what is in flight, whatever its phase, and closes the idle`()
    async throws
  {
    let gate = Gate()
    var fixture = ListenerFixture()
    fixture.gateway = StubGateway { request in
      if request.target.hasSuffix("/wait") { await gate.wait() }
      return await StubGateway.echo.respond(to: request)
    }
    let counters = fixture.internalCounters
    let big = String(repeating: "b", count: 3_000_000)
    try await fixture.run { running in
      let held = try await blocking {
        let port = running.internalPort
        let idle = try RawConnection(port: port)
        #expect(try idle.exchange(Self.request).status == 200)
        let fresh = try RawConnection(port: port)
        let waiting = try RawConnection(port: port)
        waiting.send("GET /stores/a/v3/wait HTTP/1.1\r\nHost: x\r\n\r\n" + Self.request)
        let inHead = try RawConnection(port: port)
        inHead.send("GET /stores/a/v3/x HT")
        let inBody = try RawConnection(port: port)
        inBody.send(
          "POST /stores/a/v3/x HTTP/1.1\r\nHost: x\r\nContent-Length: \(big.utf8.count)\r\n\r\nb")
        try blockUntil { counters.requestsInFlight == 2 && counters.openConnections == 5 }
        try inHead.awaitRead()
        return [idle, fresh, waiting, inHead, inBody]
      }
      await running.group.triggerGracefulShutdown()
      try await blocking {
        // The idle ones end first, in order; nobody new is let in.
        for index in 0...1 { #expect(held[index].endsInOrder()) }
        try blockUntil { (try? RawConnection(port: running.internalPort)) == nil }
        held[3].send("TP/1.1\r\nHost: x\r\n\r\n")
        held[4].send(String(big.dropFirst()))
        var rest: [UInt8] = []
        let head = try held[3].response(rest: &rest)
        #expect(head.status == 200 && head.closes)
        let body = try held[4].response(rest: &rest)
        #expect(body.text == "POST /stores/a/v3/x 3000000" && body.closes)
      }
      await gate.open()
      try await blocking {
        var rest: [UInt8] = []
        let answer = try held[2].response(rest: &rest)
        #expect(answer.text == "GET /stores/a/v3/wait 0" && answer.closes)
        // The request behind it was never taken: its client may repeat it elsewhere.
        #expect(held[2].endsInOrder())
        try blockUntil { counters.openConnections == 0 }
      }
    }
  }
}
