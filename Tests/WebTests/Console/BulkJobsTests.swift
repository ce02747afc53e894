import Base
import Testing
import TestSupport

@testable import Web

@Suite struct `Acts on many stores` {
  private let id = RequestIDSource(seed: 1).next()

  private func stores(_ count: Int) -> [StoreName] {
    (0..<count).map { StoreName(app: "default", hash: "s\($0)") }
  }

  @Test func `are done once for each store, and told to nobody else`() async throws {
    let jobs = BulkJobs()
    let job = try #require(
      jobs.begin("Verify", of: "ann", on: stores(500), id) { store in
        BulkResult(store: store, word: "done", isGood: store.hash != "s7")
      })
    #expect(try await eventually { jobs.progress(job, of: "ann")?.isDone == true })
    let progress = try #require(jobs.progress(job, of: "ann"))
    #expect(Set(progress.results.map(\.store)) == Set(stores(500)))
    #expect(progress.results.filter { !$0.isGood }.map(\.store.hash) == ["s7"])
    #expect(jobs.progress(job, of: "bob") == nil)
    #expect(jobs.progress("nosuch", of: "ann") == nil)
  }

  @Test func `eight go on at once, and no more are begun`() async throws {
    let jobs = BulkJobs()
    let gate = Gate()
    var begun: [String] = []
    for _ in 0..<BulkJobs.mostUnderWay {
      begun.append(
        try #require(
          jobs.begin("Verify", of: "ann", on: stores(1), id) { store in
            await gate.wait()
            return BulkResult(store: store, word: "", isGood: true)
          }))
    }
    #expect(jobs.begin("Verify", of: "ann", on: stores(1), id, Self.nothing) == nil)
    await gate.open()
    for job in begun {
      #expect(try await eventually { jobs.progress(job, of: "ann")?.isDone == true })
    }
    #expect(jobs.begin("Verify", of: "ann", on: stores(1), id, Self.nothing) != nil)
  }

  @Test func `those that ended long ago are forgotten`() async throws {
    let jobs = BulkJobs()
    var begun: [String] = []
    for _ in 0..<BulkJobs.most + 5 {
      let job = try #require(jobs.begin("Verify", of: "ann", on: stores(1), id, Self.nothing))
      #expect(try await eventually { jobs.progress(job, of: "ann")?.isDone == true })
      begun.append(job)
    }
    #expect(begun.prefix(5).allSatisfy { jobs.progress($0, of: "ann") == nil })
    #expect(begun.suffix(60).allSatisfy { jobs.progress($0, of: "ann") != nil })
  }

  private static let nothing: @Sendable (StoreName) async -> BulkResult = { store in
    BulkResult(store: store, word: "", isGood: true)
  }
}
