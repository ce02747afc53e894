import Base
import Postgres
import Storage
import TestSupport
import Testing

@Suite struct `Canaries in the database` {
  private struct Fleet {
    let database: Database
    let revocations: Revocations

    func id(_ store: String) throws -> InstallationID {
      InstallationID(app: .default, store: try #require(StoreHash(store)))
    }

    func state(_ store: String) async throws -> String {
      let result = try await database.query(
        Statement("SELECT state FROM installations WHERE store_hash = $1", [store]))
      return try #require(result.rows.first).decode("state")
    }

    /// Lets the planned time pass and gives every due canary this answer.
    @discardableResult
    func answer(_ answer: CanaryAnswer, after seconds: Int) async throws -> [CanaryEffect] {
      try await database.passTime(seconds: seconds)
      var effects: [CanaryEffect] = []
      for claim in try await revocations.claim(limit: 1000, lease: .seconds(60)) {
        effects.append(try await revocations.record(claim, answer))
      }
      return effects
    }

    func count(_ table: StaticString) async throws -> Int {
      try await database.count(Statement(table))
    }
  }

  private func withFleet<T: Sendable>(
    _ stores: [String], _ body: @Sendable (Fleet) async throws -> T
  ) async throws -> T {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      try await database.addApp()
      for store in stores { try await database.addInstallation(store, sealedToken: [1, 2, 3]) }
      return try await body(Fleet(database: database, revocations: Revocations(database: database)))
    }
  }

