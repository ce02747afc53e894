import Base
import BigCommerce
import Postgres
import Storage
import TestSupport
import Testing
import Vault

@Suite struct `Labels of stores` {
  private let act = Act(actor: "somebody", requestID: RequestID("req-7"))

  private func labels(_ texts: String...) throws -> Set<StoreLabel> {
    Set(try texts.map { try #require(StoreLabel($0)) })
  }

  private func withStore<T: Sendable>(
    _ body: @Sendable (Database, InstallationStates, InstallationID) async throws -> T
  ) async throws -> T {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      try await database.addApp()
      try await database.addInstallation("abc", sealedToken: [1])
      let id = InstallationID(app: .default, store: try #require(StoreHash("abc")))
      return try await body(database, InstallationStates(database: database), id)
    }
  }

  private func known(_ id: InstallationID, _ database: Database) async throws -> Set<StoreLabel>? {
    try await StoreListing(database: database).find(id)?.labels
  }

  @Test func `a change is in the row, the audit and the changes that replicas read`() async throws {
    try await withStore { database, states, id in
      let source = StoreSnapshot(database: database)
      let before = try await source.changes(after: 0)
      #expect(before.installations.map(\.labels) == [[]])
      #expect(
        try await states.label(id, .replace(try labels("vip", "eu")), act: act) == .changed)
      let change = LabelChange.edit(adding: try labels("new", "eu"), removing: try labels("vip"))
      #expect(try await states.label(id, change, act: act) == .changed)
      let after = try await source.changes(after: before.position)
      #expect(after.installations.map(\.labels) == [try labels("eu", "new")])
      #expect(after.position == before.position + 2)
      let rows = try await database.query(
        Statement(
          """
          SELECT actor, request_id, details::text AS details FROM audit
          WHERE action = 'label' AND store_hash = 'abc' ORDER BY audit_id
          """)
      ).rows
      #expect(
        try rows.map { try $0.decode("details", as: String.self) } == [
          #"{"added": ["eu", "vip"], "removed": []}"#,
          #"{"added": ["new"], "removed": ["vip"]}"#,
        ])
      #expect(try rows.allSatisfy { try $0.decode("actor") == "somebody" })
      #expect(try rows.allSatisfy { try $0.decode("request_id") == "req-7" })
    }
  }

