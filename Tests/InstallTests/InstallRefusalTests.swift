import Base
import BigCommerce
import Postgres
import Storage
import Testing

@testable import Install

@Suite struct `Install that fails` {
  static let refusals: [(Int, String, MerchantPage.Failure, String)] = [
    (400, #"{"error":"invalid_grant"}"#, .codeRefused, "failed:code_spent"),
    (401, #"{"error":"invalid_client"}"#, .codeRefused, "failed:refused"),
    (
      400,
      #"{"error":"invalid_request","error_description":"redirect_uri does not match registered URI"}"#,
      .internalFault, "failed:redirect_mismatch"
    ),
    (500, "oops", .loginAway, "failed:login_away"),
    (302, "", .loginAway, "failed:login_away"),
    (200, "<html>", .loginAway, "failed:login_away"),
    (
      200, #"{"access_token":"t","scope":"a","context":"stores/other"}"#, .codeRefused,
      "failed:context_mismatch"
    ),
    (
      200, #"{"access_token":"t","scope":null,"context":"stores/abc123"}"#, .codeRefused,
      "failed:no_scope"
    ),
    (
      200, #"{"access_token":"","scope":"a","context":"stores/abc123"}"#, .loginAway,
      "failed:login_away"
    ),
    (406, #"{"error":"Invalid format."}"#, .loginAway, "failed:login_away"),
  ]

  @Test(arguments: refusals)
  func `a refusal changes no installation and is told again to a repetition`(
    status: Int, body: String, failure: MerchantPage.Failure, attempt: String
  ) async throws {
    try await Deployment.with { deployment in
      _ = try await deployment.install("code1")
      let before = try await deployment.stored()
      deployment.login.script { _ in .answer(status, body) }
      let answer = try await deployment.install("code2")
      #expect(answer.failure == failure)
      #expect(answer.status >= 400)
      let requests = deployment.login.requests.count
      #expect(try await deployment.install("code2") == answer)
      #expect(deployment.login.requests.count == requests)
      #expect(try await deployment.stored() == before)
      #expect(try await deployment.attemptStates() == ["done", attempt])
    }
  }

  @Test func `a login host that was not reached leaves the code as good as before`() async throws {
    var options = Deployment.Options()
    options.login = { FlakyLogin(real: $0, refusing: 1) }
    try await Deployment.with(options) { deployment in
      let answer = try await deployment.install("code1")
      #expect(answer.failure == .loginAway)
      #expect(try await deployment.attemptStates() == ["failed:not_sent"])
      #expect(try await deployment.install("code1").isConnectedPage)
      #expect(try await deployment.attemptStates() == ["done"])
      #expect(deployment.login.requests.count == 1)
    }
  }

  @Test func `a refused connection is not taken for a sent request`() async throws {
    let port = try ClosedPort()
    var options = Deployment.Options()
    options.loginOrigin = port.origin
    try await Deployment.with(options) { deployment in
      let answer = try await deployment.install("code1")
      #expect(answer.failure == .loginAway)
      #expect(try await deployment.attemptStates() == ["failed:not_sent"])
    }
  }

  @Test(arguments: [LoginServer.Reply.hang, .close, .truncated])
  func `no complete answer means that the token is lost, and a load says so`(
    reply: LoginServer.Reply
  ) async throws {
    var options = Deployment.Options()
    options.timings.exchange = .milliseconds(400)
    try await Deployment.with(options) { deployment in
      _ = try await deployment.install("code1")
      deployment.login.script { _ in reply }
      let answer = try await deployment.install("code2")
      #expect(answer.failure == .connectionLost)
      #expect(try await deployment.attemptStates() == ["done", "lost"])
      #expect(try await deployment.events() == ["app/installed", "app/install_lost"])
      #expect(deployment.login.requests.count == 2)
      #expect(try await deployment.install("code2").failure == .connectionLost)
      #expect(deployment.login.requests.count == 2)
      let load = try await deployment.load(deployment.signed("load1", at: 10))
      #expect(load.failure == .connectionLost)
      // The canary is due, and once it has found the token good the store counts as connected
      // again.
      #expect(
        try await deployment.number(
          Statement("SELECT count(*) AS n FROM installations WHERE next_canary_at <= now()")) == 1)
      try await deployment.execute(
        Statement("UPDATE installations SET token_verified_at = clock_timestamp()"))
      #expect(try await deployment.load(deployment.signed("load2", at: 11)).isOpenedPage)
    }
  }

  @Test(arguments: [
    "", "code=a", "code=a&scope=b", "scope=b&context=stores%2Fabc",
    "code=a&scope=b&context=abc", "code=a&scope=b&context=stores%2FABC",
    "code=a&scope=b&context=stores%2Fabc%2Fx", "code=a&code=b&scope=b&context=stores%2Fabc",
    "code=a%00&scope=b&context=stores%2Fabc", "code=&scope=b&context=stores%2Fabc",
    "code=a&scope=&context=stores%2Fabc",
  ])
  func `a malformed callback is refused before anything happens`(query: String) async throws {
    try await Deployment.with { deployment in
      let answer = await deployment.callbacks.install(
        try Deployment.request(Deployment.path, query))
      #expect(answer.failure == .malformedLink)
      #expect(answer.status == 400)
      #expect(deployment.login.requests.isEmpty)
      #expect(try await deployment.attemptStates().isEmpty)
    }
  }

  @Test func `a path that is no callback of the app is not found`() async throws {
    try await Deployment.with { deployment in
      let answer = try await deployment.install("code1", path: "/auth/callback/")
      #expect(answer.status == 404)
      #expect(deployment.login.requests.isEmpty)
    }
  }
}

/// Refuses the first requests as if nothing had been sent.
final class FlakyLogin: LoginHost {
  private let real: any LoginHost
  private let refusals: Refusals

  init(real: any LoginHost, refusing count: Int) {
    self.real = real
    refusals = Refusals(count)
  }

  func send(
    _ exchange: TokenExchange, _ encoding: TokenExchange.Encoding, in trace: TraceContext,
    within limit: Duration
  ) async -> LoginReply {
    if await refusals.take() { return .notSent }
    return await real.send(exchange, encoding, in: trace, within: limit)
  }

  private actor Refusals {
    private var left: Int

    init(_ count: Int) { left = count }

    func take() -> Bool {
      guard left > 0 else { return false }
      left -= 1
      return true
    }
  }
}