  @Test func `a confirmed refusal revokes, keeps the token, and an accepted canary reactivates`()
    async throws
  {
    try await withFleet(["abc"]) { fleet in
      try await fleet.revocations.suspect(fleet.id("abc"), Generation(1))
      #expect(try await fleet.answer(.refused, after: 4).isEmpty, "not due yet")
      #expect(try await fleet.answer(.refused, after: 2) == [.applied(.revoke(next: .seconds(60)))])
      #expect(try await fleet.state("abc") == "revoked")
      #expect(try await fleet.answer(.refused, after: 59).isEmpty)
      #expect(try await fleet.answer(.refused, after: 2) == [.applied(.again(next: .seconds(120)))])
      #expect(try await fleet.answer(.accepted, after: 121) == [.applied(.reactivate)])
      #expect(try await fleet.state("abc") == "active")
      #expect(try await fleet.answer(.accepted, after: 100_000).isEmpty, "no further canary")
      #expect(
        try await fleet.count(
          "SELECT count(*) FROM pending_events WHERE type IN ('app/revoked', 'app/reactivated')")
          == 2)
      #expect(
        try await fleet.count(
          "SELECT count(*) FROM audit WHERE action IN ('revoke', 'reactivate') AND actor = 'latchkey'"
        ) == 2)
      #expect(
        try await fleet.count("SELECT count(*) FROM installations WHERE sealed_token = '\\x010203'")
          == 1)
    }
  }

  @Test func `an accepted canary or one that proves nothing leaves the store active`() async throws
  {
    try await withFleet(["abc"]) { fleet in
      try await fleet.revocations.suspect(fleet.id("abc"), Generation(1))
      #expect(
        try await fleet.answer(.inconclusive, after: 6) == [.applied(.again(next: .seconds(5)))])
      #expect(try await fleet.answer(.accepted, after: 6) == [.applied(.settled)])
      #expect(try await fleet.state("abc") == "active")
      #expect(try await fleet.count("SELECT count(*) FROM audit") == 0)
    }
  }

  @Test func `a refusal of an older token, or of a store that is not active, plans nothing`()
    async throws
  {
    try await withFleet(["abc"]) { fleet in
      try await fleet.revocations.suspect(fleet.id("abc"), Generation(0))
      try await fleet.revocations.suspect(fleet.id("other"), Generation(1))
      #expect(try await fleet.answer(.refused, after: 60).isEmpty)
    }
  }

  @Test func `a canary of a replaced token changes nothing`() async throws {
    try await withFleet(["abc"]) { fleet in
      try await fleet.revocations.suspect(fleet.id("abc"), Generation(1))
      try await fleet.database.passTime(seconds: 6)
      let claim = try #require(
        try await fleet.revocations.claim(limit: 1, lease: .seconds(60)).first)
      _ = try await fleet.database.query(
        Statement("UPDATE installations SET generation = 2, sealed_token = '\\x09'"))
      #expect(try await fleet.revocations.record(claim, .refused) == .overtaken)
      #expect(try await fleet.state("abc") == "active")
      #expect(
        try await fleet.count(
          "SELECT count(*) FROM installations WHERE next_canary_at IS NULL AND canary_lease_until IS NULL"
        ) == 1)
    }
  }

  @Test func `two replicas do not take the same canary while its lease lasts`() async throws {
    try await withFleet((0..<20).map { "s\($0)" }) { fleet in
      for number in 0..<20 {
        try await fleet.revocations.suspect(fleet.id("s\(number)"), Generation(1))
      }
      try await fleet.database.passTime(seconds: 6)
      let taken = try await withThrowingTaskGroup(of: [String].self) { group in
        for _ in 0..<4 {
          group.addTask {
            try await fleet.revocations.claim(limit: 8, lease: .seconds(60)).map(
              \.installation.store.text)
          }
        }
        return try await group.reduce(into: []) { $0 += $1 }
      }
      #expect(taken.count == 20)
      #expect(Set(taken).count == 20)
      #expect(try await fleet.revocations.claim(limit: 8, lease: .seconds(60)).isEmpty)
      try await fleet.database.passTime(seconds: 61)
      #expect(
        try await fleet.revocations.claim(limit: 80, lease: .seconds(60)).count == 20,
        "the lease is over")
    }
  }

  @Test func `when many stores are refused at once nothing changes, and it is told once`()
    async throws
  {
    try await withFleet((0..<30).map { "s\($0)" }) { fleet in
      for number in 0..<12 {
        try await fleet.revocations.suspect(fleet.id("s\(number)"), Generation(1))
      }
      for seconds in [6, 11, 61, 121] { try await fleet.answer(.refused, after: seconds) }
      #expect(
        try await fleet.count("SELECT count(*) FROM installations WHERE state = 'active'") == 30)
      #expect(
        try await fleet.count(
          "SELECT count(*) FROM pending_events WHERE type = 'app/revocations_held' AND store_hash = ''"
        ) == 1)
      #expect(
        try await fleet.count("SELECT count(*) FROM audit WHERE action = 'revocations_held'") == 1)
      // The platform is well again: every store's next canary is accepted.
      try await fleet.answer(.accepted, after: 7 * 3600)
      #expect(
        try await fleet.count("SELECT count(*) FROM installations WHERE next_canary_at IS NOT NULL")
          == 0)
    }
  }

  @Test func `four stores of many may turn at once`() async throws {
    try await withFleet((0..<30).map { "s\($0)" }) { fleet in
      for number in 0..<4 {
        try await fleet.revocations.suspect(fleet.id("s\(number)"), Generation(1))
      }
      try await fleet.answer(.refused, after: 6)
      #expect(
        try await fleet.count("SELECT count(*) FROM installations WHERE state = 'revoked'") == 4)
      #expect(
        try await fleet.count(
          "SELECT count(*) FROM pending_events WHERE type = 'app/revocations_held'") == 0)
    }
  }

  @Test func `suspects whose canaries are accepted do not keep a refused store from turning`()
    async throws
  {
    try await withFleet((0..<30).map { "s\($0)" }) { fleet in
      for number in 0..<8 {
        try await fleet.revocations.suspect(fleet.id("s\(number)"), Generation(1))
      }
      try await fleet.database.passTime(seconds: 6)
      for claim in try await fleet.revocations.claim(limit: 100, lease: .seconds(60)) {
        _ = try await fleet.revocations.record(
          claim, claim.installation.store.text == "s0" ? .refused : .accepted)
      }
      try await fleet.answer(.refused, after: 11)
      #expect(try await fleet.state("s0") == "revoked")
      #expect(
        try await fleet.count(
          "SELECT count(*) FROM pending_events WHERE type = 'app/revocations_held'") == 0)
    }
  }

  @Test func `suspending or uninstalling ends a planned canary`() async throws {
    try await withFleet(["abc", "xyz"]) { fleet in
      try await fleet.revocations.suspect(fleet.id("abc"), Generation(1))
      try await fleet.revocations.suspect(fleet.id("xyz"), Generation(1))
      _ = try await fleet.database.query(
        Statement(
          "UPDATE installations SET state = 'suspended', suspended_at = now() WHERE store_hash = 'abc'"
        ))
      _ = try await fleet.database.query(
        Statement(
          """
          UPDATE installations SET state = 'uninstalled', sealed_token = NULL, token_key_id = NULL
          WHERE store_hash = 'xyz'
          """))
      #expect(try await fleet.answer(.refused, after: 600).isEmpty)
    }
  }

  @Test func `an operator's check takes the canary at once, but not of a suspended store`()
    async throws
  {
    try await withFleet(["abc"]) { fleet in
      let claim = try #require(
        try await fleet.revocations.claim(fleet.id("abc"), lease: .seconds(60)))
      #expect(claim.sealedToken == [1, 2, 3])
      #expect(try await fleet.revocations.record(claim, .accepted) == .applied(.settled))
      _ = try await fleet.database.query(
        Statement("UPDATE installations SET state = 'suspended', suspended_at = now()"))
      #expect(try await fleet.revocations.claim(fleet.id("abc"), lease: .seconds(60)) == nil)
    }
  }
}
