import Base
import BigCommerce
import Postgres
import Storage
import TestSupport
import Testing
import Vault

@testable import Install

@Suite struct `Load callback` {
  @Test func `an installed store opens, and its user is recorded`() async throws {
    try await Deployment.with { deployment in
      _ = try await deployment.install("code1")
      let answer = try await deployment.load(deployment.signed("l1", at: 10, user: 42))
      #expect(
        answer
          == .page(
            MerchantPage(
              status: 200, kind: .opened(missingScopes: []), store: StoreHash("abc123"))))
      #expect(
        try await deployment.number(
          Statement(
            """
            SELECT count(*) AS n FROM store_users
            WHERE user_id = 42 AND locale = 'en-US' AND NOT is_owner
            """)) == 1)
    }
  }

  /// However little of the time is left for the last look.
  @Test func `a store whose install is under way is told so when the wait is over`() async throws {
    try await Deployment.with { first in
      first.login.hold()
      async let install = first.install("code1")
      try await until { first.login.requests.count == 1 }
      for left in 3..<15 {
        var options = Deployment.Options()
        options.timings.poll = .milliseconds(200)
        options.timings.load = .milliseconds(200 + left)
        try await Deployment.replica(options, first.database) { second in
          let answer = try await second.load(second.signed("l\(left)", at: 10))
          #expect(answer.failure == .installRunning && answer.status == 503)
        }
      }
      first.login.release()
      #expect(try await install.isConnectedPage)
    }
  }

  @Test func `with a front end the merchant goes there with a ticket for one use`() async throws {
    var options = Deployment.Options()
    options.appURL = "https://front.example.com/start?a=b"
    try await Deployment.with(options) { deployment in
      _ = try await deployment.install("code1")
      var signed = deployment.signed("l1", at: 10)
      signed.url = "/orders/1?x=2"
      signed.channelID = 3
      let answer = try await deployment.load(signed)
      guard case .redirect(303, let location) = answer else {
        Issue.record("no redirect: \(answer)")
        return
      }
      #expect(location.hasPrefix("https://front.example.com/start?a=b&ticket=lkt_"))
      let digest = try #require(Ticket.parse(answer.ticket ?? "")).bytes
      let redemption = TicketRedemption(database: deployment.database)
      let redeemed = try await withThrowingTaskGroup(of: RedeemedTicket?.self) { group in
        for _ in 0..<50 {
          group.addTask { try await redemption.redeem(sha256: digest, app: nil, stores: .all) }
        }
        return try await group.reduce(into: [RedeemedTicket]()) {
          if let ticket = $1 { $0.append(ticket) }
        }
      }
      #expect(redeemed.count == 1)
      let ticket = try #require(redeemed.first)
      #expect(ticket.installation == (try Some.installation()))
      #expect(ticket.userID == 7)
      #expect(ticket.email == "user@example.com")
      #expect(ticket.channelID == 3)
      #expect(ticket.deepLink == "/orders/1?x=2")
    }
  }

  @Test func `a ticket is for the caller's app and stores, and for 60 seconds`() async throws {
    var options = Deployment.Options()
    options.appURL = "https://front.example.com/"
    try await Deployment.with(options) { deployment in
      let answer = try await deployment.install("code1")
      let digest = try #require(Ticket.parse(answer.ticket ?? "")).bytes
      let redemption = TicketRedemption(database: deployment.database)
      let other = try #require(AppName("other"))
      let store = try #require(StoreHash("other"))
      #expect(try await redemption.redeem(sha256: digest, app: other, stores: .all) == nil)
      #expect(try await redemption.redeem(sha256: digest, app: nil, stores: .only([store])) == nil)
      #expect(try await redemption.redeem(sha256: digest, app: nil, stores: .only([])) == nil)
      try await deployment.execute(
        Statement("UPDATE tickets SET expires_at = expires_at - interval '60 s'"))
      #expect(try await redemption.redeem(sha256: digest, app: .default, stores: .all) == nil)
      #expect(try await deployment.sweeper.sweepExpired() == 1)
      #expect(try await deployment.number(Statement("SELECT count(*) AS n FROM tickets")) == 0)
    }
  }

  @Test func `a load may be repeated, and is then good for nothing else`() async throws {
    try await Deployment.with { deployment in
      _ = try await deployment.install("code1")
      let signed = deployment.signed("l1", at: 10)
      #expect(try await deployment.load(signed).isOpenedPage)
      #expect(try await deployment.load(signed).isOpenedPage)
      #expect(try await deployment.uninstall(signed).status == 403)
      #expect(try await deployment.removeUser(signed).status == 403)
      #expect(try await deployment.stored()?.state == "active")
      #expect(try await deployment.load(signed).isOpenedPage)
      #expect(
        try await deployment.audited() == ["install", "callback_refused", "callback_refused"])
    }
  }

  @Test func `a load of an unknown store cannot uninstall it later`() async throws {
    try await Deployment.with { deployment in
      let signed = deployment.signed("l1", at: 10)
      #expect(try await deployment.load(signed).failure == .notConnected)
      _ = try await deployment.install("code1")
      #expect(try await deployment.uninstall(signed).status == 403)
      #expect(try await deployment.stored()?.state == "active")
    }
  }

  @Test func `an uninstall's token cannot load`() async throws {
    try await Deployment.with { deployment in
      _ = try await deployment.install("code1")
      let signed = deployment.signed("u1", at: -100)
      #expect(try await deployment.uninstall(signed) == .acknowledged)
      #expect(try await deployment.load(signed).failure == .linkNotVerified)
    }
  }

  @Test func `a load from before the store was authorized again is refused`() async throws {
    try await Deployment.with { deployment in
      deployment.clock.set(Deployment.start + 100)
      _ = try await deployment.install("code1")
      #expect(
        try await deployment.load(deployment.signed("l1", at: 94)).failure == .linkNotVerified)
      #expect(try await deployment.load(deployment.signed("l2", at: 95)).isOpenedPage)
    }
  }

  @Test func `a store whose token is refused or destroyed is told to connect again`() async throws {
    try await Deployment.with { deployment in
      #expect(try await deployment.load(deployment.signed("l0")).status == 404)
      _ = try await deployment.install("code1")
      try await deployment.execute(Statement("UPDATE installations SET state = 'revoked'"))
      #expect(try await deployment.load(deployment.signed("l1")).failure == .connectionLost)
      _ = try await deployment.uninstall(deployment.signed("u1", at: 10))
      #expect(
        try await deployment.load(deployment.signed("l2", at: 20)).failure == .notConnected)
    }
  }

  @Test func `a forged or expired load is refused without a trace`() async throws {
    try await Deployment.with { deployment in
      _ = try await deployment.install("code1")
      var forged = deployment.signed("l1")
      forged.secret = "another"
      #expect(try await deployment.load(forged).failure == .linkNotVerified)
      #expect(
        try await deployment.load(deployment.signed("l2", at: -90_000)).failure
          == .linkNotVerified)
      #expect(
        await deployment.callbacks.load(try Deployment.request("/auth/load", "")).failure
          == .malformedLink)
      #expect(
        try await deployment.number(Statement("SELECT count(*) AS n FROM callback_tokens")) == 0)
    }
  }

  @Test func `a load waits for the install that runs`() async throws {
    try await Deployment.with { deployment in
      deployment.login.hold()
      async let install = deployment.install("code1")
      try await until { deployment.login.requests.count == 1 }
      async let load = deployment.load(deployment.signed("l1", at: 10))
      try await until {
        try await deployment.number(Statement("SELECT count(*) AS n FROM callback_tokens")) == 1
      }
      deployment.login.release()
      #expect(try await install.isConnectedPage)
      #expect(try await load.isOpenedPage)
    }
  }
}

/// Looks until the condition holds, for at most ten seconds.
func until(_ condition: () async throws -> Bool) async throws {
  #expect(try await eventually(condition), "the condition did not come true")
}
