import Base
import Postgres
import Storage
import TestSupport
import Testing
import Vault

@Suite struct `The ledger of keyed writes` {
  typealias Rig = KeyedWritesRig

  @Test func `the first request may send, repetitions wait and then get its answer`() async throws {
    try await Rig.run { rig in
      let first = try rig.write()
      let again = try rig.write(claim: "again")
      #expect(try await rig.state(first) == .inFlight)
      let found = try #require(try await rig.ledger.begin(again))
      #expect(found.claim == "first")
      #expect(found.requestID == "req-first")
      #expect(found.fingerprint == first.fingerprint)
      #expect(found.state == .inFlight)
      try await rig.end(first)
      #expect(try await rig.state(again) == .done(status: 201, .kept(Rig.answer)))
      #expect(try await rig.state(again) == .done(status: 201, .kept(Rig.answer)))
    }
  }

  @Test func `of a hundred at once exactly one may send`() async throws {
    try await Rig.run { rig in
      let claims = try await withThrowingTaskGroup(of: (String, String).self) { group in
        for number in 0..<100 {
          group.addTask {
            let write = try rig.write(claim: "claim-\(number)")
            return (write.claim, try #require(try await rig.ledger.begin(write)).claim)
          }
        }
        return try await group.reduce(into: [(String, String)]()) { $0.append($1) }
      }
      #expect(claims.count { $0.0 == $0.1 } == 1)
      #expect(Set(claims.map(\.1)).count == 1)
      #expect(try await rig.totalsAreTrue())
    }
  }

  @Test func `another request under the key sees no answer`() async throws {
    try await Rig.run { rig in
      let first = try rig.write()
      _ = try await rig.ledger.begin(first)
      try await rig.end(first)
      let other = try rig.write(claim: "other", request: "POST /v2/orders another body")
      let found = try #require(try await rig.ledger.begin(other))
      #expect(found.fingerprint != other.fingerprint)
      #expect(found.state == .done(status: 201, .notKept))
    }
  }

  @Test func `a silent sender is dead after its lease, and its late word still counts`()
    async throws
  {
    try await Rig.run { rig in
      let first = try rig.write()
      let again = try rig.write(claim: "again")
      _ = try await rig.ledger.begin(first)
      try await rig.pass(.seconds(14))
      try await rig.ledger.renew(first)
      try await rig.pass(.seconds(14))
      #expect(try await rig.state(again) == .inFlight)
      try await rig.pass(.seconds(2))
      #expect(try await rig.state(again) == .unknown(cause: "interrupted", status: nil))
      try await rig.ledger.renew(first)
      #expect(try await rig.state(again) == .unknown(cause: "interrupted", status: nil))
      try await rig.end(first)
      #expect(try await rig.state(again) == .done(status: 201, .kept(Rig.answer)))
    }
  }

  @Test func `only the sender ends it`() async throws {
    try await Rig.run { rig in
      let first = try rig.write()
      let again = try rig.write(claim: "again")
      _ = try await rig.ledger.begin(first)
      _ = try await rig.ledger.begin(again)
      try await rig.end(again)
      try await rig.ledger.free(again)
      try await rig.ledger.lose(again, because: .upstreamTimeout, status: nil)
      #expect(try await rig.state(again) == .inFlight)
      try await rig.ledger.lose(first, because: .upstreamError, status: 503)
      #expect(try await rig.state(again) == .unknown(cause: "upstream_error", status: 503))
    }
  }

  @Test func `what was certainly not carried out leaves its key free`() async throws {
    try await Rig.run { rig in
      let first = try rig.write()
      let again = try rig.write(claim: "again")
      _ = try await rig.ledger.begin(first)
      try await rig.ledger.free(first)
      #expect(try #require(try await rig.ledger.begin(again)).claim == "again")
      // The first's late word must not end the second.
      try await rig.end(first)
      #expect(try await rig.state(try rig.write(claim: "third")) == .inFlight)
    }
  }

  @Test func `a COMMIT that nobody heard of is repeated by its claim`() async throws {
    try await Rig.run { rig in
      let first = try rig.write()
      _ = try await rig.ledger.begin(first)
      try await rig.pass(.seconds(60))
      let found = try #require(try await rig.ledger.begin(first))
      #expect(found.state == .inFlight)
      #expect(found.claim == "first")
      #expect(
        try await rig.state(try rig.write(claim: "again")) == .inFlight, "with a fresh lease")
    }
  }

