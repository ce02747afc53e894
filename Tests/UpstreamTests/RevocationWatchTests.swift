import Base
import BigCommerce
import Postgres
import Prometheus
import Storage
import Synchronization
import TestSupport
import Testing
import Upstream
import Vault

/// A platform that accepts every token but those it was told to refuse.
private final class Platform: Sendable {
  private struct State {
    var refused: Set<String> = []
    var status: String?
    var heads: [String] = []
  }

  private let state = Mutex(State())

  var heads: [String] { state.withLock { $0.heads } }
  var canaries: Int { heads.count { $0.contains("/v3/hooks?limit=1 ") } }

  func refuse(_ tokens: Set<String>) { state.withLock { $0.refused = tokens } }
  func answer(_ status: String?) { state.withLock { $0.status = status } }

  var script: MisbehavingServer.Script {
    { connection in
      while true {
        let head = try await connection.readHead()
        let (status, _) = self.state.withLock { state in
          state.heads.append(head)
          let isRefused = state.refused.contains { head.contains("\(HeaderName.token): \($0)\r\n") }
          return (state.status ?? (isRefused ? "401 Unauthorized" : "200 OK"), 0)
        }
        try await connection.answer(status, "{}", headers: ["X-Rate-Limit-Requests-Left: 7"])
      }
    }
  }

  private enum HeaderName { static let token = "X-Auth-Token" }
}

@Suite struct `Revocation from call to canary` {
  private let platform = Platform()

  private func state(_ store: String, _ rig: Rig, _ directory: StoreDirectory) throws
    -> InstallationState?
  {
    directory.current()?.store(try rig.id(store))?.state
  }

