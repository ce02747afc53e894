import Base
import Glibc
import LatchkeyApp
import Linux
import Logging
import Testing

@testable import Web

/// A pipe whose reading end is read only when asked.
private final class Pipe: Sendable {
  let reading: Int32
  let writing: Int32

  init() throws {
    var ends: [Int32] = [0, 0]
    try #require(unsafe pipe(&ends) == 0)
    (reading, writing) = (ends[0], ends[1])
  }

  /// Everything that is written until the writing end is closed.
  func readAll() -> String {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = unsafe read(reading, &chunk, chunk.count)
      guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
      bytes += chunk[..<count]
    }
  }

  deinit { close(reading) }
}

@Suite(.serialized) struct `Log lines` {
  private let clock = WallClock { Timestamp(seconds: 1_795_222_923) }

  private func lines(
    _ format: LogFormat, level: Logger.Level = .info, _ body: (Logger) -> Void
  ) async throws -> [String] {
    let pipe = try Pipe()
    let output = LogOutput(
      LogSettings(level: level, format: format), stream: StandardStream(descriptor: pipe.writing),
      clock: clock)
    body(output.logger("latchkey.test"))
    await output.flush()
    close(pipe.writing)
    return pipe.readAll().split(separator: "\n").map(String.init)
  }

  @Test func `are JSON objects with their fields, one per line`() async throws {
    let lines = try await lines(.json) { logger in
      logger.info("a \"line\"\nof two", metadata: ["store_hash": "abc", "level": "spoofed"])
      logger.debug("not wanted")
      logger.error("failed", error: SystemError(call: "open", path: "/x", code: ENOENT))
    }
    #expect(
      lines == [
        #"{"at":"2026-11-21T01:02:03.000Z","level":"info","logger":"latchkey.test","#
          + #""message":"a \"line\"\nof two","metadata_level":"spoofed","store_hash":"abc"}"#,
        #"{"at":"2026-11-21T01:02:03.000Z","level":"error","logger":"latchkey.test","#
          + #""message":"failed","error":"open /x: No such file or directory"}"#,
      ])
    for line in lines { _ = try JSONScanner.parse(line) }
  }

  @Test func `as text are for people, and no value can begin a line of its own`() async throws {
    let lines = try await lines(.text) { logger in
      logger.warning("first\nforged", metadata: ["a": "x y", "b": "plain", "c": "1\n2"])
    }
    #expect(
      lines == [
        "2026-11-21T01:02:03.000Z warning  first\u{FFFD}forged  a=\"x y\" b=plain c=\"1\\n2\" "
          + "[latchkey.test]"
      ])
  }

  @Test func `show no secret`() async throws {
    let secret = Secret("canary")
    let lines = try await lines(.json) { $0.info("key \(secret)", metadata: ["key": "\(secret)"]) }
    #expect(!lines.joined().contains("canary"))
  }
}

@Suite(.serialized) struct `A log that cannot be written` {
  private let line = [UInt8](repeating: UInt8(ascii: "x"), count: 999) + [UInt8(ascii: "\n")]

  @Test func `because nobody reads holds nobody up, and says later what was lost`() async throws {
    let pipe = try Pipe()
    let sink = LogSink(stream: StandardStream(descriptor: pipe.writing), limit: 200_000) {
      Array("dropped \($0)\n".utf8)
    }
    let time = ContinuousClock().measure { for _ in 0..<2000 { sink.write(line) } }
    #expect(time < .seconds(2))
    async let text = pipe.readAll()
    await sink.flush(within: .seconds(10))
    sink.write(Array("last\n".utf8))
    await sink.flush(within: .seconds(10))
    close(pipe.writing)
    let lines = await text.split(separator: "\n")
    let whole = lines.count { $0.utf8.count == 999 }
    let told = lines.compactMap { $0.hasPrefix("dropped ") ? Int($0.dropFirst(8)) : nil }
    // Not `dropped`: the writing thread may have the count in its hands already.
    #expect(told.reduce(0, +) > 1000)
    #expect(whole + told.reduce(0, +) == 2000)
    #expect(lines.last == "last")
  }

