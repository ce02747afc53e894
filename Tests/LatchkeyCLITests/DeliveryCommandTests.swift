import Base
import Testing

@testable import LatchkeyCLI

@Suite struct `Commands for deliveries and events` {
  @Test func `a list ends at its limit, and says how to go on`() async throws {
    let service = StubService([
      "GET /v1/deliveries?scope=store%2Forder%2F%2A&status=event&limit=3":
        #"{"data":[{"id":"9"},{"id":"8"}],"next":"c8"}"#,
      "GET /v1/deliveries?scope=store%2Forder%2F%2A&status=event&limit=1&after=c8":
        #"{"data":[{"id":"7"}],"next":"c7"}"#,
    ])
    let arguments = ["deliveries", "list", "--scope", "store/order/*", "--status", "event"]
    let console = TestConsole()
    #expect(try await service.run(arguments + ["--limit", "3"], on: console) == .ok)
    let ids = console.output.split(separator: "\n").map { $0.split(separator: " ").first ?? "" }
    #expect(ids == ["ID", "9", "8", "7"])
    #expect(console.errors == "Older ones: --after c7\n")
    let json = TestConsole()
    #expect(try await service.run(arguments + ["--limit", "3", "--json"], on: json) == .ok)
    let document = try JSONScanner.parse(Array(json.output.utf8))
    #expect(document.text == #"{"data":[{"id":"9"},{"id":"8"},{"id":"7"}],"next":"c7"}"#)
    for wrong in ["0", "100001", "x"] {
      #expect(
        try await service.run(arguments + ["--limit", wrong], on: TestConsole()) == .usage)
    }
  }

  @Test func `the feed is read to its end, over pages without a match`() async throws {
    let service = StubService([
      "GET /v1/events?type=app%2Finstalled%2Ca%2Fb&limit=100":
        #"{"data":[],"next":"c1","more":true}"#,
      "GET /v1/events?type=app%2Finstalled%2Ca%2Fb&limit=100&after=c1":
        #"{"data":[{"id":"evt_1","data":{"a":1}}],"next":"c2","more":false}"#,
    ])
    let console = TestConsole()
    let arguments = ["events", "list", "--type", "app/installed", "--type", "a/b"]
    #expect(try await service.run(arguments, on: console) == .ok)
    #expect(console.output.contains("evt_1") && console.output.contains(#"{"a":1}"#))
    #expect(console.errors == "")
  }

  @Test func `a delivery is shown with its body, and replayed`() async throws {
    let service = StubService([
      "GET /v1/deliveries/7": #"{"id":"7","scope":null,"body":"{\"a\":\"\\u001b\"}"}"#,
      "POST /v1/deliveries/7/replay": #"{"event_id":"evt_1","delivery_id":"7"}"#,
    ])
    let console = TestConsole()
    #expect(try await service.run(["deliveries", "show", "7"], on: console) == .ok)
    #expect(console.output == "id     7\nscope  -\n\n{\"a\":\"\\u001b\"}\n")
    let made = TestConsole()
    #expect(try await service.run(["deliveries", "replay", "7"], on: made) == .ok)
    #expect(made.output == "event_id     evt_1\ndelivery_id  7\n")
    #expect(try await service.run(["deliveries", "replay", "8"], on: TestConsole()) == .failure)
  }

  @Test func `a moment is a time or how long ago`() throws {
    let now = try #require(Timestamp("2026-01-31T09:30:00Z"))
    #expect(Moment(argument: "2h")?.text(now: now) == "2026-01-31T07:30:00.000Z")
    #expect(Moment(argument: "2026-01-31T09:30:00Z") == .at(now))
    #expect(Moment(argument: "yesterday") == nil)
  }
}
