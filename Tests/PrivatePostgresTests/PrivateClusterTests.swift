import Glibc
import Linux
import Logging
import TestSupport
import Testing

@testable import PrivatePostgres

@Suite struct `A private cluster` {
  private static let settings = ClusterSettings(isThrowaway: true)

  private func cluster(_ directory: String) -> PrivateCluster {
    PrivateCluster(directory: directory, settings: Self.settings, logger: .quiet)
  }

  /// Runs the body with an empty directory, and ends whatever server it left there.
  private func withDirectory(_ body: (String) async throws -> Void) async throws {
    let directory = try temporaryDirectory("private") + "/postgres"
    let result: Result<Void, any Error>
    do { result = .success(try await body(directory)) } catch { result = .failure(error) }
    for process in ServerProcesses.inside(directory + "/data") { kill(process, SIGKILL) }
    try result.get()
  }

  /// Asks the server something through `psql`, as an operator would.
  private func ask(_ cluster: PrivateCluster, _ sql: String) async throws -> String {
    let target = cluster.connectionString(database: "latchkey", user: "latchkey")
    let outcome = try await ChildProcess(
      "/usr/bin/psql", ["-X", "-A", "-t", "-c", sql, target], environment: ["PATH": "/usr/bin:/bin"]
    ).run(timeLimit: .seconds(30))
    #expect(outcome.succeeded, "\(outcome.output)")
    return outcome.output.split(separator: "\n").joined(separator: "\n")
  }

  @Test func `it is made, keeps its data, and is stopped by its last user only`() async throws {
    try await withDirectory { directory in
      let first = cluster(directory)
      try await first.start()
      let process = try #require(first.serverProcess)
      _ = try await ask(first, "CREATE TABLE t AS SELECT 7 AS x")
      let second = cluster(directory)
      try await second.start()
      #expect(second.serverProcess == process)
      try await first.stop()
      #expect(second.serverProcess == process)
      try await second.stop()
      #expect(second.serverProcess == nil)
      #expect(ServerProcesses.inside(directory + "/data").isEmpty)
      try await first.start()
      #expect(try await ask(first, "SELECT x FROM t") == "7")
      try await first.stop()
    }
  }

  @Test func `its role is no superuser, its socket is ours alone, and it has no port`() async throws
  {
    try await withDirectory { directory in
      let cluster = cluster(directory)
      try await cluster.start()
      #expect(
        try await ask(cluster, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == "f")
      #expect(try await ask(cluster, "SHOW listen_addresses") == "")
      #expect(try await ask(cluster, "SHOW log_parameter_max_length_on_error") == "0")
      for path in [directory, directory + "/data", cluster.socketDirectory] {
        #expect(Directory.facts(path)?.mode == 0o700)
      }
      try await cluster.stop()
    }
  }

  @Test func `a server whose user was killed is adopted`() async throws {
    try await withDirectory { directory in
      var killed: PrivateCluster? = cluster(directory)
      try await killed?.start()
      let process = try #require(killed?.serverProcess)
      // What is left of a killed user: the server runs, its locks are gone.
      killed = nil
      let next = cluster(directory)
      try await next.start()
      #expect(next.serverProcess == process)
      try await next.stop()
      #expect(next.serverProcess == nil)
    }
  }

  @Test func `a server that was killed recovers with its data`() async throws {
    try await withDirectory { directory in
      let cluster = cluster(directory)
      try await cluster.start()
      _ = try await ask(cluster, "CREATE TABLE t AS SELECT 7 AS x")
      let process = try #require(cluster.serverProcess)
      kill(process, SIGKILL)
      #expect(try await eventually { cluster.serverProcess == nil })
      try await cluster.start()
      #expect(cluster.serverProcess != process)
      #expect(try await ask(cluster, "SELECT x FROM t") == "7")
      try await cluster.stop()
    }
  }

  @Test
  func
    `a stale file that names another program's process neither blocks the start nor harms that process`()
    async throws
  {
    try await withDirectory { directory in
      let other = try await TestCluster.shared.cluster()
      let foreign = try #require(other.serverProcess)
      let cluster = cluster(directory)
      try await cluster.start()
      try await cluster.stop(.immediate)
      for process in [getpid(), foreign] {
        let stale =
          "\(process)\n\(directory)/data\n1\n5432\n\(directory)/socket\n\n  1 2\nready   \n"
        try SmallFile.replace(
          directory + "/data/postmaster.pid", with: stale, owner: UserAccount.named("postgres"))
        #expect(cluster.serverProcess == nil)
        try await cluster.start()
        #expect(cluster.serverProcess != nil && cluster.serverProcess != process)
        try await cluster.stop()
        #expect(kill(process, 0) == 0)
      }
      #expect(other.serverProcess == foreign)
    }
  }