  @Test func `a 401 leads to one canary, to revoked, and by itself back to active`() async throws {
    try await Rig.run(script: platform.script) { rig in
      try await rig.install(["abc"])
      let directory = rig.directory()
      let watch = rig.watch(directory)
      try await directory.refreshNow()
      platform.refuse(["token-abc"])
      for _ in 0..<3 { #expect(try await rig.call("abc", in: directory) == 401) }
      try await watch.step()
      #expect(platform.canaries == 0, "not before five seconds")
      try await rig.database.passTime(seconds: 6)
      try await watch.step()
      #expect(platform.canaries == 1)
      #expect(try state("abc", rig, directory) == .revoked, "at once on this replica")
      platform.refuse([])
      try await rig.database.passTime(seconds: 61)
      try await watch.step()
      #expect(platform.canaries == 2)
      #expect(try state("abc", rig, directory) == .active)
      #expect(try await rig.call("abc", in: directory) == 200)
      #expect(watch.verdicts[.revoked] == 1 && watch.verdicts[.reactivated] == 1)
      #expect(watch.verdicts[.held] == 0)
    }
  }

  @Test func `a 403, a 500 and an accepted canary never revoke`() async throws {
    try await Rig.run(script: platform.script) { rig in
      try await rig.install(["abc"])
      let directory = rig.directory()
      let watch = rig.watch(directory)
      try await directory.refreshNow()
      platform.answer("403 Forbidden")
      #expect(try await rig.call("abc", in: directory) == 403)
      try await watch.step()
      try await rig.database.passTime(seconds: 6)
      try await watch.step()
      #expect(platform.canaries == 0)
      platform.answer("401 Unauthorized")
      #expect(try await rig.call("abc", in: directory) == 401)
      try await watch.step()
      for status in ["403 Forbidden", "500 Oops", nil] {
        platform.answer(status)
        try await rig.database.passTime(seconds: 60)
        try await watch.step()
        #expect(try state("abc", rig, directory) == .active)
      }
      #expect(platform.canaries == 3)
      try await rig.database.passTime(seconds: 100_000)
      try await watch.step()
      #expect(platform.canaries == 3)
    }
  }

  @Test func `the brake keeps a mass refusal from changing anything`() async throws {
    try await Rig.run(script: platform.script) { rig in
      let stores = (0..<12).map { "s\($0)" }
      try await rig.install(stores)
      let directory = rig.directory()
      let watch = rig.watch(directory)
      try await directory.refreshNow()
      platform.refuse(Set(stores.map { "token-\($0)" }))
      for store in stores { #expect(try await rig.call(store, in: directory) == 401) }
      try await watch.step()
      for seconds in [6, 11, 61] {
        try await rig.database.passTime(seconds: seconds)
        try await watch.step()
      }
      for store in stores { #expect(try state(store, rig, directory) == .active) }
      let told = try await rig.database.count(
        Statement("SELECT count(*) FROM pending_events WHERE type = 'app/revocations_held'"))
      #expect(told == 1)
      // The first round waits for the canaries of all; the second and the third hold each store.
      #expect(watch.verdicts[.held] == 24 && watch.verdicts[.revoked] == 0)
    }
  }

  @Test func `an operator's check acts upon the answer at once`() async throws {
    try await Rig.run(script: platform.script) { rig in
      try await rig.install(["abc"])
      let directory = rig.directory()
      let watch = rig.watch(directory)
      try await directory.refreshNow()
      #expect(try await watch.verify(rig.id("abc")) == .accepted)
      platform.refuse(["token-abc"])
      #expect(try await watch.verify(rig.id("abc")) == .refused)
      #expect(try state("abc", rig, directory) == .revoked)
      #expect(try await watch.verify(rig.id("nobody")) == nil)
    }
  }

  @Test func `two directories on one database see a revoked key within one poll`() async throws {
    try await Rig.run(script: platform.script) { rig in
      let keys = ServiceKeys(database: rig.database)
      let made = try await keys.bootstrap(name: "op")
      let here = rig.directory()
      let there = rig.directory()
      try await here.refreshNow()
      try await there.refreshNow()
      let maker = KeyMaker(id: made.key.id, grant: made.grant, requestID: nil)
      #expect(try await keys.revoke(made.key.id, by: maker))
      let polling = Task { try await there.run() }
      try await here.refreshNow()
      #expect(here.current()?.key(id: made.key.id)?.revokedAt != nil)
      let deadline = ContinuousClock.now + .seconds(2)
      while there.current()?.key(id: made.key.id)?.revokedAt == nil, ContinuousClock.now < deadline
      {
        await Task.yield()
      }
      #expect(there.current()?.key(id: made.key.id)?.revokedAt != nil)
      polling.cancel()
      try await polling.value
    }
  }

  @Test func `two directories on one database see a label within one poll`() async throws {
    try await Rig.run(script: platform.script) { rig in
      try await rig.install(["abc"])
      let id = try rig.id("abc")
      let vip = try #require(StoreLabel("vip"))
      let here = rig.directory()
      let there = rig.directory()
      try await here.refreshNow()
      try await there.refreshNow()
      let activity = here.current()?.store(id)?.activity
      let states = InstallationStates(database: rig.database)
      let act = Act(actor: "k1", requestID: nil)
      #expect(try await states.label(id, .replace([vip]), act: act) == .changed)
      let polling = Task { try await there.run() }
      try await here.refreshNow()
      #expect(here.current()?.store(id)?.labels == [vip])
      #expect(here.current()?.store(id)?.activity === activity)
      let deadline = ContinuousClock.now + .seconds(2)
      while there.current()?.store(id)?.labels != [vip], ContinuousClock.now < deadline {
        await Task.yield()
      }
      #expect(there.current()?.store(id)?.labels == [vip])
      polling.cancel()
      try await polling.value
    }
  }

  @Test func `two rows that swapped their tokens cause no call, and are in the audit once`()
    async throws
  {
    try await Rig.run(script: platform.script) { rig in
      try await rig.install(["abc", "xyz"])
      _ = try await rig.database.query(
        Statement(
          """
          UPDATE installations AS one SET sealed_token = other.sealed_token FROM installations AS other
          WHERE one.store_hash <> other.store_hash
          """))
      for directory in [rig.directory(), rig.directory()] {
        try await directory.refreshNow()
        for store in ["abc", "xyz"] {
          await #expect(throws: UpstreamError.notSendable) {
            try await rig.call(store, in: directory)
          }
        }
      }
      #expect(platform.heads.isEmpty)
      let told = try await rig.database.count(
        Statement("SELECT count(*) FROM audit WHERE action = 'token_unreadable'"))
      #expect(told == 2)
    }
  }

  @Test func `what an answer says of quota is remembered per store`() async throws {
    try await Rig.run(script: platform.script) { rig in
      try await rig.install(["abc", "xyz"])
      let directory = rig.directory()
      try await directory.refreshNow()
      _ = try await rig.call("abc", in: directory)
      let seen = try #require(directory.current()?.store(try rig.id("abc"))?.activity.current)
      #expect(seen.quota?.left == 7)
      #expect(seen.lastStatus == 200)
      #expect(seen.lastCallAt != nil)
      #expect(directory.current()?.store(try rig.id("xyz"))?.activity.current.lastCallAt == nil)
    }
  }
}
