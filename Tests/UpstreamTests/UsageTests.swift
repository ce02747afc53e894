import Base
import BigCommerce
import NIOCore
import Postgres
import Reactor
import Storage
import TestSupport
import Testing
import Upstream
import Vault

@Suite struct `The usage of a replica` {
  private static let noon = Timestamp(
    seconds: WallClock.system.now().seconds / 86400 * 86400 + 43200)

  private static func tags(_ store: String, key: String = "k_1") throws -> CallTags {
    let id = InstallationID(app: .default, store: try #require(StoreHash(store)))
    let grant = Grant(
      app: .default, stores: .all, scopes: .all, abilities: Abilities([.proxy]))
    return CallTags(
      store: StoreEntry(
        installation: id, state: .active, generation: Generation(1), token: .absent,
        scopes: .none),
      key: KeyEntry(
        ServiceKeyRecord(
          id: key, name: "test", digest: KeyDigest(of: Array(key.utf8)), grant: grant,
          createdAt: noon, createdBy: "test")), demand: demand("test", maxWait: .seconds(1)))
  }

  private func book(_ limits: UsageBook.Limits = .init()) -> UsageBook {
    UsageBook(loops: TestCluster.reactor.loops, limits: limits)
  }

  @Test func `calls from all loops and threads are in it, each once`() async throws {
    let book = book()
    let tags = try ["abc", "xyz"].map { try Self.tags($0) }
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<8 {
        group.addTask {
          for number in 0..<1000 {
            book.refused(
              tags[number % 2], status: 503, now: Self.noon, on: TestCluster.reactor.next())
          }
        }
      }
    }
    let cells = book.take()
    #expect(cells.count <= 2 * TestCluster.reactor.loops.count)
    for store in ["abc", "xyz"] {
      let sum = cells.filter { $0.installation.store.text == store }
        .reduce(0) { $0 + $1.counts[.refused] }
      #expect(sum == 4000)
    }
    #expect(book.take().isEmpty && book.cells == 0)
  }

  @Test func `past its limits it forgets who called, then that, and says how often`() throws {
    let book = book(UsageBook.Limits(detailed: 3, all: 4))
    let loop = TestCluster.reactor.next()
    let tags = try (1...4).map { try Self.tags("abc", key: "k_\($0)") }
    // One store's callers: its cell has room for all of them. Other stores' have none.
    let same = CallTags(store: tags[0].store, key: tags[3].key, demand: tags[0].demand)
    let store = tags[0].store
    for tag in tags {
      let call = CallTags(store: store, key: tag.key, demand: tag.demand)
      for _ in 0..<2 { book.refused(call, status: 429, now: Self.noon, on: loop) }
    }
    book.refused(same, status: 429, now: Self.noon, on: loop)
    book.refused(try Self.tags("other"), status: 429, now: Self.noon, on: loop)
    #expect(book.lostCalls == 1)
    let cells = book.take()
    #expect(
      Dictionary(cells.map { ($0.key, $0.counts[.calls]) }, uniquingKeysWith: +)
        == ["k_1": 2, "k_2": 2, "k_3": 2, "": 3])
    #expect(cells.first { $0.key.isEmpty }?.family == "")
    book.refused(try Self.tags("other"), status: 429, now: Self.noon, on: loop)
    #expect(book.lostCalls == 1 && book.cells == 1, "there is room again")
  }

  @Test func `what the database does not take is written once it does, and once only`()
    async throws
  {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      let book = book()
      let writer = UsageWriter(
        book: book, ledger: UsageLedger(database: database),
        failures: CallFailures(database: database), keepDays: 90, name: "w", logger: .silent)
      let tags = try (0..<700).map { try Self.tags("s\($0)") }
      for tag in tags {
        book.refused(tag, status: 429, now: Self.noon, on: TestCluster.reactor.next())
      }
      _ = try await database.query(Statement("ALTER TABLE usage RENAME TO away"))
      await #expect(throws: PostgresError.self) { try await writer.write() }
      for tag in tags {
        book.refused(tag, status: 429, now: Self.noon, on: TestCluster.reactor.next())
      }
      await #expect(throws: PostgresError.self) { try await writer.write() }
      _ = try await database.query(Statement("ALTER TABLE away RENAME TO usage"))
      try await writer.write()
      try await writer.write()
      var question = UsageQuestion(
        app: .default, grain: .day, since: Self.noon - .seconds(43200),
        until: Self.noon + .seconds(43200))
      question.byStore = true
      let rows = try await UsageReading(database: database).read(question, after: nil, limit: 1000)
      #expect(rows.count == 700 && rows.allSatisfy { $0.counts[.throttled] == 2 })
      #expect(book.cells == 0)
    }
  }

  @Test func `a day without a partition is made; one too long ago is let go`() async throws {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      let book = book()
      let writer = UsageWriter(
        book: book, ledger: UsageLedger(database: database),
        failures: CallFailures(database: database), keepDays: 5, name: "w", logger: .silent)
      let loop = TestCluster.reactor.next()
      let call = try Self.tags("abc")
      book.refused(call, status: 429, now: Self.noon - .seconds(4 * 86400), on: loop)
      try await writer.write()
      #expect(try await database.count(Statement("SELECT count(*) FROM usage")) == 6)
      book.refused(call, status: 429, now: Self.noon - .seconds(30 * 86400), on: loop)
      try await writer.write()
      book.refused(call, status: 429, now: Self.noon, on: loop)
      try await writer.write()
      #expect(try await database.count(Statement("SELECT count(*) FROM usage")) == 12)
      try await writer.sweep()
      #expect(try await database.count(Statement("SELECT count(*) FROM usage")) == 12)
    }
  }
}
