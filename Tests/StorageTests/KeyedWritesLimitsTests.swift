import Base
import Logging
import Postgres
import Storage
import TestSupport
import Testing
import Vault

@Suite struct `What the ledger of keyed writes may hold` {
  typealias Rig = KeyedWritesRig

  @Test func `a caller's keys and bytes of a store are bounded; known keys are found all the same`()
    async throws
  {
    var limits = KeyedWrites.Limits()
    limits.keys = 3
    limits.bytes = .kibibytes(7)
    try await Rig.run(limits: limits) { rig in
      for number in 0..<3 {
        _ = try #require(try await rig.ledger.begin(rig.write("k\(number)")))
      }
      #expect(try await rig.ledger.begin(rig.write("k3")) == nil)
      #expect(try await rig.ledger.begin(rig.write("k3", store: "xyz")) != nil)
      #expect(try await rig.ledger.begin(rig.write("k3", caller: "caller2")) != nil)
      #expect(try await rig.state(rig.write("k1", claim: "again")) == .inFlight)
      try await rig.ledger.free(rig.write("k1"))
      #expect(try await rig.ledger.begin(rig.write("k3")) != nil)
      try await rig.ledger.free(rig.write("k3"))
      // Answers of 3 KB each: two are within the bound, the third is the last.
      for number in [0, 2] { try await rig.end(rig.write("k\(number)")) }
      #expect(try await rig.ledger.begin(rig.write("k4")) != nil)
      try await rig.end(rig.write("k4"))
      try await rig.ledger.free(rig.write("k0"))
      #expect(try await rig.ledger.begin(rig.write("k5")) != nil)
      try await rig.end(rig.write("k5"))
      #expect(try await rig.ledger.begin(rig.write("k6")) == nil)
      #expect(try await rig.totalsAreTrue())
    }
  }

  @Test func `an uninstall erases answers, and keys stay spent`() async throws {
    try await Rig.run { rig in
      for key in ["done", "lost", "flying"] { _ = try await rig.ledger.begin(rig.write(key)) }
      _ = try await rig.ledger.begin(rig.write("done", store: "xyz"))
      try await rig.end(rig.write("done"))
      try await rig.end(rig.write("done", store: "xyz"))
      try await rig.ledger.lose(rig.write("lost"), because: .upstreamTimeout, status: nil)
      let states = InstallationStates(database: rig.database)
      let id = try rig.write().id.installation
      #expect(try await states.destroy(id, deletingData: false, act: .latchkey) == .changed)
      #expect(
        try await rig.state(rig.write("done", claim: "again")) == .done(status: 201, .notKept))
      #expect(
        try await rig.state(rig.write("lost", claim: "again"))
          == .unknown(cause: "upstream_timeout", status: nil))
      // What comes afterwards is not kept either.
      try await rig.end(rig.write("flying"))
      #expect(
        try await rig.state(rig.write("flying", claim: "again"))
          == .unknown(cause: "uninstalled", status: nil))
      #expect(
        try await rig.state(rig.write("done", claim: "again", store: "xyz"))
          == .done(status: 201, .kept(Rig.answer)))
      #expect(try await rig.totalsAreTrue())
      _ = try await states.destroy(id, deletingData: true, act: .latchkey)
      let left = try await rig.database.count(
        Statement("SELECT count(*) FROM keyed_writes WHERE store_hash = 'abc'"))
      #expect(left == 0)
      try await rig.end(rig.write("flying"))
      #expect(try await rig.totalsAreTrue())
    }
  }

  @Test func `answers move to a new encryption key, and one in use cannot be dropped`() async throws
  {
    try await Rig.run { rig in
      for number in 0..<25 {
        let write = try rig.write("k\(number)")
        _ = try await rig.ledger.begin(write)
        try await rig.end(write)
      }
      _ = try await rig.database.query(
        Statement(
          "UPDATE installations SET token_key_id = NULL, sealed_token = NULL, state = 'uninstalled'"
        ))
      let both = try Rig.keyring("k2", "k1")
      let alone = try Rig.keyring("k2")
      await #expect(throws: KeyringMismatch.missingKeys(["k1"])) {
        try await VaultInventory(database: rig.database, keyring: alone).check()
      }
      #expect(try await Rewrap(database: rig.database, keyring: both).run(act: .latchkey) == 25)
      try await VaultInventory(database: rig.database, keyring: alone).check()
      let uses = try await VaultInventory(database: rig.database, keyring: alone).status()
      #expect(uses.map(\.keptAnswers) == [25])
      let moved = KeyedWrites(database: rig.database, keyring: alone)
      let found = try await moved.begin(rig.write("k7", claim: "again"))
      #expect(found?.state == .done(status: 201, .kept(Rig.answer)))
      #expect(try await rig.totalsAreTrue())
    }
  }

  @Test func `the service's role suffices`() async throws {
    try await Rig.run { rig in
      let role = "service_of_\(rig.temporary.name)"
      try await rig.temporary.createRole(role)
      try await ServiceRole.grant(to: role, on: rig.database)
      try await rig.temporary.withDatabase(as: role) { service in
        let ledger = KeyedWrites(database: service, keyring: rig.keyring)
        let write = try rig.write()
        _ = try await ledger.begin(write)
        try await ledger.renew(write)
        try await ledger.end(write, status: 201, ledger.seal(Rig.answer, for: write))
        try await ledger.free(write)
        #expect(try await Retention(database: service).forgetKeyedWrites() == 0)
      }
    }
  }

  /// What a key must come to, as a model of a few lines.
  private struct Model {
    var claim: String?
    var state = KeyedWriteRecord.State.inFlight
    var silence = 0
  }

  @Test func `whatever happens in whatever order, a write has one sender at a time`() async throws {
    var random = SeededGenerator()
    let seed = random.seed
    let steps = (0..<count(ordinary: 150, full: 3000)).map { _ in
      (act: Int.random(in: 0..<7, using: &random), claim: Int.random(in: 0..<3, using: &random))
    }
    try await Rig.run { rig in
      var model = Model()
      for (number, step) in steps.enumerated() {
        let write = try rig.write(claim: "c\(step.claim)")
        let isOwner = model.claim == write.claim
        switch step.act {
        case 0, 1:
          let found = try #require(try await rig.ledger.begin(write))
          if model.claim == nil { model = Model(claim: write.claim) }
          if !isOwner, model.state == .inFlight, model.silence >= 15 {
            model.state = .unknown(cause: "interrupted", status: nil)
          }
          if isOwner { model.silence = 0 }
          #expect(found.claim == model.claim, "step \(number), seed \(seed)")
          #expect(found.state == model.state, "step \(number), seed \(seed)")
        case 2:
          try await rig.ledger.renew(write)
          if isOwner, model.state == .inFlight { model.silence = 0 }
        case 3:
          try await rig.end(write)
          if isOwner { model.state = .done(status: 201, .kept(Rig.answer)) }
        case 4:
          try await rig.ledger.lose(write, because: .upstreamBroken, status: nil)
          if isOwner, model.state != .done(status: 201, .kept(Rig.answer)) {
            model.state = .unknown(cause: "upstream_broken", status: nil)
          }
        case 5:
          try await rig.ledger.free(write)
          if isOwner { model = Model() }
        default:
          try await rig.pass(.seconds(8))
          model.silence += 8
        }
      }
      #expect(try await rig.totalsAreTrue(), "seed \(seed)")
    }
  }
}