  @Test func `because the reader has gone is dropped for good`() async throws {
    ProcessHardening.ignoreBrokenPipes()
    var ends: [Int32] = [0, 0]
    try #require(unsafe pipe(&ends) == 0)
    close(ends[0])
    defer { close(ends[1]) }
    let sink = LogSink(stream: StandardStream(descriptor: ends[1])) { _ in [] }
    for _ in 0..<100 { sink.write(line) }
    await sink.flush(within: .seconds(10))
    sink.write(line)
    await sink.flush(within: .seconds(10))
    #expect(sink.dropped == 101)
  }

  @Test func `because the disk is full is tried again with the next line`() async throws {
    let full = open("/dev/full", O_WRONLY)
    try #require(full >= 0)
    defer { close(full) }
    let sink = LogSink(stream: StandardStream(descriptor: full)) { _ in Array("notice\n".utf8) }
    for count in 1...3 {
      sink.write(line)
      await sink.flush(within: .seconds(10))
      #expect(sink.dropped == count)
    }
  }

  @Test func `does not keep a process that ends waiting`() async throws {
    let pipe = try Pipe()
    let sink = LogSink(stream: StandardStream(descriptor: pipe.writing)) { _ in [] }
    for _ in 0..<200 { sink.write(line) }
    let time = await ContinuousClock().measure { await sink.flush(within: .milliseconds(50)) }
    #expect(time < .seconds(5))
    // Lets the writing thread end.
    async let text = pipe.readAll()
    await sink.flush(within: .seconds(10))
    close(pipe.writing)
    #expect(await text.utf8.count == 200_000)
  }
}

@Suite struct `The line of a request` {
  private let clock = WallClock { Timestamp(microseconds: 1_795_222_923_045_678) }

  private static let trace = TraceSource(seed: 1).begin()

  private func record(
    status: Int = 200, path: String = "/stores/abc/v2/store",
    subject: RequestSubject = RequestSubject()
  ) -> AccessRecord {
    AccessRecord(
      listener: "internal", requestID: RequestID("r-1") ?? RequestIDSource(seed: 1).next(),
      traceID: Self.trace.traceID, subject: subject, method: "GET", path: path[...], status: status,
      duration: .microseconds(12_345),
      clientAddress: "127.0.0.1")
  }

  private func written(
    _ level: Logger.Level, _ records: [AccessRecord], _ log: (LogOutput) -> AccessLog
  ) async throws -> String {
    let pipe = try Pipe()
    let output = LogOutput(
      LogSettings(level: level, format: .json), stream: StandardStream(descriptor: pipe.writing),
      clock: clock)
    let log = log(output)
    for record in records { log.write(record) }
    await output.flush()
    close(pipe.writing)
    return pipe.readAll()
  }

  @Test(arguments: [Logger.Level.debug, .info, .warning])
  func `is what a logger would write, and as often`(level: Logger.Level) async throws {
    var subject = RequestSubject(app: .default, store: StoreHash("abc"), caller: "k4q7w2m9x3ap")
    subject.idempotency = .notKept
    let records = [
      record(subject: subject), record(status: 404, path: "/a\"b\\c\u{1}ü"),
      record(path: "/readyz"),
      record(status: 503, path: "/readyz"),
    ]
    let direct = try await written(level, records) { $0.accessLog("latchkey") }
    let ordinary = try await written(level, records) { .lines(to: $0.logger("latchkey")) }
    #expect(direct == ordinary)
    #expect(direct.split(separator: "\n").count == (level == .debug ? 4 : level == .info ? 3 : 0))
    for line in direct.split(separator: "\n") { _ = try JSONScanner.parse(String(line)) }
  }

  @Test func `is written soon without being asked for`() async throws {
    let pipe = try Pipe()
    let output = LogOutput(
      LogSettings(level: .info, format: .json), stream: StandardStream(descriptor: pipe.writing))
    output.accessLog("latchkey").write(record())
    var first: UInt8 = 0
    #expect(unsafe read(pipe.reading, &first, 1) == 1)
    #expect(first == UInt8(ascii: "{"))
    close(pipe.writing)
  }
}
