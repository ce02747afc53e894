import Base
import BigCommerce
import Postgres
import Storage
import Testing
import Vault

@testable import Install
@testable import Spooling

@Suite struct `Install callback` {
  @Test func `a new store is connected, with its token sealed and everything recorded`()
    async throws
  {
    try await Deployment.with { deployment in
      let answer = try await deployment.install("code1")
      #expect(
        answer
          == .page(
            MerchantPage(
              status: 200, kind: .connected(missingScopes: []), store: StoreHash("abc123"))))
      #expect(
        try await deployment.stored()
          == Deployment.Stored(
            state: "active", generation: 1, token: "token-of-code1",
            scopes: ["store_v2_default", "store_v2_products"]))
      #expect(try await deployment.attemptStates() == ["done"])
      #expect(try await deployment.events() == ["app/installed"])
      #expect(try await deployment.audited() == ["install"])
      #expect(
        try await deployment.number(
          Statement(
            """
            SELECT count(*) AS n FROM store_users
            WHERE (user_id, email, is_owner) IN
              ((7, 'user@example.com', false), (1, 'owner@example.com', true))
            """)) == 2)
      #expect(deployment.spool?.pendingCount == 0)
    }
  }

  @Test func `the token request is JSON and names the path of this callback byte for byte`()
    async throws
  {
    try await Deployment.with { deployment in
      _ = try await deployment.install("code1", path: "/apps/default/auth/callback")
      let request = try #require(deployment.login.requests.first)
      #expect(deployment.login.requests.count == 1)
      #expect(request.contentType == "application/json")
      #expect(
        request.fields == [
          "client_id": SignedCallback.clientID, "client_secret": SignedCallback.secret,
          "code": "code1", "context": "stores/abc123",
          "scope": "store_v2_products store_v2_default", "grant_type": "authorization_code",
          "redirect_uri": "https://app.example.com/apps/default/auth/callback",
        ])
    }
  }

  @Test func `a second install replaces the token of the first`() async throws {
    try await Deployment.with { deployment in
      _ = try await deployment.install("code1")
      #expect(try await deployment.install("code2").isConnectedPage)
      let stored = try await deployment.stored()
      #expect(stored?.generation == 2)
      #expect(stored?.token == "token-of-code2")
    }
  }

  @Test func `a repeated callback shows the same page, and after a minute says to open the app`()
    async throws
  {
    var options = Deployment.Options()
    options.appURL = "https://front.example.com/start"
    try await Deployment.with(options) { deployment in
      #expect(try await deployment.install("code1").ticket != nil)
      let again = try await deployment.install("code1")
      #expect(again.isConnectedPage)
      try await deployment.execute(
        Statement(
          """
          UPDATE install_attempts SET started_at = started_at - interval '61 s',
            finished_at = finished_at - interval '61 s'
          """))
      #expect(
        try await deployment.install("code1")
          == .page(
            MerchantPage(status: 200, kind: .alreadyConnected, store: StoreHash("abc123"))))
      #expect(deployment.login.requests.count == 1)
      #expect(try await deployment.stored()?.generation == 1)
    }
  }

  @Test func `500 callbacks with one code at once lead to one exchange and one ticket`()
    async throws
  {
    var options = Deployment.Options()
    options.appURL = "https://front.example.com/start"
    try await Deployment.with(options) { deployment in
      let answers = try await withThrowingTaskGroup(of: CallbackAnswer.self) { group in
        for _ in 0..<500 { group.addTask { try await deployment.install("code1") } }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(deployment.login.requests.count == 1)
      #expect(answers.count { $0.ticket != nil } == 1)
      #expect(answers.count { $0.isConnectedPage } == 499)
      #expect(try await deployment.stored()?.generation == 1)
    }
  }

  @Test func `two replicas with one code at once lead to one exchange`() async throws {
    try await Deployment.with { first in
      try await Deployment.replica(Deployment.Options(), first.database) { second in
        let answers = try await withThrowingTaskGroup(of: CallbackAnswer.self) { group in
          for number in 0..<40 {
            let deployment = number.isMultiple(of: 2) ? first : second
            group.addTask { try await deployment.install("code1") }
          }
          return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(first.login.requests.count + second.login.requests.count == 1)
        #expect(answers.allSatisfy { $0.isConnectedPage })
      }
    }
  }

  @Test func `another replica waits for the first only so long`() async throws {
    var options = Deployment.Options()
    options.timings.running = .milliseconds(300)
    options.timings.poll = .milliseconds(20)
    let patience = options
    try await Deployment.with { first in
      try await Deployment.replica(patience, first.database) { second in
        first.login.hold()
        async let answer = first.install("code1")
        try await until { first.login.requests.count == 1 }
        let other = try await second.install("code1")
        #expect(other.failure == .installRunning)
        #expect(other.status == 503)
        first.login.release()
        #expect(try await answer.isConnectedPage)
        #expect(try await second.install("code1").isConnectedPage)
        #expect(second.login.requests.isEmpty)
      }
    }
  }

  @Test func `no more than 32 exchanges are in flight, and the others wait`() async throws {
    try await Deployment.with { deployment in
      deployment.login.hold()
      try await withThrowingTaskGroup(of: CallbackAnswer.self) { group in
        for number in 0..<48 {
          group.addTask {
            try await deployment.install("code\(number)", store: "store\(number)")
          }
        }
        try await until { deployment.login.requests.count == 32 }
        try await until { deployment.callbacks.installsRunning == 48 }
        #expect(deployment.login.requests.count == 32)
        deployment.login.release()
        for try await answer in group { #expect(answer.isConnectedPage) }
      }
      #expect(deployment.login.requests.count == 48)
    }
  }

  @Test(arguments: [(406, #"{"error":"Invalid format."}"#), (415, ""), (400, "Invalid format.")])
  func `an answer that did not understand the format is followed by one form`(
    status: Int, body: String
  ) async throws {
    try await Deployment.with { deployment in
      deployment.login.script { request in
        request.contentType == "application/json"
          ? .answer(status, body) : LoginServer.grant(request)
      }
      let answer = try await deployment.install("code1")
      #expect(answer.isConnectedPage)
      #expect(
        deployment.login.requests.map { $0.contentType }
          == ["application/json", "application/x-www-form-urlencoded"])
      #expect(Set(deployment.login.requests.map { $0.fields }).count == 1)
    }
  }

  @Test func `a sixth attempt of a store in a minute is refused without a request`() async throws {
    try await Deployment.with { deployment in
      deployment.login.script { _ in .answer(400, #"{"error":"invalid_grant"}"#) }
      for number in 1...5 { _ = try await deployment.install("bogus\(number)") }
      let sixth = try await deployment.install("bogus6")
      #expect(sixth.failure == .tooManyAttempts)
      #expect(sixth.status == 429)
      #expect(deployment.login.requests.count == 5)
      deployment.login.script { LoginServer.grant($0) }
      #expect(try await deployment.install("good", store: "other").isConnectedPage)
      try await deployment.execute(
        Statement("UPDATE install_attempts SET started_at = started_at - interval '61 s'"))
      #expect(try await deployment.install("bogus6").isConnectedPage)
    }
  }

  @Test func `an external install ends on BigCommerce's pages`() async throws {
    try await Deployment.with { deployment in
      let base = "https://login.bigcommerce.com/app/client-id/install"
      let answer = try await deployment.install("code1", more: "&external_install=1")
      #expect(
        answer
          == .redirect(status: 302, location: base + "/succeeded"))
      deployment.login.script { _ in .answer(400, #"{"error":"invalid_grant"}"#) }
      #expect(
        try await deployment.install("code2", more: "&external_install=")
          == .redirect(status: 302, location: base + "/failed"))
    }
  }

  @Test func `fewer scopes than required connect with drift`() async throws {
    var options = Deployment.Options()
    options.requiredScopes = "store_v2_products store_v2_orders"
    try await Deployment.with(options) { deployment in
      let answer = try await deployment.install("code1")
      #expect(
        answer
          == .page(
            MerchantPage(
              status: 200, kind: .connected(missingScopes: ["store_v2_orders"]),
              store: StoreHash("abc123"))))
    }
  }

  @Test func `a suspended store stays suspended, also after uninstalling`() async throws {
    try await Deployment.with { deployment in
      _ = try await deployment.install("code1")
      let states = InstallationStates(database: deployment.database)
      let installation = try Some.installation()
      #expect(try await states.suspend(installation, act: .latchkey) == .changed)
      #expect(try await deployment.install("code2").isConnectedPage)
      #expect(try await deployment.stored()?.state == "suspended")
      #expect(try await deployment.stored()?.token == "token-of-code2")
      #expect(try await deployment.load(deployment.signed("l1")).failure == .suspended)
      deployment.clock.set(Deployment.start + 100)
      _ = try await deployment.uninstall(deployment.signed("u1", at: 100))
      #expect(try await deployment.stored()?.state == "uninstalled")
      deployment.clock.set(Deployment.start + 200)
      _ = try await deployment.install("code3")
      #expect(try await deployment.stored()?.state == "suspended")
      #expect(try await states.resume(installation, act: .latchkey) == .changed)
      #expect(try await deployment.stored()?.state == "active")
    }
  }

  @Test func `a code that was used for one store is refused for another`() async throws {
    try await Deployment.with { deployment in
      _ = try await deployment.install("code1")
      let answer = try await deployment.install("code1", store: "other")
      #expect(answer.failure == .malformedLink)
      #expect(deployment.login.requests.count == 1)
      #expect(try await deployment.stored("other") == nil)
    }
  }

  @Test
  func `an attempt that nobody finishes is lost, and its token may still come from the spool`()
    async throws
  {
    try await Deployment.with { deployment in
      deployment.login.script { _ in .hang }
      let attempts = InstallAttempts(database: deployment.database)
      let installation = try Some.installation()
      let start = try await attempts.begin(
        installation, codeSHA256: KeyDigest(of: Array("code1".utf8)).bytes, claim: "dead replica",
        requestID: Some.requestID())
      guard case .begun(let attempt, _) = start else {
        Issue.record("not begun: \(start)")
        return
      }
      #expect(try await deployment.sweeper.sweepLost() == 0)
      try await deployment.execute(
        Statement("UPDATE install_attempts SET started_at = started_at - interval '61 s'"))
      #expect(try await deployment.sweeper.sweepLost() == 1)
      #expect(try await deployment.sweeper.sweepLost() == 0)
      #expect(try await deployment.load(deployment.signed("l1")).failure == .connectionLost)
      #expect(try await deployment.install("code1").failure == .connectionLost)
      let write = InstallWrite(
        installation: installation, token: Secret("late"), scopes: Scopes(parsing: "a"),
        authorizedAt: deployment.clock.wall.now(), act: .latchkey)
      let writes = InstallationWrites(database: deployment.database, keyring: deployment.keyring)
      #expect(try await writes.install(write, attempt: attempt) == .stored(Generation(1)))
      #expect(try await writes.install(write, attempt: attempt) == .repeated(Generation(1)))
      #expect(try await deployment.load(deployment.signed("l2")).isOpenedPage)
    }
  }

  @Test func `an import is stored once per key and proves nothing twice`() async throws {
    try await Deployment.with { deployment in
      let write = InstallWrite(
        installation: try Some.installation(), token: Secret("imported"),
        scopes: Scopes(parsing: "store_v2_products"), authorizedAt: deployment.clock.wall.now(),
        act: Act(actor: "key1", requestID: nil))
      let writes = InstallationWrites(database: deployment.database, keyring: deployment.keyring)
      #expect(try await writes.importToken(write, key: [1, 2, 3]) == .stored(Generation(1)))
      #expect(try await writes.importToken(write, key: [1, 2, 3]) == .repeated(Generation(1)))
      #expect(try await writes.importToken(write, key: [4]) == .stored(Generation(2)))
      #expect(try await deployment.stored()?.token == "imported")
      #expect(
        try await deployment.number(
          Statement("SELECT count(*) AS n FROM installations WHERE source = 'import'")) == 1)
      #expect(try await deployment.audited() == ["import", "import"])
    }
  }
}
