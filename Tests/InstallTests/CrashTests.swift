#if DEBUG
  import Base
  import BigCommerce
  import Curl
  import Glibc
  import Postgres
  import Storage
  import TestSupport
  import Testing
  import Vault

  @testable import Install
  @testable import Spooling
  /// What a process that is to be killed needs to know.
  private struct Victim: Codable, Sendable {
    let connection: String
    let directory: String
    let loginOrigin: String
    let point: String

    /// The callbacks of the process, as those of the one that looks at what it left.
    func callbacks() throws -> Callbacks {
      setenv(FailPoint.variable, point, 1)
      let database = Database(
        settings: DatabaseSettings(connectionString: Secret(connection), connections: 2),
        reactor: TestCluster.reactor, logger: Some.logger)
      guard let origin = Origin(loginOrigin) else { throw Some.Impossible() }
      let client = try CurlClient(reactor: TestCluster.reactor, settings: CurlSettings())
      let keyring = try Some.keyring("k1")
      let clock = SetClock(Deployment.start + 10)
      return Callbacks(
        settings: try Deployment.settings(Deployment.Options()), database: database,
        keyring: keyring, login: CurlLoginHost(client: client, origin: origin),
        spool: try InstallSpool(
          directory: directory, keyring: keyring, clock: clock.wall, logger: Some.logger),
        clock: clock.wall, logger: Some.logger)
    }

    func rewrap() throws -> Rewrap {
      setenv(FailPoint.variable, point, 1)
      let database = Database(
        settings: DatabaseSettings(connectionString: Secret(connection), connections: 2),
        reactor: TestCluster.reactor, logger: Some.logger)
      return Rewrap(database: database, keyring: try Some.keyring("k2", "k1"), batch: 5)
    }
  }

  /// A crash is real here: another process runs the callback and is killed with SIGKILL at a named
  /// place.
  @Suite struct `Killed` {
    private static let rounds = 0..<count(ordinary: 1, full: 50)

    /// Where an install can die, and whether its token is then safe.
    static let installPoints: [(String, Bool?)] = [
      ("install.before_attempt", nil), ("install.after_attempt", false),
      ("install.after_exchange", false), ("install.after_verify", false),
      ("install.after_spool", true), ("install.in_transaction", true),
      ("install.before_commit", true), ("install.after_commit", true),
      ("install.after_unspool", true), ("install.before_answer", true),
    ]

    @Test(arguments: installPoints, [false, true])
    func `an install leaves a usable token or a store that is shown as not connected`(
      place: (point: String, isSafe: Bool?), isAgain: Bool
    ) async throws {
      for _ in Self.rounds {
        try await withDeployment { deployment, victim in
          if isAgain { _ = try await deployment.install("code0") }
          deployment.clock.set(Deployment.start + 10)
          let before = deployment.login.requests.count
          let victim = victim(place.point)
          await #expect(processExitsWith: .signal(SIGKILL)) { [victim = victim as Victim] in
            _ = try await victim.callbacks().install(
              Deployment.request(Deployment.path, Deployment.installQuery("code1")))
          }
          #expect(deployment.login.requests.count - before <= 1)
          let restarted = try InstallSpool(
            directory: victim.directory, keyring: deployment.keyring, logger: Some.logger)
          let replay = SpoolReplay(
            spool: restarted, database: deployment.database, keyring: deployment.keyring,
            logger: Some.logger)
          #expect(await replay.pass().setAside == 0)
          try await Self.age(deployment)
          let load = try await deployment.load(deployment.signed("l1", at: 20))
          switch place.isSafe {
          case true?:
            #expect(load.isOpenedPage)
            #expect(try await deployment.stored()?.token == "token-of-code1")
          case false?:
            #expect(load.failure == .connectionLost)
            #expect(try await deployment.install("code1").failure == .connectionLost)
          case nil:
            #expect(load.isOpenedPage == isAgain)
            #expect(try await deployment.install("code1").isConnectedPage)
          }
          #expect(restarted.pendingCount == 0)
          #expect(deployment.login.requests.count - before <= 1)
          deployment.clock.set(Deployment.start + 100)
          #expect(try await deployment.install("code2").isConnectedPage)
          #expect(try await deployment.load(deployment.signed("l2", at: 110)).isOpenedPage)
        }
      }
    }

    @Test(arguments: [
      "uninstall.after_verify", "uninstall.in_transaction", "uninstall.before_commit",
      "uninstall.after_commit", "uninstall.after_spool", "uninstall.before_answer",
    ])
    func `an uninstall is done wholly or not at all, and done once when it is repeated`(
      point: String
    ) async throws {
      for _ in Self.rounds {
        try await withDeployment { deployment, victim in
          _ = try await deployment.install("code1")
          deployment.clock.set(Deployment.start + 10)
          let signed = deployment.signed("u1", at: 5)
          let query = signed.query
          let victim = victim(point)
          await #expect(processExitsWith: .signal(SIGKILL)) {
            [victim = victim as Victim, query = query as String] in
            _ = try await victim.callbacks().uninstall(Deployment.request("/auth/uninstall", query))
          }
          let state = try await deployment.stored()?.state
          let isCommitted = ["uninstall.after_commit", "uninstall.before_answer"].contains(point)
          #expect(state == (isCommitted ? "uninstalled" : "active"))
          try await Self.replay(victim, deployment)
          if point == "uninstall.after_spool" {
            #expect(try await deployment.stored()?.state == "uninstalled")
          }
          #expect(try await deployment.uninstall(signed) == .acknowledged)
          #expect(try await deployment.stored()?.token == nil)
          #expect(try await deployment.events() == ["app/installed", "app/uninstalled"])
        }
      }
    }

    @Test(arguments: [
      "remove_user.after_verify", "remove_user.before_commit", "remove_user.after_commit",
      "remove_user.after_spool", "remove_user.before_answer",
    ])
    func `a removal is done wholly or not at all, and done once when it is repeated`(
      point: String
    ) async throws {
      for _ in Self.rounds {
        try await withDeployment { deployment, victim in
          _ = try await deployment.install("code1")
          deployment.clock.set(Deployment.start + 10)
          let load = deployment.signed("l1", at: 2, user: 42)
          #expect(try await deployment.load(load).isOpenedPage)
          let signed = deployment.signed("r1", at: 5, user: 42)
          let query = signed.query
          let victim = victim(point)
          await #expect(processExitsWith: .signal(SIGKILL)) {
            [victim = victim as Victim, query = query as String] in
            _ = try await victim.callbacks().removeUser(
              Deployment.request("/auth/remove_user", query))
          }
          try await Self.replay(victim, deployment)
          #expect(try await deployment.removeUser(signed) == .acknowledged)
          #expect(try await deployment.load(load).failure == .userRemoved)
          #expect(try await deployment.events() == ["app/installed", "app/user_removed"])
        }
      }
    }

    @Test(arguments: [
      "rewrap.after_page", "rewrap.after_page:2", "rewrap.before_write", "rewrap.before_write:2",
      "rewrap.after_write", "rewrap.after_write:2", "rewrap.before_audit",
    ])
    func `a rewrap goes on where it was, and every token opens`(point: String) async throws {
      for _ in Self.rounds {
        try await withDeployment { deployment, victim in
          let writes = InstallationWrites(
            database: deployment.database, keyring: deployment.keyring)
          for number in 0..<12 {
            let write = InstallWrite(
              installation: try Some.installation("s\(number)"), token: Secret("t\(number)"),
              scopes: Scopes(parsing: "a"), authorizedAt: Timestamp(seconds: 0), act: .latchkey)
            _ = try await writes.importToken(write, key: Array("\(number)".utf8))
          }
          let victim = victim(point)
          await #expect(processExitsWith: .signal(SIGKILL)) { [victim = victim as Victim] in
            _ = try await victim.rewrap().run(act: .latchkey)
          }
          let both = try Some.keyring("k2", "k1")
          _ = try await Rewrap(database: deployment.database, keyring: both).run(act: .latchkey)
          let rows = try await deployment.database.query(
            Statement("SELECT store_hash, sealed_token FROM installations")
          ).rows
          #expect(rows.count == 12)
          for row in rows {
            let hash = try row.decode("store_hash", as: String.self)
            let place = SealedPlace(
              .accessToken, of: try Some.installation(hash), generation: Generation(1))
            let opened = try Some.keyring("k2").open(
              Sealed(bytes: row.decode("sealed_token")), for: place)
            #expect(String(decoding: opened.expose(), as: UTF8.self) == "t" + hash.dropFirst())
          }
        }
      }
    }

    /// Lets the time pass after which what runs counts as lost.
    private static func age(_ deployment: Deployment) async throws {
      try await deployment.execute(
        Statement(
          """
          UPDATE install_attempts SET started_at = started_at - interval '61 s'
          WHERE state = 'exchanging'
          """))
      // Before that a token could not be newer than the attempt.
      try await deployment.execute(
        Statement("UPDATE installations SET token_stored_at = token_stored_at - interval '90 s'"))
      _ = try await deployment.sweeper.sweepLost()
    }

    private static func replay(_ victim: Victim, _ deployment: Deployment) async throws {
      let spool = try InstallSpool(
        directory: victim.directory, keyring: deployment.keyring, logger: Some.logger)
      let replay = SpoolReplay(
        spool: spool, database: deployment.database, keyring: deployment.keyring,
        logger: Some.logger)
      #expect(await replay.pass().setAside == 0)
      #expect(spool.pendingCount == 0)
    }

    /// A deployment, and the way to make a process of it that dies at a place.
    private func withDeployment(
      _ body: @Sendable (Deployment, (String) -> Victim) async throws -> Void
    ) async throws {
      try await withTemporaryDatabase(
        Migrations.all, adjust: { _ in }
      ) { (temporary: TemporaryDatabase) in
        try await Deployment.replica(
          Deployment.Options(), temporary.database
        ) { deployment in
          try await Some.directory { directory in
            let origin = deployment.login.origin?.text ?? ""
            try await body(deployment) { point in
              // To reach the spool, the process must not reach the database.
              let isAway = point.hasSuffix(".after_spool") && !point.hasPrefix("install")
              return Victim(
                connection: isAway
                  ? "host='/nonexistent' dbname='x'" : temporary.connectionString.expose(),
                directory: directory, loginOrigin: origin, point: point)
            }
          }
        }
      }
    }
  }
#endif
