import Base
import NIOCore
import TestSupport
import Testing

@testable import Web

@Suite struct `Guard parsing` {
  private func scan(_ text: String, pieces: Int = 1, _ limits: GuardLimits = GuardLimits())
    -> HeadScanner.Verdict
  {
    let bytes = Array(text.utf8)
    var scanner = HeadScanner()
    var end = 0
    while end < bytes.count {
      end = min(bytes.count, end + max(1, bytes.count / pieces))
      let verdict = scanner.scan(bytes[0..<end].span, limits: limits)
      if verdict != .more { return verdict }
    }
    return .more
  }

  private func parse(_ text: String) -> Result<RequestHead, Refusal> {
    Result { () throws(Refusal) in try RequestHead.parse(Array(text.utf8).span) }
  }

  @Test func `a head ends at its empty line, however it is cut into pieces`() {
    let head = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    for pieces in 1...head.utf8.count {
      #expect(scan(head + "rest", pieces: pieces) == .complete(0..<head.utf8.count))
    }
    #expect(scan("\r\n" + head) == .complete(2..<(2 + head.utf8.count)))
    #expect(scan("\r\n\r\n" + head) == .refused(.malformed))
    #expect(scan(String(head.dropLast(1))) == .more)
  }

  @Test(arguments: ["\n", "\r", "\0", "\u{1}", "\u{7F}", "\r\r\n", "\n\r\n"])
  func `a byte that no head holds is refused at once`(_ bad: String) {
    #expect(scan("GET / HTTP/1.1\(bad)H") == .refused(.malformed))
    #expect(scan("GET / HTTP/1.1\r\nA: b\(bad)H") == .refused(.malformed))
  }

  @Test func `a head of exactly the limits passes, and one byte or field more does not`() {
    let start = "GET / HTTP/1.1\r\nHost: x\r\nA: "
    let room = 16384 - start.utf8.count - 4
    let full = start + String(repeating: "a", count: room) + "\r\n\r\n"
    #expect(full.utf8.count == 16384)
    #expect(scan(full) == .complete(0..<16384))
    #expect(
      scan(start + String(repeating: "a", count: room + 1) + "\r\n\r\n") == .refused(.headTooLarge))
    let fields = { String(repeating: "A: b\r\n", count: $0) }
    #expect(scan("GET / HTTP/1.1\r\n\(fields(100))\r\n") != .refused(.headTooLarge))
    #expect(scan("GET / HTTP/1.1\r\n\(fields(101))\r\n") == .refused(.headTooLarge))
  }

  @Test func `a head says what the guard must know`() throws {
    let plain = try parse("GET /a HTTP/1.1\r\nHost: x\r\n\r\n").get()
    #expect(plain == RequestHead())
    let rich = try parse(
      "HEAD /a?b HTTP/1.0\r\nhOST:\tx:80 \r\nContent-Length: 12\r\nExpect: 100-Continue\r\n\r\n"
    ).get()
    #expect(rich.isHEAD && rich.isOldVersion && !rich.keepsAlive && rich.expectsContinue)
    #expect(rich.framing == .length(12))
    let chunked = try parse(
      "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\nConnection: a, Close\r\n\r\n"
    ).get()
    #expect(chunked.framing == .chunked && !chunked.keepsAlive)
    let upgrade = try parse("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\n\r\n").get()
    #expect(!upgrade.keepsAlive)
  }

  @Test func `field values are UTF-8 text or refused`() {
    #expect(throws: Never.self) {
      try parse("GET / HTTP/1.1\r\nHost: x\r\nA: é\r\n\r\n").get()
    }
    let bytes = Array("GET / HTTP/1.1\r\nHost: x\r\nA: ".utf8) + [0xFF] + Array("\r\n\r\n".utf8)
    #expect(throws: Refusal.malformed) { () throws(Refusal) in try RequestHead.parse(bytes.span) }
  }

  private func take(
    _ text: String, _ framing: RequestHead.Framing, limit: Int = .max, pieces: Int = 1
  ) throws -> Taken {
    let bytes = Array(text.utf8)
    var scanner = BodyScanner(framing, limit: limit)
    var taken = 0
    while taken < bytes.count, !scanner.isDone {
      let end = min(bytes.count, taken + max(1, bytes.count / pieces))
      taken += try scanner.take(bytes[taken..<end].span)
    }
    return Taken(bytes: taken, isDone: scanner.isDone)
  }

  private struct Taken: Equatable {
    let bytes: Int
    let isDone: Bool
  }

  @Test func `a body ends where its framing says, however it is cut into pieces`() throws {
    let chunks = "4\r\nabcd\r\nA\r\n0123456789\r\n0\r\n\r\n"
    for pieces in 1...chunks.utf8.count {
      #expect(
        try take(chunks + "GET", .chunked, pieces: pieces)
          == Taken(bytes: chunks.utf8.count, isDone: true))
      #expect(try take("abcdeGET", .length(5), pieces: pieces) == Taken(bytes: 5, isDone: true))
    }
    #expect(try take("abc", .length(5)) == Taken(bytes: 3, isDone: false))
    #expect(BodyScanner(.length(0), limit: 0).isDone)
  }

  @Test(arguments: [
    "\r\n", "x\r\n", "-1\r\n", "+1\r\n", " 1\r\n", "1 \r\n", "1;a=b\r\n", "0x1\r\n", "1\n", "1\r",
    "12345678\r\n", "1\r\nab", "1\r\na\n", "1\r\na\rX", "0\r\nA: b\r\n\r\n", "0\r\n\n", "0\r\n\rX",
    "1\r\na\r\n\r\n", "FFFFFFFFFFFFFFFF\r\n",
  ])
  func `chunks with anything beside size and data are refused`(_ text: String) {
    #expect(throws: Refusal.badFraming) { try take(text + "zz", .chunked) }
  }

  @Test func `chunks may not carry more than the limit`() {
    #expect(throws: Refusal.bodyTooLarge) { try take("5\r\nabcde\r\n6\r\n", .chunked, limit: 10) }
    #expect(throws: Never.self) { try take("5\r\nabcde\r\n5\r\n", .chunked, limit: 10) }
  }
}
