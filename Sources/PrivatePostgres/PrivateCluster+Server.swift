import Linux
import Logging

/// Starting, adopting and ending the server process.
extension PrivateCluster {
  /// Adopts the running server or starts one.
  func run(_ programs: ServerPrograms, _ user: ServerUser) async throws(PrivatePostgresError) {
    let end = ContinuousClock.now + .seconds(60)
    if let process = serverProcess { return try await waitUntilReady(process, end) }
    // After a crash of the server its children take a moment to end; nothing can start before that.
    while !ServerProcesses.inside(paths.data).isEmpty {
      guard ContinuousClock.now < end, await pause() else {
        throw .startFailed("processes of an earlier server do not end")
      }
    }
    try removeStaleLocks()
    let started = try await user.run(
      programs.path("pg_ctl"), ["start", "-w", "-t", "60", "-D", paths.data, "-l", paths.startLog])
    guard started.succeeded else {
      throw .startFailed((SmallFile.text(paths.startLog) ?? started.output).lastLines)
    }
  }

  /// Ends the server and waits for that; a server that does not run is no error.
  func end(_ mode: StopMode) async throws(PrivatePostgresError) {
    guard serverProcess != nil else { return }
    let user = try ServerUser.forThisProcess()
    let places = ServerPrograms.installed(path: searchPath)
    let version = SmallFile.text(paths.data + "/PG_VERSION")?.split(separator: "\n").first
    let programs = try ServerPrograms.find(for: version.map(String.init), in: places)
    let ended = try await user.run(
      programs.path("pg_ctl"), ["stop", "-w", "-t", "60", "-m", mode.rawValue, "-D", paths.data])
    guard ended.succeeded || serverProcess == nil else { throw .stopFailed(ended.output.lastLines) }
  }

  /// A server that was started by a process that died may still be starting.
  private func waitUntilReady(
    _ process: Int32, _ end: ContinuousClock.Instant
  ) async throws(PrivatePostgresError) {
    while ServerProcesses.isServer(process, paths.data) {
      if let text = SmallFile.text(paths.postmasterFile), PostmasterFile(text)?.isReady == true {
        logger.debug("The private PostgreSQL runs already", metadata: ["process": "\(process)"])
        return
      }
      guard ContinuousClock.now < end, await pause() else { break }
    }
    throw .startFailed((SmallFile.text(paths.startLog) ?? "it ended while starting").lastLines)
  }

  /// PostgreSQL refuses to start when a process number in an old lock file is in use: by another
  /// program by now, or by a dead server that its parent has not reaped, as in containers without
  /// an init.
  ///
  /// The files also guard shared memory; they go only because no server process of this directory
  /// is left, by the kernel's word, and because nobody else can start one while it is our turn.
  private func removeStaleLocks() throws(PrivatePostgresError) {
    guard SmallFile.text(paths.postmasterFile) != nil else { return }
    logger.info("The private PostgreSQL was not shut down cleanly and recovers")
    try system { () throws(SystemError) in
      try SmallFile.remove(paths.socket + "/.s.PGSQL.5432.lock")
      try SmallFile.remove(paths.postmasterFile)
    }
  }

  /// Makes the directories, gives them to the server's user, and checks that this user gets there.
  func prepareDirectories(_ user: ServerUser) async throws(PrivatePostgresError) {
    for path in [paths.root, paths.logs, paths.socket] {
      _ = try system { () throws(SystemError) in try Directory.make(path, mode: 0o700).get() }
      try claim(path, user)
    }
    guard let account = user.account else { return }
    let above = String(paths.root[..<(paths.root.lastIndex(of: "/") ?? paths.root.startIndex)])
    if let facts = Directory.facts(above), facts.userID == 0, facts.mode & 0o001 == 0 {
      logger.info(
        "Other users may now pass through the data directory, because PostgreSQL does not run as root",
        metadata: ["directory": "\(above)"])
      try system { () throws(SystemError) in try Directory.setMode(above, facts.mode | 0o001) }
    }
    let reached = try await user.run("/usr/bin/test", ["-w", paths.root])
    guard reached.succeeded else {
      throw .unreachable(directory: obstacle(), user: account.name)
    }
  }

  /// The directory must be the server's user's; what root made is handed over.
  private func claim(_ path: String, _ user: ServerUser) throws(PrivatePostgresError) {
    guard let facts = Directory.facts(path), facts.isDirectory else {
      throw .notOurs(directory: path)
    }
    if facts.userID != user.userID {
      guard let account = user.account, facts.userID == 0 else { throw .notOurs(directory: path) }
      try system { () throws(SystemError) in
        try Directory.give(path, userID: account.userID, groupID: account.groupID)
      }
    }
    if facts.mode != 0o700 {
      try system { () throws(SystemError) in try Directory.setMode(path, 0o700) }
    }
  }

  /// The first directory on the way that others may not pass through.
  private func obstacle() -> String {
    var path = ""
    for part in paths.root.split(separator: "/") {
      path += "/" + part
      if let facts = Directory.facts(path), facts.mode & 0o001 == 0 { return path }
    }
    return paths.root
  }
}
