import Base
import Testing

@testable import LatchkeyCLI

@Suite struct `Commands that push once more, forget, and plan` {
  private func service(_ count: Int) -> StubService {
    StubService([
      "POST /v1/events/replay":
        """
      {"would_replay":\(count),"replayed":\(count),
       "subscriptions":[{"id":"sub_1","url":"http://a","would_replay":\(count)}]}
      """,
      "POST /v1/subscriptions/sub_1/discard": #"{"would_discard":2,"discarded":2}"#,
    ])
  }

  @Test func `a replay says first how much it is, and does nothing without a yes`() async throws {
    let arguments = ["events", "replay", "--since", "2h", "--type", "store/order/*"]
    let dry = TestConsole()
    #expect(try await service(3).run(arguments + ["--dry-run"], on: dry) == .ok)
    #expect(
      dry.output
        == "Would push 3 events once more: 3 to sub_1 (http://a). Nothing was changed.\n")
    #expect(try await service(3).run(arguments, on: TestConsole()) == .usage, "nobody to ask")
    let done = TestConsole()
    #expect(try await service(3).run(arguments + ["--yes"], on: done) == .ok)
    #expect(done.output == "3 deliveries are due again.\n")
    let none = TestConsole()
    #expect(try await service(0).run(arguments + ["--yes"], on: none) == .ok)
    #expect(none.output == "" && none.errors == "There is nothing to replay.\n")
    let json = TestConsole()
    #expect(try await service(0).run(arguments + ["--yes", "--json"], on: json) == .ok)
    #expect(try JSONScanner.parse(Array(json.output.utf8)).text == #"{"replayed":0}"#)
  }

  @Test(arguments: [
    [], ["evt_1", "--failed"], ["evt_1", "--type", "a/b"], ["--to", "c"], ["--type", "a/b"],
    ["--failed", "--since", "soon"], ["--until", "2h"],
  ])
  func `what is not clear is refused`(_ arguments: [String]) async throws {
    let all = ["events", "replay", "--yes"] + arguments
    #expect(try await service(3).run(all, on: TestConsole()) == .usage)
  }

  @Test func `dead letters are forgotten after a yes`() async throws {
    let console = TestConsole()
    let arguments = ["subscriptions", "discard", "sub_1", "--failed", "--until", "30d"]
    #expect(try await service(0).run(arguments + ["--dry-run"], on: console) == .ok)
    #expect(console.output.hasPrefix("Would forget 2 dead letters of the subscription sub_1."))
    let done = TestConsole()
    #expect(try await service(0).run(arguments + ["-y"], on: done) == .ok)
    #expect(done.output == "2 dead letters are forgotten.\n")
  }

  @Test func `a plan of many stores is asked for page by page`() async throws {
    let service = StubService([
      "POST /v1/webhooks/plan?limit=50":
        #"{"data":[{"store_hash":"a","in_step":true}],"next":"c1"}"#,
      "POST /v1/webhooks/plan?limit=50&after=c1":
        #"{"data":[{"store_hash":"b","in_step":true}],"next":null}"#,
      "GET /v1/webhooks?limit=1": #"{"data":[],"next":null,"counts":{"in_step":2,"parked":9}}"#,
    ])
    let console = TestConsole()
    #expect(try await service.run(["webhooks", "plan"], on: console) == .ok)
    #expect(console.output == "2 of 2 stores are as they should be.\n")
  }
}
