import Base
import Glibc
import Linux
import Logging
import Postgres
import PrivatePostgres
import Storage
import Synchronization
import TestSupport
import Testing
import Vault

@testable import Install
@testable import Spooling

/// A PostgreSQL of the test's own, to be stopped and started.
private func withOwnCluster(
  _ options: Deployment.Options = Deployment.Options(),
  _ body: @Sendable (Deployment, PrivateCluster) async throws -> Void
) async throws {
  let cluster = PrivateCluster(
    directory: try temporaryDirectory("outage") + "/postgres",
    settings: ClusterSettings(isThrowaway: true), logger: Some.logger)
  let settings = DatabaseSettings(
    connectionString: Secret(try await cluster.start()), connections: 4)
  let database = Database(settings: settings, reactor: TestCluster.reactor, logger: Some.logger)
  let result: Result<Void, any Error>
  do {
    try await Migrator(Migrations.all, logger: Some.logger).apply(on: database)
    result = .success(
      try await Deployment.replica(options, database) { try await body($0, cluster) })
  } catch {
    result = .failure(error)
  }
  await database.close()
  try await cluster.stop(.immediate)
  try result.get()
}

@Suite struct `Database away` {
  @Test func `before the exchange: 503 in time, the code unspent, and trying again works`()
    async throws
  {
    try await withOwnCluster { deployment, cluster in
      try await cluster.interrupt(.immediate)
      let begin = ContinuousClock.now
      let answer = try await deployment.install("code1")
      #expect(ContinuousClock.now - begin < .seconds(6))
      #expect(answer.status == 503)
      #expect(answer.failure == .databaseAway)
      #expect(deployment.login.requests.isEmpty)
      let load = try await deployment.load(deployment.signed("l1"))
      #expect(load.failure == .databaseAway)
      _ = try await cluster.start()
      try await until { try await deployment.install("code1").isConnectedPage }
      #expect(deployment.login.requests.count == 1)
    }
  }

  @Test func `after the exchange: the merchant succeeds, and the token comes from the spool`()
    async throws
  {
    try await withOwnCluster { deployment, cluster in
      deployment.login.hold()
      async let answer = deployment.install("code1")
      try await until { deployment.login.requests.count == 1 }
      try await cluster.interrupt(.immediate)
      deployment.login.release()
      #expect(try await answer.isConnectedPage)
      #expect(deployment.spool?.pendingCount == 1)
      let replay = try #require(deployment.replay)
      #expect(await replay.pass().isBlocked)
      #expect(deployment.spool?.pendingCount == 1)
      _ = try await cluster.start()
      try await until { await replay.pass().carriedOut == 1 }
      #expect(deployment.spool?.pendingCount == 0)
      #expect(try await deployment.stored()?.token == "token-of-code1")
      #expect(try await deployment.install("code1").isConnectedPage)
      #expect(deployment.login.requests.count == 1)
    }
  }

