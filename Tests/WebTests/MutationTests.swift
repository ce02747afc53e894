import TestSupport
import Testing

@testable import Web

@Suite struct `Mutated requests` {
  private static let seeds: [String] = [
    "GET /stores/a/v3/x HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n",
    "POST /stores/a/v3/x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    "POST /stores/a/v3/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "PUT /v1/stores HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
    "GET /livez HTTP/1.0\r\nHost: x\r\n\r\nGET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
  ]

  private static func mutate(_ bytes: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
    var bytes = bytes
    for _ in 0...Int.random(in: 0...3, using: &generator) {
      let place = Int.random(in: 0..<max(1, bytes.count), using: &generator)
      switch Int.random(in: 0...5, using: &generator) {
      case 0: bytes[place] = UInt8.random(in: 0...255, using: &generator)
      case 1: bytes.insert([0x0D, 0x0A, 0x20, 0x3A, 0x00, 0x2C][place % 6], at: place)
      case 2: bytes.remove(at: place)
      case 3: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + 20)], at: place)
      case 4: bytes[place] ^= 1 << UInt8.random(in: 0...7, using: &generator)
      default: bytes.removeSubrange(place..<min(bytes.count, place + 10))
      }
      if bytes.isEmpty { return [0] }
    }
    return bytes
  }

  @Test func `random changes of requests never crash, hang or upset the listener`() async throws {
    let seed: UInt64 = 20_261_121
    let total = count(ordinary: 2_000, full: 100_000)
    let fixture = ListenerFixture()
    try await fixture.run { running in
      try await withThrowingTaskGroup(of: Void.self) { tasks in
        for worker in 0..<4 {
          tasks.addTask {
            try await blocking {
              var generator = SeededGenerator(seed: seed + UInt64(worker))
              for index in 0..<(total / 4) {
                let bytes = Self.mutate(
                  Array(Self.seeds[index % Self.seeds.count].utf8), &generator)
                let connection = try RawConnection(port: running.internalPort)
                connection.send(bytes)
                connection.endSending()
                let (answers, failure) = connection.responses()
                // Whole answers or a reset; never half an answer, never none of the listener's
                // statuses.
                let isCut = if case RawHTTPError.cut? = failure { true } else { false }
                #expect(!isCut, "seed \(seed), worker \(worker), request \(index)")
                #expect(answers.allSatisfy { (100..<600).contains($0.status) && $0.status != 500 })
              }
            }
          }
        }
        try await tasks.waitForAll()
      }
      try await blocking {
        try blockUntil {
          fixture.internalCounters.requestsInFlight == 0
            && fixture.internalCounters.openConnections == 0
        }
        let answer = try RawConnection(port: running.internalPort).exchange(Self.seeds[0])
        #expect(answer.status == 200)
      }
    }
  }

  @Test func `random changes never let the scanners read beyond what they were given`() {
    var generator = SeededGenerator(seed: 3)
    for index in 0..<count(ordinary: 50_000, full: 1_000_000) {
      let bytes = Self.mutate(Array(Self.seeds[index % Self.seeds.count].utf8), &generator)
      var scanner = HeadScanner()
      guard case .complete(let range) = scanner.scan(bytes.span, limits: GuardLimits()) else {
        continue
      }
      do throws(Refusal) {
        let head = try RequestHead.parse(bytes[range].span)
        var body = BodyScanner(head.framing, limit: .max)
        let rest = bytes[range.upperBound...]
        #expect(try body.take(rest.span) <= rest.count)
      } catch {
        continue
      }
    }
  }
}
