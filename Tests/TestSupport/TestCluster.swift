import Glibc
import Linux
import Logging
import NIOPosix
package import PrivatePostgres
package import Reactor
import Synchronization

/// The PostgreSQL of this test process: made when it is first needed, ended and removed when the
/// process ends.
package actor TestCluster {
  package static let shared = TestCluster()

  /// The loops and the reactor that databases of tests use, one pair for the process.
  package static let reactor: Reactor = {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
    do throws(ReactorError) {
      return try Reactor(loops: Array(group.makeIterator()))
    } catch {
      preconditionFailure("no reactor for tests: \(error)")
    }
  }()

  private var starting: Task<PrivateCluster, any Error>?

  /// The running cluster.
  ///
  /// Several processes never share one, so that none of them ends another's.
  package func cluster() async throws -> PrivateCluster {
    if let starting { return try await starting.value }
    // A task, so that many tests that ask at once wait for one start, and none of them can cancel
    // it.
    let task = Task {
      let directory = try temporaryDirectory("cluster")
      let settings = ClusterSettings(
        further: [
          "max_connections": "200", "shared_buffers": "32MB", "max_wal_size": "256MB",
          "autovacuum_naptime": "60s",
        ], isThrowaway: true)
      let cluster = PrivateCluster(
        directory: directory + "/postgres", settings: settings, logger: .quiet)
      try await cluster.start()
      return cluster
    }
    starting = task
    return try await task.value
  }
}

/// A directory of this process under `/tmp/latchkey-tests`, removed when the process ends.
///
/// The names carry the process's number, so that what a killed process left behind is found and
/// removed by the next.
package func temporaryDirectory(_ purpose: String) throws -> String {
  ProcessLeftovers.removeOld()
  let number = ProcessLeftovers.counter.wrappingAdd(1, ordering: .relaxed).oldValue
  let path = "\(ProcessLeftovers.root)/\(getpid())-\(number)-\(purpose)"
  _ = try Directory.make(ProcessLeftovers.root, mode: 0o711).get()
  _ = try Directory.make(path, mode: 0o711).get()
  ProcessLeftovers.remember(directory: path)
  return path
}

/// What test processes leave behind, and who removes it.
enum ProcessLeftovers {
  static let root = "/tmp/latchkey-tests-\(geteuid())"
  static let counter = Atomic<Int>(0)
  private static let directories = Mutex<[String]>([])
  private static let once = Mutex<Bool>(false)

  static func remember(directory: String) {
    directories.withLock { $0.append(directory) }
  }

  /// Registers the clean-up of this process and cleans up after those that were killed.
  static func removeOld() {
    let isFirst = once.withLock { once in
      defer { once = true }
      return !once
    }
    guard isFirst else { return }
    atexit { ProcessLeftovers.removeOwn() }
    for name in (try? Directory.names(in: root)) ?? [] {
      guard let process = name.split(separator: "-").first.flatMap({ Int32($0) }),
        kill(process, 0) != 0, errno == ESRCH
      else { continue }
      remove("\(root)/\(name)")
    }
  }

  /// No task can run any more while the process exits, so this ends servers by signal.
  private static func removeOwn() {
    for path in directories.withLock({ $0 }) { remove(path) }
  }

  /// Ends a server that works in the directory, at once and without recovery, and removes the
  /// directory.
  private static func remove(_ path: String) {
    let data = "\(path)/postgres/data"
    for _ in 0..<200 {
      let servers = ServerProcesses.inside(data)
      guard !servers.isEmpty else { break }
      for server in servers { kill(server, SIGKILL) }
      usleep(10_000)
    }
    removeTree(path)
  }

  /// Removes files and directories; links are not followed.
  private static func removeTree(_ path: String) {
    guard let facts = Directory.facts(path) else { return }
    if facts.isDirectory {
      for name in (try? Directory.names(in: path)) ?? [] { removeTree(path + "/" + name) }
      rmdir(path)
    } else {
      unlink(path)
    }
  }
}

extension PrivateCluster.ProcessSignal {
  func send(to process: Int32) {
    switch self {
    case .suspend: Glibc.kill(process, SIGSTOP)
    case .resume: Glibc.kill(process, SIGCONT)
    case .kill: Glibc.kill(process, SIGKILL)
    }
  }
}
