import Base
import Gateway
import NIOCore
import TestSupport
import Testing

@testable import Web

@Suite struct `Deadlines of connections` {
  /// Short ones, so that the tests are; the defaults are ten seconds and more.
  private static func limits() -> GuardLimits {
    var limits = GuardLimits.internalListener
    limits.headTime = .milliseconds(400)
    limits.bodyGrace = .milliseconds(400)
    limits.bodyStall = .milliseconds(400)
    limits.bodyRate = 10_000
    limits.writeGrace = .milliseconds(400)
    limits.writeStall = .milliseconds(600)
    limits.writeRate = 100_000
    limits.writeCheck = .milliseconds(50)
    limits.idle = .milliseconds(400)
    limits.linger = .milliseconds(200)
    return limits
  }

  private static let healthy =
    "GET /stores/a/v3/y HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

  /// Runs an attack, with healthy requests beside it; returns how long the attacker was kept.
  private func attack(
    _ fixture: ListenerFixture,
    _ body: @escaping @Sendable (RawConnection) throws -> Void
  ) async throws -> Duration {
    var fixture = fixture
    fixture.limits = fixture.limits ?? Self.limits()
    let kept = Kept()
    try await fixture.run { running in
      try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask {
          let time = try await blocking {
            let connection = try RawConnection(port: running.internalPort)
            return try ContinuousClock().measure { try body(connection) }
          }
          await kept.set(time)
        }
        tasks.addTask {
          for _ in 0..<20 {
            let answer = try await blocking {
              try RawConnection(port: running.internalPort).exchange(Self.healthy)
            }
            #expect(answer.status == 200)
          }
        }
        try await tasks.waitForAll()
      }
    }
    return await kept.time
  }

  private actor Kept {
    var time = Duration.zero
    func set(_ time: Duration) { self.time = time }
  }

  @Test func `a delivery has so long to arrive and no longer, however busily it does`() async throws
  {
    var fixture = ListenerFixture()
    var limits = GuardLimits.publicListener
    limits.bodyGrace = .milliseconds(400)
    fixture.limits = limits
    let counters = fixture.publicCounters
    try await fixture.run { running in
      try await blocking {
        let connection = try RawConnection(port: running.publicPort)
        connection.send(
          "POST /webhooks/default/abc HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n")
        let piece = String(repeating: "a", count: 100)
        var ended = false
        while !ended {
          ended = !connection.send(piece) || connection.isReadable(within: .milliseconds(10))
        }
        let (answers, _) = connection.responses()
        #expect(answers.first?.status ?? 408 == 408)
      }
    }
    #expect(counters.cuts[.body] == 1)
  }

  @Test func `a head that trickles in is cut at its deadline, however busily`() async throws {
    let fixture = ListenerFixture()
    let time = try await attack(fixture) { connection in
      // A byte at a time until the answer or the end is there.
      let head = "GET /stores/a/v3/x HTTP/1.1\r\nHost: x\r\nA: "
      connection.send(head)
      var ended = false
      while !ended {
        ended = !connection.send("a") || connection.isReadable(within: .milliseconds(20))
      }
      let (answers, _) = connection.responses()
      #expect(answers.first?.status ?? 408 == 408)
    }
    #expect(time > .milliseconds(350) && time < .seconds(5))
    #expect(fixture.internalCounters.cuts[.head] == 1)
  }

  @Test func `a body that trickles in is cut by its rate, and one that stops is cut sooner`()
    async throws
  {
    for isTrickling in [true, false] {
      let fixture = ListenerFixture()
      let time = try await attack(fixture) { connection in
        connection.send(
          "POST /stores/a/v3/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nab")
        var ended = false
        while isTrickling && !ended {
          ended = !connection.send("a") || connection.isReadable(within: .milliseconds(20))
        }
        let (answers, _) = connection.responses()
        #expect(answers.first?.status ?? 408 == 408)
      }
      #expect(time > .milliseconds(350) && time < .seconds(5))
      #expect(fixture.internalCounters.cuts[.body] == 1)
      #expect(fixture.internalCounters.requestsInFlight == 0)
    }
  }

  @Test func `a body that is fast enough takes longer than the grace`() async throws {
    let fixture = ListenerFixture()
    _ = try await attack(fixture) { connection in
      connection.send("POST /stores/a/v3/x HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n\r\n")
      let part = String(repeating: "a", count: 1000)
      for _ in 0..<50 {
        connection.send(part)
        _ = connection.isReadable(within: .milliseconds(15))
      }
      var rest: [UInt8] = []
      let answer1 = try connection.response(rest: &rest)
      #expect(answer1.text == "POST /stores/a/v3/x 50000")
    }
    #expect(fixture.internalCounters.cuts[.body] == nil)
  }

  @Test func `a body that nobody reads is not the client's fault`() async throws {
    var fixture = ListenerFixture()
    fixture.gateway = StubGateway { request in
      // Longer than every deadline, while the client's bytes wait in front of us.
      let clock = ContinuousClock()
      try? await clock.sleep(for: .milliseconds(1200))
      return await StubGateway.echo.respond(to: request)
    }
    var limits = Self.limits()
    limits.writeRate = 1
    fixture.limits = limits
    _ = try await attackWithoutOthers(fixture) { connection in
      connection.send("POST /stores/a/v3/x HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n")
      connection.send([UInt8](repeating: 97, count: 8_000_000))
      var rest: [UInt8] = []
      let answer2 = try connection.response(rest: &rest)
      #expect(answer2.text == "POST /stores/a/v3/x 8000000")
    }
    #expect(fixture.internalCounters.cuts.isEmpty)
  }

  private func attackWithoutOthers(
    _ fixture: ListenerFixture, _ body: @escaping @Sendable (RawConnection) throws -> Void
  ) async throws {
    try await fixture.run { running in
      try await blocking { try body(try RawConnection(port: running.internalPort)) }
    }
  }

  @Test func `a client that does not read its answer is cut, and so is one that reads a little`()
    async throws
  {
    for reads in [false, true] {
      var fixture = ListenerFixture()
      fixture.gateway = StubGateway { request in
        request.target.hasSuffix("/big")
          ? .text(String(repeating: "x", count: 32 << 20))
          : await StubGateway.echo.respond(to: request)
      }
      let time = try await attack(fixture) { connection in
        connection.send("GET /stores/a/v3/big HTTP/1.1\r\nHost: x\r\n\r\n")
        _ = try connection.receive()
        var taken = 0
        let clock = ContinuousClock()
        let end = clock.now + .seconds(3)
        // A few bytes at a time keep the connection alive only in name.
        while reads, clock.now < end {
          let part = connection.receive(upTo: 64, pause: .milliseconds(20))
          if part <= 0 { break }
          taken += part
        }
        if !reads { connection.waitUntilClosed(.seconds(5)) }
        let (_, wasReset) = connection.receiveToEnd()
        #expect(wasReset)
      }
      #expect(time < .seconds(8))
      #expect(fixture.internalCounters.cuts[.write] == 1)
      #expect(fixture.internalCounters.requestsInFlight == 0)
    }
  }

  @Test func `a small answer that is never read is cut as well, though the kernel holds it`()
    async throws
  {
    for reads in [false, true] {
      var fixture = ListenerFixture()
      fixture.gateway = StubGateway { _ in .text(String(repeating: "x", count: 12_000)) }
      var limits = Self.limits()
      limits.writeLook = .milliseconds(100)
      limits.idle = .seconds(20)
      fixture.limits = limits
      let time = Kept()
      try await fixture.run { running in
        await time.set(
          try await blocking {
            let connection = try RawConnection(port: running.internalPort, receiveBuffer: 1)
            return ContinuousClock().measure {
              connection.send(Self.healthy.replacing("Connection: close\r\n", with: ""))
              _ = connection.isReadable(within: .seconds(5))
              let end = ContinuousClock.now + .seconds(3)
              while reads, ContinuousClock.now < end {
                if connection.receive(upTo: 16, pause: .milliseconds(50)) <= 0 { break }
              }
              if !reads { connection.waitUntilClosed(.seconds(5)) }
              #expect(connection.receiveToEnd().wasReset)
            }
          })
      }
      #expect(await time.time < .seconds(5))
      #expect(fixture.internalCounters.cuts[.write] == 1)
    }
  }

  @Test func `who sends on and reads no answer is cut, also while an answer is being made`()
    async throws
  {
    var fixture = ListenerFixture()
    fixture.gateway = StubGateway { request in
      if request.target.hasSuffix("/slow") {
        // Until the connection ends.
        let (never, end) = AsyncStream.makeStream(of: Void.self)
        for await _ in never {}
        end.finish()
      }
      return .text(String(repeating: "x", count: 12_000))
    }
    let time = try await attack(fixture) { connection in
      let small = "GET /stores/a/v3/y HTTP/1.1\r\nHost: x\r\n\r\n"
      // Twelve megabytes: more than the kernel holds for both ends.
      for _ in 0..<1000 { connection.send(small) }
      connection.send(small.replacing("/y", with: "/slow"))
      connection.waitUntilClosed(.seconds(5))
      #expect(connection.receiveToEnd().wasReset)
    }
    #expect(time < .seconds(8))
    #expect(fixture.internalCounters.cuts[.write] == 1)
    #expect(fixture.internalCounters.requestsInFlight == 0)
  }

  @Test func `who has read its answer may be idle for as long as an idle connection may`()
    async throws
  {
    var fixture = ListenerFixture()
    fixture.gateway = StubGateway { _ in .text(String(repeating: "x", count: 12_000)) }
    var limits = Self.limits()
    limits.writeLook = .milliseconds(50)
    limits.writeGrace = .milliseconds(100)
    limits.writeStall = .milliseconds(100)
    limits.idle = .milliseconds(900)
    fixture.limits = limits
    try await attackWithoutOthers(fixture) { connection in
      // Slow, but done within the grace; then silent.
      var rest: [UInt8] = []
      connection.send(Self.healthy.replacing("Connection: close\r\n", with: ""))
      let answer = try connection.response(rest: &rest)
      #expect(answer.status == 200)
      #expect(connection.endsInOrder())
    }
    #expect(fixture.internalCounters.cuts == [.idle: 1])
  }

  @Test func `an idle connection is closed in order, before and after a request`() async throws {
    let fixture = ListenerFixture()
    _ = try await attack(fixture) { connection in
      #expect(connection.endsInOrder())
    }
    _ = try await attack(fixture) { connection in
      var rest: [UInt8] = []
      connection.send("GET /stores/a/v3/x HTTP/1.1\r\nHost: x\r\n\r\n")
      let answer3 = try connection.response(rest: &rest)
      #expect(answer3.status == 200)
      #expect(connection.endsInOrder())
    }
    #expect(fixture.internalCounters.cuts[.idle] == 2)
  }

  @Test func `the clock of slow readers asks for a rate after the grace and for progress always`() {
    var limits = GuardLimits()
    limits.writeGrace = .seconds(10)
    limits.writeRate = 1000
    limits.writeStall = .seconds(30)
    let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
    let at = { (seconds: Int64) in start + .seconds(seconds) }
    var watch = WriteWatch()
    watch.bytes = 1_000_000
    watch.note(unsent: 900_000, at: start)
    #expect(!watch.isTooSlow(limits, at: at(10)))
    #expect(watch.isTooSlow(limits, at: at(11)))
    watch.note(unsent: 800_000, at: at(11))
    #expect(!watch.isTooSlow(limits, at: at(11)))
    // It has earned a hundred seconds, but a stall ends it sooner.
    #expect(!watch.isTooSlow(limits, at: at(40)))
    #expect(watch.isTooSlow(limits, at: at(42)))
    // What waited at first is taken, other bytes wait: a client at work, with a grace of its own.
    watch.bytes = 2_000_000
    watch.note(unsent: 1_000_000, at: at(50))
    #expect(watch.isWaiting && !watch.isTooSlow(limits, at: at(60)))
    #expect(watch.isTooSlow(limits, at: at(61)))
    watch.note(unsent: 0, at: at(62))
    #expect(!watch.isWaiting && !watch.isTooSlow(limits, at: at(1000)))
  }
}