  @Test func `what is so already writes nothing, and neither does what is refused`() async throws {
    try await withStore { database, states, id in
      let many = try (1...16).map { try #require(StoreLabel("l\($0)")) }
      #expect(try await states.label(id, .replace(Set(many)), act: act) == .changed)
      let position = try await StoreSnapshot(database: database).changes(after: 0).position
      let none = LabelChange.edit(adding: [many[0]], removing: try labels("other"))
      #expect(try await states.label(id, none, act: act) == .unchanged)
      let more = LabelChange.edit(adding: try labels("l17"), removing: [])
      #expect(try await states.label(id, more, act: act) == .tooMany)
      let swap = LabelChange.edit(adding: try labels("l17"), removing: [many[0]])
      let nobody = InstallationID(app: .default, store: try #require(StoreHash("nobody")))
      #expect(try await states.label(nobody, more, act: act) == .unknown)
      #expect(try await StoreSnapshot(database: database).changes(after: 0).position == position)
      #expect(try await states.label(id, swap, act: act) == .changed)
      let audits = try await database.count(Statement("SELECT count(*) FROM audit"))
      #expect(audits == 2)
    }
  }

  @Test func `the database refuses what is no label, and a seventeenth`() async throws {
    try await withStore { database, _, _ in
      let sets: [[String]] = [
        ["-a"], ["A"], [""], ["a", ""], ["a,b c"], ["a\nb"], (1...17).map { "l\($0)" },
      ]
      for labels in sets {
        await #expect(throws: PostgresError.checkViolation(constraint: "installations_labels_form"))
        {
          try await database.query(Statement("UPDATE installations SET labels = $1", [labels]))
        }
      }
    }
  }

  @Test func `labels outlive an uninstall and a new install, not a purge`() async throws {
    try await withStore { database, states, id in
      let vip = try labels("vip")
      _ = try await states.label(id, .replace(vip), act: act)
      _ = try await states.destroy(id, deletingData: false, act: act)
      #expect(try await known(id, database) == vip)
      try await install(id, database)
      #expect(try await known(id, database) == vip)
      let position = try await StoreSnapshot(database: database).changes(after: 0).position
      _ = try await states.destroy(id, deletingData: true, act: act)
      #expect(try await known(id, database) == [])
      let changes = try await StoreSnapshot(database: database).changes(after: position)
      #expect(changes.installations.map(\.labels) == [[]], "replicas hear of it")
      try await install(id, database)
      #expect(try await known(id, database) == [])
    }
  }

  @Test func `retention takes the labels of a store that was uninstalled long ago`() async throws {
    try await withStore { database, states, id in
      _ = try await states.label(id, .replace(try labels("vip")), act: act)
      _ = try await states.destroy(id, deletingData: false, act: act)
      _ = try await database.query(
        Statement("UPDATE installations SET uninstalled_at = now() - interval '31 days'"))
      #expect(try await Retention(database: database).deleteUninstalled(after: 30) == id)
      #expect(try await known(id, database) == [])
    }
  }

  @Test func `a list can be narrowed to a label`() async throws {
    try await withStore { database, states, id in
      for store in ["def", "ghi"] { try await database.addInstallation(store, sealedToken: [1]) }
      let other = InstallationID(app: .default, store: try #require(StoreHash("ghi")))
      _ = try await states.label(id, .replace(try labels("vip", "eu")), act: act)
      _ = try await states.label(other, .replace(try labels("eu")), act: act)
      var filter = StoreFilter()
      for (label, stores) in [("vip", ["abc"]), ("eu", ["abc", "ghi"]), ("e", [])] {
        filter.label = StoreLabel(label)
        let found = try await StoreListing(database: database).list(filter, after: nil, limit: 9)
        #expect(found.map(\.installation.store.text) == stores)
      }
    }
  }

  @Test func `who is granted a label sees its stores, and redeems their tickets`() async throws {
    try await withStore { database, states, id in
      for store in ["def", "ghi"] { try await database.addInstallation(store, sealedToken: [1]) }
      _ = try await states.label(id, .replace(try labels("vip")), act: act)
      var filter = StoreFilter()
      for (names, stores) in [
        (["label:vip"], ["abc"]), (["label:eu"], []), (["ghi", "label:vip"], ["abc", "ghi"]),
        (["ghi"], ["ghi"]), ([], []),
      ] {
        filter.granted = try Grant.Stores(names: names)
        let found = try await StoreListing(database: database).list(filter, after: nil, limit: 9)
        #expect(found.map(\.installation.store.text) == stores, "\(names)")
      }
      let tickets = TicketRedemption(database: database)
      for store in ["abc", "def"] {
        _ = try await database.query(
          Statement(
            """
            INSERT INTO tickets (app_id, store_hash, ticket_sha256, expires_at)
            VALUES ('default', $1, $2, now() + interval '1 minute')
            """, [store, Array(store.utf8)]))
      }
      let vip = try Grant.Stores(names: ["label:vip"])
      let theirs = try await tickets.redeem(sha256: Array("def".utf8), app: .default, stores: vip)
      #expect(theirs == nil)
      let mine = try await tickets.redeem(sha256: Array("abc".utf8), app: .default, stores: vip)
      #expect(mine?.installation == id)
      let all = try await tickets.redeem(sha256: Array("def".utf8), app: nil, stores: .all)
      #expect(all?.installation.store.text == "def")
    }
  }

  @Test func `an import sets the labels that it names, and leaves them when it names none`()
    async throws
  {
    try await withStore { database, states, id in
      func audited() async throws -> [String] {
        try await database.query(
          Statement(
            "SELECT details::text AS details FROM audit WHERE action = 'label' ORDER BY audit_id")
        ).rows.map { try $0.decode("details", as: String.self) }
      }
      let other = InstallationID(app: .default, store: try #require(StoreHash("new1")))
      try await install(other, database)
      #expect(try await known(other, database) == [])
      #expect(try await audited() == [])
      let fresh = InstallationID(app: .default, store: try #require(StoreHash("new2")))
      try await install(fresh, database, labels: try labels("vip"))
      #expect(try await known(fresh, database) == labels("vip"))
      #expect(try await states.label(id, .replace(try labels("vip", "eu")), act: act) == .changed)
      try await install(id, database)
      #expect(try await known(id, database) == labels("vip", "eu"))
      try await install(id, database, labels: try labels("eu", "new"))
      #expect(try await known(id, database) == labels("eu", "new"))
      try await install(id, database, labels: [])
      #expect(try await known(id, database) == [])
      #expect(
        try await audited() == [
          #"{"added": ["vip"], "removed": []}"#, #"{"added": ["eu", "vip"], "removed": []}"#,
          #"{"added": ["new"], "removed": ["vip"]}"#, #"{"added": [], "removed": ["eu", "new"]}"#,
        ])
    }
  }

  /// Installs the app again, as an import does.
  private func install(
    _ id: InstallationID, _ database: Database, labels: Set<StoreLabel>? = nil
  ) async throws {
    let keyring = try Keyring(parsing: Keyring.makeEntry(try #require(KeyID("k1"))))
    let write = InstallWrite(
      installation: id, token: Secret("token"), scopes: .none,
      authorizedAt: WallClock.system.now() + .seconds(5), labels: labels, act: act)
    let result = try await InstallationWrites(database: database, keyring: keyring)
      .importToken(write, key: RandomSource.system.bytes(32))
    guard case .stored = result else {
      Issue.record("not stored: \(result)")
      return
    }
  }
}
