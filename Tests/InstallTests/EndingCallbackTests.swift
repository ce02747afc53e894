import Base
import BigCommerce
import Postgres
import Storage
import Testing
import Vault

@testable import Install

@Suite struct `Uninstall callback` {
  @Test func `the token is overwritten, tickets die, and it is told once`() async throws {
    var options = Deployment.Options()
    options.appURL = "https://front.example.com/"
    try await Deployment.with(options) { deployment in
      _ = try await deployment.install("code1")
      let signed = deployment.signed("u1", at: 10)
      #expect(try await deployment.uninstall(signed) == .acknowledged)
      #expect(
        try await deployment.stored()
          == Deployment.Stored(
            state: "uninstalled", generation: 1, token: nil,
            scopes: ["store_v2_default", "store_v2_products"]))
      #expect(try await deployment.number(Statement("SELECT count(*) AS n FROM tickets")) == 0)
      #expect(try await deployment.uninstall(signed) == .acknowledged)
      #expect(try await deployment.events() == ["app/installed", "app/uninstalled"])
      #expect(try await deployment.audited() == ["install", "uninstall"])
    }
  }

  @Test func `one from before the store was authorized again changes nothing`() async throws {
    try await Deployment.with { deployment in
      deployment.clock.set(Deployment.start + 100)
      _ = try await deployment.install("code1")
      #expect(try await deployment.uninstall(deployment.signed("u1", at: 94)) == .acknowledged)
      #expect(try await deployment.stored()?.state == "active")
      #expect(try await deployment.audited() == ["install", "uninstall_stale"])
      #expect(try await deployment.uninstall(deployment.signed("u2", at: 95)) == .acknowledged)
      #expect(try await deployment.stored()?.state == "uninstalled")
    }
  }

  @Test func `an unknown store is acknowledged, and an older token cannot bring it to life`()
    async throws
  {
    try await Deployment.with { deployment in
      let answer = try await deployment.uninstall(deployment.signed("u1", at: 50))
      #expect(answer == .acknowledged)
      #expect(try await deployment.install("code1").failure == .notConnected)
      #expect(try await deployment.stored() == nil)
      deployment.clock.set(Deployment.start + 60)
      #expect(try await deployment.install("code2").isConnectedPage)
    }
  }

  @Test func `a forged one is refused`() async throws {
    try await Deployment.with { deployment in
      _ = try await deployment.install("code1")
      var forged = deployment.signed("u1", at: 10)
      forged.secret = "another"
      #expect(try await deployment.uninstall(forged).status == 401)
      #expect(
        await deployment.callbacks.uninstall(try Deployment.request("/auth/uninstall", "x=1"))
          .status == 400)
      #expect(try await deployment.stored()?.state == "active")
    }
  }

  @Test func `50 at once have one effect`() async throws {
    try await Deployment.with { deployment in
      _ = try await deployment.install("code1")
      let signed = deployment.signed("u1", at: 10)
      try await withThrowingTaskGroup(of: CallbackAnswer.self) { group in
        for _ in 0..<50 { group.addTask { try await deployment.uninstall(signed) } }
        for try await answer in group { #expect(answer == .acknowledged) }
      }
      #expect(try await deployment.events() == ["app/installed", "app/uninstalled"])
    }
  }

  @Test func `personal data go when their time is over, once`() async throws {
    try await Deployment.with { deployment in
      _ = try await deployment.install("code1")
      _ = try await deployment.uninstall(deployment.signed("u1", at: 10))
      #expect(try await deployment.sweeper.sweepOld() == 0)
      try await deployment.execute(
        Statement("UPDATE installations SET uninstalled_at = now() - interval '31 days'"))
      #expect(try await deployment.sweeper.sweepOld() == 1)
      #expect(try await deployment.sweeper.sweepOld() == 0)
      #expect(try await deployment.number(Statement("SELECT count(*) AS n FROM store_users")) == 0)
      #expect(try await deployment.stored()?.state == "uninstalled")
      #expect(try await deployment.events().last == "app/data_deleted")
      deployment.clock.set(Deployment.start + 100)
      #expect(try await deployment.install("code2").isConnectedPage)
      #expect(try await deployment.stored()?.generation == 2)
    }
  }

  @Test func `an operator's delete destroys token and data`() async throws {
    try await Deployment.with { deployment in
      _ = try await deployment.install("code1")
      let states = InstallationStates(database: deployment.database)
      let installation = try Some.installation()
      let act = Act(actor: "key1", requestID: nil)
      #expect(try await states.destroy(installation, deletingData: true, act: act) == .changed)
      #expect(try await deployment.stored()?.token == nil)
      #expect(try await deployment.number(Statement("SELECT count(*) AS n FROM store_users")) == 0)
      #expect(try await deployment.audited() == ["install", "delete", "data_delete"])
      #expect(try await states.destroy(installation, deletingData: false, act: act) == .unchanged)
      #expect(
        try await states.destroy(Some.installation("none"), deletingData: true, act: act)
          == .unknown)
    }
  }
}

