import Base
import BigCommerce
import Postgres
import Storage
import TestSupport
import Testing

@testable import Install

@Suite struct `Secrets of callbacks` {
  @Test func `no code, token, client secret, payload or address is in a log or an answer`()
    async throws
  {
    let lines = LogLines()
    var options = Deployment.Options()
    options.logger = lines.logger
    options.timings.exchange = .milliseconds(300)
    try await Deployment.with(options) { deployment in
      var answers: [CallbackAnswer] = []
      answers.append(try await deployment.install("code-canary-1"))
      let load = deployment.signed("jti-canary-1", at: 5)
      answers.append(try await deployment.load(load))
      var forged = load
      forged.secret = "x"
      answers.append(try await deployment.load(forged))
      deployment.login.script { _ in .answer(400, #"{"error":"invalid_grant","x":"body-canary"}"#) }
      answers.append(try await deployment.install("code-canary-2"))
      deployment.login.script { _ in .close }
      answers.append(try await deployment.install("code-canary-3"))
      answers.append(try await deployment.uninstall(deployment.signed("jti-canary-2", at: 10)))
      answers.append(try await deployment.uninstall(load))
      let seen = lines.text + answers.map { "\($0)" }.joined(separator: "\n")
      #expect(lines.text.contains("install lost"))
      for secret in [
        "code-canary", SignedCallback.secret, "user@example.com", "owner@example.com", load.jwt,
        "body-canary", "token-of",
      ] {
        #expect(!seen.contains(secret), "\(secret) was shown")
      }
      let write = try InstallWrite(
        installation: Some.installation(), token: Secret(Some.token), scopes: .none,
        authorizedAt: Timestamp(seconds: 0), installer: StoreUser(id: 7, email: "user@example.com"),
        act: .latchkey)
      var dumped = ""
      dump(write, to: &dumped)
      dumped += "\(write)"
      #expect(!dumped.contains(Some.token) && !dumped.contains("user@example.com"))
      #expect(
        try await deployment.number(
          Statement(
            """
            SELECT count(*) AS n FROM (SELECT details::text AS text FROM audit
              UNION ALL SELECT data::text FROM pending_events) AS written
            WHERE text LIKE '%code-canary%' OR text LIKE '%example.com%' OR text LIKE '%token-of%'
            """)) == 0)
    }
  }
}
