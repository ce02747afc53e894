import Linux
package import Logging

/// A PostgreSQL cluster of our own, reachable through a socket in a directory that only we can
/// enter.
///
/// Several processes may use one cluster at once; the last one that calls ``stop(_:)`` ends it.
/// When a user is killed, the server goes on, and the next ``start()`` adopts it.
package actor PrivateCluster {
  let paths: ClusterPaths
  private let settings: ClusterSettings
  let searchPath: String
  let logger: Logger
  /// Held while this process uses the cluster.
  private var use: FileLock?

  /// Ways to end a server, as `pg_ctl stop -m` has them.
  package enum StopMode: String, Sendable {
    /// Sessions are ended, the data is written.
    case fast
    /// As a crash: the next start recovers.
    case immediate
  }

  /// A cluster that is not touched yet.
  ///
  /// The directory is made when it is missing. As root, the one above it must be Latchkey's own,
  /// because other users get the right to pass through it. `searchPath` is like `PATH`: where the
  /// programs may be besides `/usr/lib/postgresql`.
  package init(
    directory: String, settings: ClusterSettings = ClusterSettings(),
    searchPath: String = "/usr/local/bin:/usr/bin:/bin:/usr/local/pgsql/bin", logger: Logger
  ) {
    paths = ClusterPaths(directory)
    self.settings = settings
    self.searchPath = searchPath
    self.logger = logger
  }

  /// Makes the cluster if there is none, starts its server if it does not run, and waits until it
  /// accepts connections.
  ///
  /// - Returns: libpq keywords for the database `latchkey` as its owner, who is no superuser.
  @discardableResult
  package func start() async throws(PrivatePostgresError) -> String {
    let places = ServerPrograms.installed(path: searchPath)
    guard !places.isEmpty else { throw .notInstalled }
    let user = try ServerUser.forThisProcess()
    try await prepareDirectories(user)
    let turn = try await takeTurn()
    defer { turn.unlock() }
    try takeUse()
    do throws(PrivatePostgresError) {
      let version = SmallFile.text(paths.data + "/PG_VERSION")?.split(separator: "\n").first
      let programs = try ServerPrograms.find(for: version.map(String.init), in: places)
      if version == nil { try await make(programs, user) }
      try writeSettings(user)
      try await run(programs, user)
    } catch {
      use = nil
      throw error
    }
    return connectionString(database: Self.database, user: Self.database)
  }

  /// Ends the server, unless another process uses the cluster too.
  package func stop(_ mode: StopMode = .fast) async throws(PrivatePostgresError) {
    guard use != nil else { return }
    let turn = try await takeTurn()
    defer { turn.unlock() }
    let isLast = use?.tryLock(.exclusive) ?? false
    use = nil
    guard isLast else {
      logger.debug("The private PostgreSQL goes on: another process uses it")
      return
    }
    try await end(mode)
  }

  /// Ends the server whoever uses it, and lets this process's use stand: for tests of what happens
  /// then.
  package func interrupt(_ mode: StopMode) async throws(PrivatePostgresError) {
    let turn = try await takeTurn()
    defer { turn.unlock() }
    try await end(mode)
  }

  /// Libpq keywords for a database of this cluster.
  package nonisolated func connectionString(database: String, user: String) -> String {
    func quoted(_ value: String) -> String {
      "'" + value.replacing("\\", with: "\\\\").replacing("'", with: "\\'") + "'"
    }
    return "host=\(quoted(paths.socket)) port=5432 dbname=\(quoted(database)) user=\(quoted(user))"
  }

  /// Where the server's socket is.
  package nonisolated var socketDirectory: String { paths.socket }

  /// The server's data directory.
  package nonisolated var dataDirectory: String { paths.data }

  /// The process of the running server; `nil` when none runs.
  package nonisolated var serverProcess: Int32? {
    guard let text = SmallFile.text(paths.postmasterFile), let file = PostmasterFile(text),
      ServerProcesses.isServer(file.process, paths.data)
    else { return nil }
    return file.process
  }

  /// The name of the database and of the role that owns it.
  package static let database = "latchkey"
  /// The name of the cluster's superuser.
  package static let superuser = "postgres"

  /// One process at a time makes, starts or stops the cluster.
  private func takeTurn() async throws(PrivatePostgresError) -> FileLock {
    let lock = try system { () throws(SystemError) in try FileLock(paths.starting) }
    let end = ContinuousClock.now + .seconds(90)
    while !lock.tryLock(.exclusive) {
      guard ContinuousClock.now < end, await pause() else { throw .busy(directory: paths.root) }
    }
    return lock
  }

  private func takeUse() throws(PrivatePostgresError) {
    let lock = try system { () throws(SystemError) in try FileLock(paths.users) }
    guard lock.tryLock(.shared) else { throw .busy(directory: paths.root) }
    use = consume lock
  }

  private func writeSettings(_ user: ServerUser) throws(PrivatePostgresError) {
    let text = settings.text(socketDirectory: paths.socket, logDirectory: paths.logs)
    try system { () throws(SystemError) in
      try SmallFile.replace(paths.settings, with: text, owner: user.account)
    }
  }

  /// Makes the cluster under another name first, so that one that is there is complete.
  private func make(
    _ programs: ServerPrograms, _ user: ServerUser
  ) async throws(PrivatePostgresError) {
    logger.info("Making a private PostgreSQL cluster", metadata: ["directory": "\(paths.root)"])
    _ = try await user.run("/bin/rm", ["-rf", paths.draft])
    var arguments = [
      "--pgdata=\(paths.draft)", "--username=\(Self.superuser)", "--encoding=UTF8", "--locale=C",
      "--auth-local=trust", "--auth-host=reject", "--no-instructions", "--data-checksums",
    ]
    if settings.isThrowaway { arguments.append("--no-sync") }
    let made = try await user.run(programs.path("initdb"), arguments)
    guard made.succeeded else { throw .initFailed(made.output.lastLines) }
    let owner = Self.database
    let statements = "CREATE ROLE \(owner) LOGIN;\nCREATE DATABASE \(owner) OWNER \(owner);\n"
    let prepared = try await user.run(
      programs.path("postgres"), ["--single", "-D", paths.draft, "postgres"], input: statements)
    guard prepared.succeeded, !prepared.output.contains("ERROR:") else {
      throw .initFailed(prepared.output.lastLines)
    }
    try system { () throws(SystemError) in
      let main = paths.draft + "/postgresql.conf"
      let standard = SmallFile.text(main) ?? ""
      try SmallFile.replace(
        main, with: standard + "\n# Written by Latchkey at each start.\ninclude 'latchkey.conf'\n",
        owner: user.account)
      try SmallFile.replace(
        paths.draft + "/pg_hba.conf", with: ClusterSettings.hostRules, owner: user.account)
      try SmallFile.rename(paths.draft, to: paths.data)
    }
  }
}

/// Waits a moment between two looks at something that another process does.
///
/// - Returns: `false` when the task was cancelled.
func pause() async -> Bool {
  do {
    try await Task.sleep(for: .milliseconds(25))
    return true
  } catch {
    return false
  }
}

/// Translates what the operating system refused.
func system<R: ~Copyable>(_ body: () throws(SystemError) -> R) throws(PrivatePostgresError) -> R {
  do throws(SystemError) {
    return try body()
  } catch {
    throw .system(error)
  }
}

extension String {
  /// The end of a program's output, enough to see why it failed.
  var lastLines: String {
    split(separator: "\n").suffix(8).joined(separator: "\n")
  }
}
