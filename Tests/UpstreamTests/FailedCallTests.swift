import Base
import Postgres
import Reactor
import Storage
import TestSupport
import Testing
import Upstream

@Suite struct `The failed calls of a replica` {
  private static let noon = Timestamp(
    seconds: WallClock.system.now().seconds / 86400 * 86400 - 43200)

  private static func call(
    _ number: Int, of store: String = "abc", status: Int = 404
  ) throws -> FailedCall {
    FailedCall(
      installation: InstallationID(app: .default, store: try #require(StoreHash(store))),
      at: noon + .seconds(number), requestID: "r-\(number)", key: "k_1", method: "GET",
      path: "/v2/orders", status: status, code: nil, outcome: .answered, duration: .zero)
  }

  private func book(failures: Int = 500) -> UsageBook {
    UsageBook(
      loops: TestCluster.reactor.loops, limits: UsageBook.Limits(failures: failures))
  }

  @Test func `the newest few of a store and kind are in it, from all loops`() async throws {
    let book = book()
    let loops = TestCluster.reactor.loops
    for number in 0..<1000 {
      book.note(try Self.call(number), on: loops[number % loops.count])
    }
    book.note(try Self.call(-1, status: 401), on: loops[0])
    book.note(try Self.call(-2, of: "xyz"), on: loops[0])
    let calls = book.takeFailures()
    #expect(
      Set(calls.map(\.requestID))
        == Set((1000 - CallFailures.kept..<1000).map { "r-\($0)" } + ["r--1", "r--2"]))
    #expect(book.takeFailures().isEmpty && book.lostFailures == 0)
  }

  @Test func `there is room for so many; what more fails is counted, and calls go on`() throws {
    let book = book(failures: 3)
    let loop = TestCluster.reactor.next()
    for store in 0..<5 { book.note(try Self.call(store, of: "s\(store)"), on: loop) }
    #expect(book.lostFailures == 2)
    #expect(book.takeFailures().count == 3)
    book.note(try Self.call(9), on: loop)
    #expect(book.lostFailures == 2 && book.takeFailures().count == 1, "there is room again")
  }

  @Test func `they are written with the usage, however often the database was away`() async throws {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      try await database.addApp()
      try await database.addInstallation("abc", sealedToken: [1])
      let book = book()
      let failures = CallFailures(database: database)
      let writer = UsageWriter(
        book: book, ledger: UsageLedger(database: database), failures: failures, keepDays: 90,
        name: "w", logger: .silent)
      let loop = TestCluster.reactor.next()
      book.note(try Self.call(1), on: loop)
      _ = try await database.query(Statement("ALTER TABLE call_failures RENAME TO away"))
      await #expect(throws: PostgresError.self) { try await writer.write() }
      book.note(try Self.call(2), on: loop)
      _ = try await database.query(Statement("ALTER TABLE away RENAME TO call_failures"))
      try await writer.write()
      try await writer.write()
      let store = InstallationID(app: .default, store: try #require(StoreHash("abc")))
      #expect(try await failures.read(of: store).map(\.call.requestID) == ["r-2", "r-1"])
    }
  }
}
