import Base
import Synchronization
import TestSupport
import Testing

@testable import LatchkeyCLI

@Suite struct `Following events` {
  @Test(arguments: [1, 2, 7, 1000])
  func `messages are found however the stream is cut`(_ size: Int) throws {
    let stream = Array(
      "retry: 2000\n\nid: a\n\nid: b\r\nevent: t\r\ndata: {\"n\":\r\ndata:1}\r\n\r\n: beat\n\nid: c\nda"
        .utf8)
    var reader = ServerSentEvents()
    var messages: [ServerSentEvents.Message] = []
    for start in stride(from: 0, to: stream.count, by: size) {
      messages += try reader.read(stream[start..<min(start + size, stream.count)])
    }
    #expect(
      messages == [.init(id: "a", data: nil), .init(id: "b", data: "{\"n\":\n1}")],
      "what is not complete is none yet")
  }

  /// A service that gives each connection its own answer, and keeps what was asked.
  private func follow(
    _ arguments: [String], _ answers: [String]
  ) async throws -> (status: ExitStatus, console: TestConsole, asked: [String]) {
    let asked = Mutex<[String]>([])
    let words = TestConsole()
    let status = try await MisbehavingServer.run { connection in
      let head = try await connection.readHead()
      let number = asked.withLock { asked in
        let place = head.split(separator: "\r\n").first { $0.hasPrefix("Last-Event-ID") }
        asked.append(head.split(separator: " ")[1] + (place.map { " \($0)" } ?? ""))
        return asked.count - 1
      }
      try await connection.send(number < answers.count ? answers[number] : "")
      // The end of the connection ends the stream.
    } body: { server in
      var console = words.console([
        "LATCHKEY_URL": "http://127.0.0.1:\(server.port)", "LATCHKEY_KEY": "lk_test",
      ])
      console.clock = ManualClock().clock
      console.untilInterrupted = {
        let gate = Gate()
        await withTaskCancellationHandler {
          await gate.wait()
        } onCancel: {
          Task { await gate.open() }
        }
      }
      return await Program.run(["events", "tail"] + arguments, on: console)
    }
    return (status, words, asked.withLock { $0 })
  }

  private static func stream(_ messages: String, isWhole: Bool = false) -> String {
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
      + "\(String(messages.utf8.count, radix: 16))\r\n\(messages)\r\n"
      + (isWhole ? "0\r\n\r\n" : "")
  }

  private static func refusal(_ status: String) -> String {
    "HTTP/1.1 \(status)\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
  }

  @Test func `it goes on behind what was shown, and shows half an event only when it is whole`()
    async throws
  {
    let found = try await follow(
      ["--json", "--limit", "2", "--type", "a/b"],
      [
        Self.stream("id: start\n\n"), Self.refusal("503 Service Unavailable"),
        Self.stream("id: one\ndata: {\"n\":1}\n\nid: two\ndata: {\"n\":"),
        Self.stream("id: two\ndata: {\"n\":2}\n\nid: three\ndata: {\"n\":3}\n\n"),
      ])
    #expect(found.status == .ok)
    #expect(found.console.output == "{\"n\":1}\n{\"n\":2}\n")
    let path = "/v1/events/stream?type=a%2Fb&after=newest"
    #expect(
      found.asked == [
        path, path + " Last-Event-ID: start", path + " Last-Event-ID: start",
        path + " Last-Event-ID: one",
      ])
    #expect(found.console.errors.contains("Trying again."))
    #expect(found.console.errors.contains("Connected again."))
  }

  @Test func `a refusal that stays is told, and so is any before the first success`() async throws {
    for answers in [
      [Self.refusal("503 Service Unavailable")], [Self.refusal("400 Bad Request")],
      [Self.stream("id: a\n\n", isWhole: true), Self.refusal("410 Gone")],
    ] {
      let found = try await follow([], answers)
      #expect(found.status == .failure && found.asked.count == answers.count)
    }
  }
}
