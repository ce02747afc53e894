import Base
import BigCommerce
import Postgres
import Storage
import Synchronization
import TestSupport
import Testing
import Upstream

@Suite struct `Names of stores by the clock` {
  private static let scopes = ["store_v2_information_read_only"]

  private func reader(_ rig: Rig, _ directory: StoreDirectory) -> NameReader {
    NameReader(
      names: StoreNames(database: rig.database),
      upstream: Upstream(client: rig.client, origin: rig.origin, suspicions: rig.suspicions),
      directory: directory, userAgent: "Latchkey/test", logger: .silent)
  }

  private func name(_ store: String, _ rig: Rig) async throws -> OwnName? {
    try await StoreListing(database: rig.database).find(try rig.id(store))?.ownName
  }

  /// In how many seconds a store is asked again, about.
  private func pause(_ store: String, _ rig: Rig) async throws -> Int {
    try await rig.database.count(
      Statement(
        """
        SELECT extract(epoch FROM next_read_at - now())::integer AS count FROM store_names WHERE store_hash = $1
        """, [store]))
  }

  @Test func `stores whose scopes allow it are asked, with their own token`() async throws {
    let heads = Mutex<[String]>([])
    let script: MisbehavingServer.Script = { connection in
      while true {
        let head = try await connection.readHead()
        heads.withLock { $0.append(head) }
        try await connection.answer(
          "200 OK", #"{"id":"abc","name":"Copper Kettle","domain":"kettle.example"}"#)
      }
    }
    try await Rig.run(script: script) { rig in
      try await rig.install(["abc"], scopes: Self.scopes)
      try await rig.install(["xyz"], scopes: ["store_v2_orders"])
      let directory = rig.directory()
      try await directory.refreshNow()
      #expect(try await reader(rig, directory).step() == 2)
      #expect(
        try await name("abc", rig) == OwnName(name: "Copper Kettle", domain: "kettle.example"))
      #expect(try await name("xyz", rig) == OwnName(name: nil, domain: nil))
      let asked = heads.withLock { $0 }
      #expect(asked.count == 1 && asked[0].hasPrefix("GET /stores/abc/v2/store "))
      #expect(asked[0].contains("token-abc"))
      #expect(try await reader(rig, directory).step() == 0)
      #expect(try await pause("abc", rig) > 6 * 86_400)
    }
  }

  @Test(arguments: [
    ("403 Forbidden", "{}", 86_400), ("500 Oops", "{}", 3600), ("200 OK", "no JSON", 3600),
    ("200 OK", "[]", 3600),
  ])
  func `one that does not tell is asked later, and keeps the name that is known`(
    _ status: String, _ body: String, _ seconds: Int
  ) async throws {
    let script: MisbehavingServer.Script = { connection in
      while true {
        _ = try await connection.readHead()
        try await connection.answer(status, body)
      }
    }
    try await Rig.run(script: script) { rig in
      try await rig.install(["abc"], scopes: Self.scopes)
      let known = OwnName(name: "Copper Kettle", domain: nil)
      try await StoreNames(database: rig.database).note(known, of: rig.id("abc"))
      _ = try await rig.database.query(Statement("UPDATE store_names SET next_read_at = now()"))
      let directory = rig.directory()
      try await directory.refreshNow()
      #expect(try await reader(rig, directory).step() == 1)
      #expect(try await name("abc", rig) == known)
      #expect((seconds - 60...seconds).contains(try await pause("abc", rig)))
    }
  }

  @Test func `one that is not known here yet is asked in a moment`() async throws {
    try await Rig.run(script: { _ in }) { rig in
      let directory = rig.directory()
      try await directory.refreshNow()
      try await rig.install(["abc"], scopes: Self.scopes)
      #expect(try await reader(rig, directory).step() == 1)
      #expect(try await pause("abc", rig) <= 5)
    }
  }
}