  @Test func `uninstall and removal are taken and carried out later, once and in order`()
    async throws
  {
    try await withOwnCluster { deployment, cluster in
      _ = try await deployment.install("code1")
      _ = try await deployment.load(deployment.signed("l1", user: 42))
      try await cluster.interrupt(.immediate)
      let removal = deployment.signed("r1", at: 10, user: 42)
      let uninstall = deployment.signed("u1", at: 20)
      async let first = deployment.removeUser(removal)
      async let second = deployment.uninstall(uninstall)
      async let repeated = deployment.uninstall(uninstall)
      #expect(try await [first, second, repeated].allSatisfy { $0 == .acknowledged })
      #expect(deployment.spool?.pendingCount == 3)
      _ = try await cluster.start()
      let replay = try #require(deployment.replay)
      try await until {
        _ = await replay.pass()
        return deployment.spool?.pendingCount == 0
      }
      #expect(try await deployment.stored()?.token == nil)
      #expect(
        try await deployment.events().sorted()
          == ["app/installed", "app/uninstalled", "app/user_removed"])
      #expect(try await deployment.uninstall(uninstall) == .acknowledged)
      #expect(try await deployment.events().count == 3)
    }
  }

  @Test func `without a spool a callback is refused with 503 and can be sent again`() async throws {
    var options = Deployment.Options()
    options.hasSpool = false
    options.timings.ending = .milliseconds(500)
    options.timings.storeUnspooled = .seconds(1)
    try await withOwnCluster(options) { deployment, cluster in
      _ = try await deployment.install("code1")
      deployment.login.hold()
      async let second = deployment.install("code2")
      try await until { deployment.login.requests.count == 2 }
      try await cluster.interrupt(.immediate)
      let uninstall = deployment.signed("u1", at: 20)
      #expect(try await deployment.uninstall(uninstall).status == 503)
      deployment.login.release()
      #expect(try await second.failure == .connectionLost)
      _ = try await cluster.start()
      try await until { try await deployment.uninstall(uninstall) == .acknowledged }
      #expect(try await deployment.stored()?.state == "uninstalled")
    }
  }

  @Test
  func `a server that stands still after the exchange costs the merchant neither page nor token`()
    async throws
  {
    try await withOwnCluster { deployment, cluster in
      deployment.login.hold()
      async let answer = deployment.install("code1")
      try await until { deployment.login.requests.count == 1 }
      let processes = try Processes(of: #require(cluster.serverProcess))
      processes.send(SIGSTOP)
      defer { processes.send(SIGCONT) }
      let begin = ContinuousClock.now
      deployment.login.release()
      #expect(try await answer.isConnectedPage)
      #expect(try await deployment.uninstall(deployment.signed("u1", at: -90)) == .acknowledged)
      #expect(ContinuousClock.now - begin < .seconds(20))
      #expect(deployment.spool?.pendingCount == 2)
      processes.send(SIGCONT)
      let replay = try #require(deployment.replay)
      try await until {
        _ = await replay.pass()
        return deployment.spool?.pendingCount == 0
      }
      #expect(try await deployment.stored()?.token == "token-of-code1")
      #expect(try await deployment.audited().sorted() == ["install", "uninstall_stale"])
    }
  }

  @Test func `without disk the database is enough, and without both nothing is acknowledged`()
    async throws
  {
    try await withOwnCluster { deployment, cluster in
      try await deployment.breakSpool()
      #expect(try await deployment.install("code1").isConnectedPage)
      try await cluster.interrupt(.immediate)
      #expect(try await deployment.uninstall(deployment.signed("u1", at: 10)).status == 503)
      #expect(
        try await deployment.removeUser(deployment.signed("r1", at: 10, user: 42)).status == 503)
    }
  }

  @Test func `a database that hangs is answered for in time, before and after the exchange`()
    async throws
  {
    var options = Deployment.Options()
    // The product's own patience; that of other tests is longer.
    options.adjust = { settings in
      settings.statementTimeout = .seconds(5)
      settings.acquireTimeout = .seconds(1)
    }
    try await Deployment.with(options) { deployment in
      _ = try await deployment.install("code0", store: "warm")
      // A lock that nobody gives up: statements are taken and not answered.
      let blocker = Blocker()
      async let holding: Void = deployment.database.withTransaction { transaction in
        _ = try await transaction.query(Statement("LOCK TABLE install_attempts"))
        _ = try await transaction.query(Statement("LOCK TABLE callback_tokens"))
        await blocker.hold()
      }
      await blocker.untilHeld()
      let begin = ContinuousClock.now
      async let install = deployment.install("code1")
      async let uninstall = deployment.uninstall(deployment.signed("u1"))
      async let load = deployment.load(deployment.signed("l1"))
      #expect(try await install.failure == .databaseAway)
      #expect(try await load.failure == .databaseAway)
      #expect(try await uninstall == .acknowledged)
      #expect(ContinuousClock.now - begin < .seconds(7))
      #expect(deployment.login.requests.count == 1)
      await blocker.letGo()
      try await holding
      // The attempt may be on record now; the code is unspent, and the same replica takes it over.
      try await until { try await deployment.install("code1").isConnectedPage }
      #expect(deployment.login.requests.count == 2)
    }
  }
}

/// The server's processes: its first and the children that it has now.
private struct Processes {
  private let numbers: [Int32]

  init(of first: Int32) throws {
    let path = "/proc/\(first)/task/\(first)/children"
    let text = String(decoding: try SmallFile.read(path, atMost: 1 << 16), as: UTF8.self)
    numbers = [first] + text.split(whereSeparator: \.isWhitespace).compactMap { Int32($0) }
  }

  func send(_ signal: Int32) { for number in numbers { kill(number, signal) } }
}

/// Holds a transaction open until it is told otherwise.
private actor Blocker {
  private var isHeld = false
  private var waiting: [CheckedContinuation<Void, Never>] = []
  private var holder: CheckedContinuation<Void, Never>?

  func hold() async {
    isHeld = true
    for continuation in waiting { continuation.resume() }
    waiting = []
    await withCheckedContinuation { holder = $0 }
  }

  func untilHeld() async {
    guard !isHeld else { return }
    await withCheckedContinuation { waiting.append($0) }
  }

  func letGo() {
    holder?.resume()
    holder = nil
  }
}
