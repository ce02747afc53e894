import Base
import Postgres
import Storage
import TestSupport
import Testing

@Suite struct `Failed calls, in the database` {
  private static func id(_ store: String) throws -> InstallationID {
    InstallationID(app: .default, store: try #require(StoreHash(store)))
  }

  private static func call(
    _ number: Int, of store: String = "abc", status: Int = 404, code: String? = nil,
    outcome: FailedCall.Outcome = .answered
  ) throws -> FailedCall {
    FailedCall(
      installation: try id(store), at: noon + .seconds(number), requestID: "r-\(number)",
      key: "k_1", method: "GET", path: "/v3/catalog/products/\(number)", status: status, code: code,
      outcome: outcome, duration: .milliseconds(30 + number))
  }

  private static let noon = Timestamp(
    seconds: WallClock.system.now().seconds / 86400 * 86400 - 43200)

  private func with<T: Sendable>(
    _ body: @Sendable (Database, CallFailures) async throws -> T
  ) async throws -> T {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      try await database.addApp()
      for store in ["abc", "xyz"] { try await database.addInstallation(store, sealedToken: [1]) }
      return try await body(database, CallFailures(database: database))
    }
  }

  private func numbers(
    _ failures: CallFailures, of store: String = "abc"
  ) async throws -> [String] {
    try await failures.read(of: Self.id(store)).map(\.call.requestID)
  }

  @Test func `are read as they were, the newest first, each store's its own`() async throws {
    try await with { database, failures in
      let calls = [
        try Self.call(1), try Self.call(2, status: 403, code: "scope_missing", outcome: .notSent),
        try Self.call(3, status: 504, code: "upstream_timeout", outcome: .unknown),
      ]
      try await failures.add(calls + [try Self.call(4, of: "xyz")])
      _ = try await database.query(
        Statement(
          """
          INSERT INTO service_keys (key_id, name, secret_sha256, scopes, abilities, created_by)
          VALUES ('k_1', 'orders', '\\x00', '{*}', '{proxy}', 'test')
          """))
      let found = try await failures.read(of: Self.id("abc"))
      #expect(found.map(\.call) == calls.reversed())
      #expect(found.map(\.callerName) == ["orders", "orders", "orders"])
      #expect(try await numbers(failures, of: "xyz") == ["r-4"])
    }
  }

  @Test func `many of one kind push out no other's, and a few of it stay`() async throws {
    try await with { database, failures in
      try await failures.add([try Self.call(0, status: 401)])
      for batch in 0..<8 {
        try await failures.add((1...100).map { try Self.call(batch * 100 + $0) })
      }
      let kept = CallFailures.kept
      let newest = (0..<kept).map { "r-\(800 - $0)" }
      #expect(try await numbers(failures) == newest + ["r-0"])
      #expect(
        try await database.count(Statement("SELECT count(*) FROM call_failures")) == kept + 1)
      // Older ones that come late, from another replica, push out none that is newer.
      try await failures.add([try Self.call(5), try Self.call(6)])
      #expect(try await numbers(failures) == newest + ["r-0"])
    }
  }

  @Test func `a batch that comes twice is noted once`() async throws {
    try await with { _, failures in
      let calls = try (1...4).map { try Self.call($0) }
      try await failures.add(calls)
      try await failures.add(calls)
      let found = try await numbers(failures)
      #expect(found == ["r-4", "r-3", "r-2", "r-1"])
    }
  }

  @Test func `replicas note beside each other, and none waits in a circle`() async throws {
    try await with { database, failures in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for replica in 0..<4 {
          group.addTask {
            for round in 0..<10 {
              let calls = try (0..<40).map { number in
                try Self.call(
                  round * 1000 + (replica.isMultiple(of: 2) ? number : 39 - number) * 10 + replica,
                  of: number.isMultiple(of: 2) ? "abc" : "xyz", status: 400 + number % 5)
              }
              try await failures.add(calls)
            }
          }
        }
        try await group.waitForAll()
      }
      // Whoever writes next finds what others were about to forget.
      for status in 400..<405 {
        try await failures.add(
          ["abc", "xyz"].map { try Self.call(99_000, of: $0, status: status) })
      }
      let most = Statement(
        "SELECT max(n) AS count FROM (SELECT count(*) AS n FROM call_failures GROUP BY store_hash, kind) AS c"
      )
      #expect(try await database.count(most) == CallFailures.kept)
    }
  }

  @Test func `go with the store's data, and nothing of it is noted any more`() async throws {
    try await with { database, failures in
      try await failures.add([try Self.call(1), try Self.call(2, of: "xyz")])
      let states = InstallationStates(database: database)
      let change = try await states.destroy(
        Self.id("abc"), deletingData: true, act: Act(actor: "test", requestID: nil))
      #expect(change == .changed)
      try await failures.add([try Self.call(3), try Self.call(4, of: "xyz")])
      #expect(try await numbers(failures) == [])
      #expect(try await numbers(failures, of: "xyz") == ["r-4", "r-2"])
    }
  }

  @Test func `are forgotten after some days`() async throws {
    try await with { database, failures in
      try await failures.add([try Self.call(1), try Self.call(2)])
      _ = try await database.query(
        Statement(
          "UPDATE call_failures SET at = at - make_interval(days => $1::integer) WHERE request_id = 'r-1'",
          [CallFailures.daysKept]))
      #expect(try await failures.forget() == 1)
      #expect(try await numbers(failures) == ["r-2"])
    }
  }
}
