import Base
import BigCommerce
import Postgres
import Prometheus
import Storage
import Synchronization
import TestSupport
import Testing
import Upstream

/// A platform that answers every call in the same way, until told otherwise.
private final class Platform: Sendable {
  private struct State {
    var status = "200 OK"
    var headers: [String] = []
    var heads: [String] = []
  }

  private let state = Mutex(State())

  var canaries: Int { state.withLock { $0.heads.count { $0.contains("/v3/hooks?limit=1 ") } } }

  func answer(_ status: String, _ headers: [String] = []) {
    state.withLock { state in
      state.status = status
      state.headers = headers
    }
  }

  var script: MisbehavingServer.Script {
    { connection in
      while true {
        let head = try await connection.readHead()
        let (status, headers) = self.state.withLock { state in
          state.heads.append(head)
          return (state.status, state.headers)
        }
        try await connection.answer(status, "{}", headers: headers)
      }
    }
  }
}

@Suite struct `Health of stores by the clock` {
  private let platform = Platform()

  private func health(_ store: String, _ rig: Rig) async throws -> StoreHealthRecord? {
    try await StoreListing(database: rig.database).find(try rig.id(store))?.health
  }

  @Test(arguments: [
    ("200 OK", [], StoreHealth.healthy), ("403 Forbidden", [], .scope),
    ("503 Service Unavailable", [], .suspended),
    ("503 Service Unavailable", ["Retry-After: 3"], .network),
    ("507 Insufficient Storage", [], .plan), ("429 Too Many Requests", ["X-Retry-After: 1"], .rate),
    ("502 Bad Gateway", [], .network),
  ])
  func `every verdict is told after a second look`(
    _ status: String, _ headers: [String], _ verdict: StoreHealth
  ) async throws {
    try await Rig.run(script: platform.script) { rig in
      try await rig.install(["abc"])
      let directory = rig.directory()
      try await directory.refreshNow()
      platform.answer(status, headers)
      for look in 1...2 {
        try await rig.database.passTime(seconds: 6000)
        // Each by a replica of its own: the second does not know that the quota was spent.
        let other = rig.directory()
        try await other.refreshNow()
        #expect(try await rig.health(other).step() == 1, "look \(look)")
      }
      #expect(platform.canaries == 2)
      #expect(try await health("abc", rig)?.health == verdict)
      let told = try await rig.database.count(
        Statement("SELECT count(*) FROM pending_events WHERE type = 'app/health_changed'"))
      #expect(told == (verdict == .healthy ? 0 : 1))
    }
  }

  @Test func `a server that is not there is the network's`() async throws {
    try await Rig.run(script: { connection in _ = try await connection.readHead() }) { rig in
      try await rig.install(["abc"])
      let directory = rig.directory()
      try await directory.refreshNow()
      let watch = rig.health(directory)
      for _ in 1...2 {
        try await rig.database.passTime(seconds: 60)
        #expect(try await watch.step() == 1)
      }
      #expect(try await health("abc", rig)?.health == .network)
      #expect(try await health("abc", rig)?.detail == "broken_answer")
      #expect(watch.outcomes[.network] == 2)
    }
  }

  @Test func `a refused token goes the way of revocations`() async throws {
    try await Rig.run(script: platform.script) { rig in
      try await rig.install(["abc"])
      let directory = rig.directory()
      try await directory.refreshNow()
      let health = rig.health(directory)
      let revocation = rig.watch(directory)
      platform.answer("401 Unauthorized")
      try await rig.database.passTime(seconds: 60)
      try await health.step()
      #expect(directory.current()?.store(try rig.id("abc"))?.state == .active)
      #expect(try await self.health("abc", rig)?.health == nil)
      try await revocation.step()
      try await rig.database.passTime(seconds: 6)
      try await revocation.step()
      #expect(directory.current()?.store(try rig.id("abc"))?.state == .revoked)
      #expect(try await self.health("abc", rig)?.health == .revoked)
      try await rig.database.passTime(seconds: 3600)
      #expect(try await health.step() == 0, "revoked stores are the other watch's")
      platform.answer("200 OK")
      try await revocation.step()
      #expect(try await self.health("abc", rig)?.health == .healthy)
      #expect(platform.canaries == 3)
    }
  }

  @Test func `a store with a fifth of its quota left is not asked`() async throws {
    try await Rig.run(script: platform.script) { rig in
      try await rig.install(["abc"])
      let directory = rig.directory()
      try await directory.refreshNow()
      // The last call was no good one, so that none stands in for the canary.
      platform.answer(
        "404 Not Found",
        [
          "X-Rate-Limit-Requests-Quota: 10", "X-Rate-Limit-Requests-Left: 2",
          "X-Rate-Limit-Time-Reset-Ms: 60000", "X-Rate-Limit-Time-Window-Ms: 60000",
        ])
      _ = try await rig.call("abc", in: directory)
      try await rig.database.passTime(seconds: 60)
      let watch = rig.health(directory)
      #expect(try await watch.step() == 1)
      #expect(platform.canaries == 0)
      #expect(watch.outcomes[.skipped] == 1)
      #expect(try await health("abc", rig)?.checkedAt == nil)
      try await rig.database.passTime(seconds: 61)
      #expect(try await rig.health(rig.directory()).step() == 1, "it is due again")
    }
  }

  @Test func `a caller's good call of late stands in for a canary`() async throws {
    try await Rig.run(script: platform.script) { rig in
      try await rig.install(["abc"])
      let directory = rig.directory()
      try await directory.refreshNow()
      #expect(try await rig.call("abc", in: directory) == 200)
      try await rig.database.passTime(seconds: 60)
      let watch = rig.health(directory)
      try await watch.step()
      #expect(platform.canaries == 0 && watch.outcomes[.traffic] == 1)
      #expect(try await health("abc", rig)?.detail == "traffic")
      // Half an interval later it says nothing any more.
      try await rig.database.passTime(seconds: 6000)
      let later = rig.health(
        directory, wall: WallClock { WallClock.system.now() + .seconds(1801) })
      try await later.step()
      #expect(platform.canaries == 1)
      #expect(try await health("abc", rig)?.detail == "accepted")
    }
  }

  @Test func `two replicas ask each store once`() async throws {
    try await Rig.run(script: platform.script) { rig in
      let stores = (0..<40).map { "s\($0)" }
      try await rig.install(stores)
      try await rig.database.passTime(seconds: 60)
      let here = rig.directory()
      let there = rig.directory()
      try await here.refreshNow()
      try await there.refreshNow()
      async let ours = rig.health(here).step()
      async let theirs = rig.health(there).step()
      #expect(try await ours + theirs == 40)
      #expect(platform.canaries == 40)
    }
  }

  @Test func `an operator's check is a look, and no clock makes none`() async throws {
    try await Rig.run(script: platform.script) { rig in
      try await rig.install(["abc"])
      let directory = rig.directory()
      try await directory.refreshNow()
      #expect(try await rig.watch(directory).verify(rig.id("abc")) == .accepted)
      #expect(try await health("abc", rig)?.health == .healthy)
      platform.answer("401 Unauthorized")
      _ = try await rig.watch(directory).verify(rig.id("abc"))
      #expect(try await health("abc", rig)?.health == .revoked)
      try await rig.database.passTime(seconds: 100_000)
      let off = rig.health(directory, every: .zero)
      #expect(try await off.step() == 0)
      try await off.tidy()
      #expect(off.families.first?.points.count == 8)
    }
  }
}
