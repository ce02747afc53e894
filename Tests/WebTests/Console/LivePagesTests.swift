import Base
import Hummingbird
import Synchronization
import TestSupport
import Testing

@testable import Web

@Suite struct `Live pages` {
  private let pages = LivePages(draining: Draining(), time: ManualClock().clock)

  /// A stream whose session ends with its first page.
  private func open() throws(Problem) -> Response {
    let turns = Turns()
    return try pages.stream(mayGoOn: { turns.take() }, make: { "the\npage" })
  }

  /// True once.
  private final class Turns: Sendable {
    private let isTaken = Mutex(false)

    func take() -> Bool {
      isTaken.withLock { isTaken in
        defer { isTaken = true }
        return !isTaken
      }
    }
  }

  private func refusal() -> Problem? {
    do throws(Problem) {
      _ = try open()
      return nil
    } catch {
      return error
    }
  }

  @Test func `are a hundred at most, and one that ends leaves its place to another`() async throws {
    var streams: [Response] = []
    for _ in 0..<100 { streams.append(try open()) }
    let refused = try #require(refusal())
    #expect(refused.status == 503 && refused.code == "overloaded" && refused.retryAfter == 5)
    #expect(try await streams.removeFirst().text() == "retry: 2000\n\ndata: the\ndata: page\n\n")
    streams.append(try open())
    #expect(refusal() == refused)
    // One whose browser went away before it began.
    streams.removeLast()
    streams.append(try open())
    #expect(refusal() == refused)
  }
}