@Suite struct `Remove-user callback` {
  @Test func `that user's access and tickets end at once, older loads included`() async throws {
    var options = Deployment.Options()
    options.appURL = "https://front.example.com/"
    try await Deployment.with(options) { deployment in
      _ = try await deployment.install("code1")
      let load = deployment.signed("l1", at: 10, user: 42)
      let ticket = try #require(Ticket.parse(try await deployment.load(load).ticket ?? "")).bytes
      let removal = deployment.signed("r1", at: 20, user: 42)
      #expect(try await deployment.removeUser(removal) == .acknowledged)
      let redemption = TicketRedemption(database: deployment.database)
      #expect(try await redemption.redeem(sha256: ticket, app: nil, stores: .all) == nil)
      #expect(try await deployment.load(load).failure == .userRemoved)
      let sameSecond = deployment.signed("l2", at: 20, user: 42)
      #expect(try await deployment.load(sameSecond).failure == .userRemoved)
      #expect(try await deployment.load(deployment.signed("l3", at: 10, user: 43)).ticket != nil)
      #expect(
        try await deployment.number(
          Statement(
            """
            SELECT count(*) AS n FROM store_users
            WHERE user_id = 42 AND email IS NULL AND locale IS NULL AND removed_at IS NOT NULL
            """)) == 1)
      // Invited again.
      #expect(try await deployment.load(deployment.signed("l4", at: 21, user: 42)).ticket != nil)
      #expect(try await deployment.load(load).failure == .userRemoved)
      #expect(try await deployment.removeUser(removal) == .acknowledged)
      #expect(try await deployment.events() == ["app/installed", "app/user_removed"])
    }
  }

  @Test func `the owner cannot be removed`() async throws {
    try await Deployment.with { deployment in
      _ = try await deployment.install("code1")
      #expect(
        try await deployment.removeUser(deployment.signed("r1", at: 20, user: 1)) == .acknowledged)
      #expect(try await deployment.load(deployment.signed("l1", at: 10, user: 1)).isOpenedPage)
      #expect(try await deployment.audited() == ["install", "remove_user_owner"])
    }
  }

  @Test func `a removal that comes before the install still counts`() async throws {
    try await Deployment.with { deployment in
      #expect(
        try await deployment.removeUser(deployment.signed("r1", at: 20, user: 42))
          == .acknowledged)
      _ = try await deployment.install("code1")
      #expect(
        try await deployment.load(deployment.signed("l1", at: 20, user: 42)).failure
          == .userRemoved)
      #expect(try await deployment.load(deployment.signed("l2", at: 21, user: 42)).isOpenedPage)
    }
  }

  @Test func `a removal that comes after a newer load leaves that user in`() async throws {
    try await Deployment.with { deployment in
      _ = try await deployment.install("code1")
      _ = try await deployment.load(deployment.signed("l1", at: 30, user: 42))
      _ = try await deployment.removeUser(deployment.signed("r1", at: 20, user: 42))
      #expect(try await deployment.load(deployment.signed("l2", at: 31, user: 42)).isOpenedPage)
      #expect(
        try await deployment.number(
          Statement(
            "SELECT count(*) AS n FROM store_users WHERE user_id = 42 AND email IS NOT NULL"))
          == 1)
    }
  }
}