  @Test func `after a day a key is new, and what was under it is forgotten`() async throws {
    try await Rig.run { rig in
      let first = try rig.write()
      _ = try await rig.ledger.begin(first)
      try await rig.end(first)
      try await rig.pass(KeyedWrites.keptFor - .seconds(60))
      let again = try rig.write(claim: "again")
      #expect(try await rig.state(again) == .done(status: 201, .kept(Rig.answer)))
      try await rig.pass(.seconds(61))
      let found = try #require(try await rig.ledger.begin(again))
      #expect(found.claim == "again")
      #expect(found.state == .inFlight)
      #expect(try await rig.totalsAreTrue())
      for number in 0..<700 { _ = try await rig.ledger.begin(rig.write("k\(number)")) }
      try await rig.pass(KeyedWrites.keptFor + .seconds(1))
      let retention = Retention(database: rig.database)
      #expect(try await retention.forgetKeyedWrites() == 500)
      #expect(try await retention.forgetKeyedWrites() == 201)
      #expect(
        try await rig.database.count(Statement("SELECT count(*) FROM keyed_write_totals")) == 0)
    }
  }

  @Test func `a key is of one caller, store and app`() async throws {
    try await Rig.run { rig in
      let others = [
        try rig.write(claim: "a"), try rig.write(claim: "b", store: "xyz"),
        try rig.write(claim: "c", app: "second"), try rig.write(claim: "d", caller: "caller2"),
        try rig.write("order-2", claim: "e"),
      ]
      for write in others {
        #expect(try #require(try await rig.ledger.begin(write)).claim == write.claim)
      }
    }
  }

  @Test func `an answer opens nowhere but in its own row`() async throws {
    try await Rig.run { rig in
      let mine = try rig.write()
      for other in [
        try rig.write(store: "xyz"), try rig.write(app: "second"), try rig.write(caller: "caller2"),
        try rig.write("order-2"),
      ] {
        for write in [mine, other] {
          _ = try await rig.ledger.begin(write)
          try await rig.end(write)
        }
        _ = try await rig.database.query(
          Statement(
            """
            UPDATE keyed_writes SET sealed_answer = (SELECT sealed_answer FROM keyed_writes
              WHERE app_id = $1 AND store_hash = $2 AND caller = $3 AND key_sha256 = $4)
            WHERE app_id = 'default' AND store_hash = 'abc' AND caller = 'caller1' AND key_sha256 = $5
            """,
            [
              other.id.installation.app.text, other.id.installation.store.text, other.id.caller,
              other.id.digest.bytes, mine.id.digest.bytes,
            ]))
        #expect(
          try await rig.state(mine) == .done(status: 201, .unreadable(reason: "damaged")))
      }
    }
  }

  @Test func `nothing of key, request or answer can be read in the table`() async throws {
    try await Rig.run { rig in
      let write = try rig.write("anna@example.com", request: "canary-request")
      _ = try await rig.ledger.begin(write)
      try await rig.end(
        write,
        KeptAnswer(
          status: 200, fields: [.init(name: "X-Canary", value: "canary-field")],
          body: Array("canary-body".utf8)))
      let row = try #require(
        try await rig.database.query(
          Statement("SELECT to_jsonb(keyed_writes)::text AS row FROM keyed_writes")
        ).rows.first)
      let text = try row.decode("row", as: String.self)
      #expect(text.contains("sealed_answer"))
      for word in ["anna", "canary"] {
        #expect(!text.contains(word) && !text.contains(Hex.encode(Array(word.utf8))))
      }
    }
  }
}