  @Test func `a making that was interrupted is begun again`() async throws {
    try await withDirectory { directory in
      _ = try Directory.make(directory, mode: 0o700).get()
      _ = try Directory.make(directory + "/data.new", mode: 0o700).get()
      try SmallFile.replace(directory + "/data.new/half", with: "x", owner: nil)
      if let account = UserAccount.named("postgres"), UserAccount.currentUserID == 0 {
        try Directory.give(directory, userID: account.userID, groupID: account.groupID)
        try Directory.give(
          directory + "/data.new", userID: account.userID, groupID: account.groupID)
      }
      let cluster = cluster(directory)
      try await cluster.start()
      #expect(Directory.facts(directory + "/data.new") == nil)
      try await cluster.stop()
    }
  }

  @Test func `a directory that is too deep for a socket gets one elsewhere`() async throws {
    let deep =
      try temporaryDirectory("deep") + "/" + String(repeating: "d", count: 90) + "/postgres"
    let cluster = cluster(deep)
    try await cluster.start()
    #expect((cluster.socketDirectory + "/.s.PGSQL.5432").utf8.count <= 107)
    #expect(cluster.socketDirectory.hasPrefix("/tmp/latchkey-postgres-"))
    #expect(try await ask(cluster, "SELECT 1") == "1")
    try await cluster.stop()
    rmdir(cluster.socketDirectory)
  }

  @Test(.enabled(if: UserAccount.currentUserID == 0, "only root becomes another user"))
  func `a directory that the server's user cannot reach is named, with what to do`() async throws {
    let closed = try temporaryDirectory("closed")
    try Directory.setMode(closed, 0o700)
    _ = try Directory.make(closed + "/ours", mode: 0o711).get()
    let error = await #expect(throws: PrivatePostgresError.self) {
      try await cluster(closed + "/ours/postgres").start()
    }
    #expect(error == .unreachable(directory: closed, user: "postgres"))
    #expect("\(String(describing: error))".contains("chmod o+x \(closed)"))
  }

  @Test(.enabled(if: UserAccount.currentUserID == 0, "only root makes another's directory"))
  func `somebody else's directory is left alone`() async throws {
    let directory = try temporaryDirectory("foreign") + "/postgres"
    _ = try Directory.make(directory, mode: 0o700).get()
    try Directory.give(directory, userID: 65534, groupID: 65534)
    await #expect(throws: PrivatePostgresError.notOurs(directory: directory)) {
      try await cluster(directory).start()
    }
    #expect(Directory.facts(directory)?.userID == 65534)
  }
}

@Suite struct `Finding PostgreSQL's programs` {
  private static func programs(_ version: String) -> ServerPrograms {
    ServerPrograms(directory: "/x/\(version)", version: version)
  }

  @Test func `a new cluster gets the newest version`() throws {
    let places = ["9", "15", "16"].map(Self.programs)
    #expect(try ServerPrograms.find(for: nil, in: places).version == "16")
  }

  @Test func `a cluster keeps the version that made it`() throws {
    let places = ["15", "16"].map(Self.programs)
    #expect(try ServerPrograms.find(for: "15", in: places).version == "15")
    #expect(throws: PrivatePostgresError.versionMissing(needed: "14", installed: ["15", "16"])) {
      try ServerPrograms.find(for: "14", in: places)
    }
  }

  @Test func `what is missing is named together with the way to get it`() {
    #expect(throws: PrivatePostgresError.notInstalled) { try ServerPrograms.find(for: nil, in: []) }
    #expect("\(PrivatePostgresError.notInstalled)".contains("apt-get install postgresql"))
    let missing = PrivatePostgresError.versionMissing(needed: "14", installed: ["15"])
    #expect("\(missing)".contains("apt-get install postgresql-14"))
  }
}

@Suite struct `What a server says about itself` {
  @Test func `process, directory, socket and readiness are read`() throws {
    let file = try #require(PostmasterFile("77\n/d\n1\n5432\n/s\n\n 1 2\nready   \n"))
    #expect(file.process == 77 && file.dataDirectory == "/d" && file.socketDirectory == "/s")
    #expect(file.isReady)
    #expect(PostmasterFile("77\n/d\n1\n5432\n/s\n\n 1 2\nstarting\n")?.isReady == false)
    #expect(PostmasterFile("77\n/d\n")?.isReady == false)
  }

  @Test(arguments: ["", "x\n/d", "-5\n/d", "1\n/d", "0\n/d", "77"])
  func `a damaged file is no server`(_ text: String) {
    #expect(PostmasterFile(text) == nil)
  }

  @Test func `settings are quoted, and ours give way to given ones`() {
    let text = ClusterSettings(further: ["work_mem": "it's"]).text(
      socketDirectory: "/a b/o'c", logDirectory: "/l")
    #expect(text.contains("work_mem = 'it''s'\n"))
    #expect(text.contains("unix_socket_directories = '\"/a b/o''c\"'\n"))
    #expect(text.contains("fsync = 'on'\n"))
    #expect(text.contains("synchronous_commit = 'on'\n"))
  }
}
