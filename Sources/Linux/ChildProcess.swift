import CLinux
import Glibc
import Synchronization

/// A program that runs to its end while we wait, with its output kept.
package struct ChildProcess: Sendable {
  /// Absolute path of the program.
  package let program: String
  /// Without the program's own name.
  package let arguments: [String]
  /// The child's whole environment.
  package let environment: [String: String]
  /// Absolute path of the child's working directory.
  package let directory: String

  package init(
    _ program: String, _ arguments: [String], environment: [String: String], directory: String = "/"
  ) {
    self.program = program
    self.arguments = arguments
    self.environment = environment
    self.directory = directory
  }

  /// How the program ended, and what it wrote.
  package struct Outcome: Equatable, Sendable {
    /// The exit code; `nil` when a signal ended it.
    package let exitCode: Int32?
    /// Standard output and standard error in the order of their writing, at most 1 MiB.
    package let output: String

    /// Whether the program says that all went well.
    package var succeeded: Bool { exitCode == 0 }
  }

  /// Why there is no outcome.
  package enum Failure: Error, Equatable {
    /// It could not be started, with the system's error number.
    case notStarted(code: Int32)
    /// It took longer than allowed, or the task was cancelled, and was killed.
    case killed
  }

  /// Runs the program on a thread that waits for it; children that outlive the program are not
  /// waited for.
  ///
  /// The program reads `input` from its standard input. Cancellation of the task kills it.
  package func run(
    input: [UInt8] = [], timeLimit: Duration
  ) async throws(Failure) -> Outcome {
    let cancelled = Cancellation()
    let result = await withTaskCancellationHandler {
      await withCheckedContinuation {
        (done: CheckedContinuation<Result<Outcome, Failure>, Never>) in
        let started = DetachedThread.start {
          done.resume(
            returning: Result { () throws(Failure) in
              try runBlocking(input: input, timeLimit: timeLimit, cancelled: cancelled)
            })
        }
        if !started { done.resume(returning: .failure(.notStarted(code: EAGAIN))) }
      }
    } onCancel: {
      cancelled.cancel()
    }
    return try result.get()
  }

  /// The process to kill on cancellation; forgotten before its number can be another's.
  private final class Cancellation: Sendable {
    private let state = Mutex<(process: pid_t?, isCancelled: Bool)>((nil, false))

    func cancel() {
      state.withLock { state in
        state.isCancelled = true
        if let process = state.process { kill(process, SIGKILL) }
      }
    }

    func watch(_ process: pid_t) {
      state.withLock { state in
        state.process = process
        if state.isCancelled { kill(process, SIGKILL) }
      }
    }

    /// Ends the watch before the process is reaped.
    func forget() -> Bool {
      state.withLock { state in
        state.process = nil
        return state.isCancelled
      }
    }
  }

  private func runBlocking(
    input: [UInt8], timeLimit: Duration, cancelled: Cancellation
  ) throws(Failure) -> Outcome {
    let standardInput = try MemoryFile(input)
    let standardOutput = try MemoryFile([])
    let process = try spawn(input: standardInput.number, output: standardOutput.number)
    cancelled.watch(process)
    let inTime = Self.wait(for: process, timeLimit)
    if !inTime { kill(process, SIGKILL) }
    var information = unsafe siginfo_t()
    while unsafe waitid(P_PID, id_t(process), &information, WEXITED | WNOWAIT) != 0, errno == EINTR
    {}
    let wasCancelled = cancelled.forget()
    var status: Int32 = 0
    while unsafe waitpid(process, &status, 0) < 0, errno == EINTR {}
    guard inTime, !wasCancelled else { throw .killed }
    let exited = status & 0x7f == 0
    return Outcome(
      exitCode: exited ? (status >> 8) & 0xff : nil, output: standardOutput.content())
  }

  /// - Returns: whether the process ended within the limit; it is not reaped yet.
  private static func wait(for process: pid_t, _ limit: Duration) -> Bool {
    let descriptor = clinux_pidfd_open(process)
    guard descriptor >= 0 else { return true }
    defer { close(descriptor) }
    let end = ContinuousClock.now + limit
    var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    while true {
      let left = max(.zero, end - .now)
      let milliseconds =
        left.components.seconds * 1000 + left.components.attoseconds / 1_000_000_000_000_000
      let count = unsafe poll(&wanted, 1, Int32(clamping: milliseconds + 1))
      if count > 0 { return true }
      if count == 0 { return false }
      guard errno == EINTR else { return true }
    }
  }

  /// Starts the program in a process group of its own, with default signals and no descriptor but
  /// three.
  private func spawn(input: Int32, output: Int32) throws(Failure) -> pid_t {
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO)
    unsafe posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
    unsafe posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO)
    unsafe clinux_spawn_close_others(&actions)
    unsafe clinux_spawn_directory(&actions, directory)
    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    var all = sigset_t()
    unsafe sigfillset(&all)
    var none = sigset_t()
    unsafe sigemptyset(&none)
    unsafe posix_spawnattr_setsigdefault(&attributes, &all)
    unsafe posix_spawnattr_setsigmask(&attributes, &none)
    let flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP
    unsafe posix_spawnattr_setflags(&attributes, Int16(flags))
    var process = pid_t()
    let code = unsafe withCStrings([program] + arguments) { argumentList in
      unsafe withCStrings(environment.map { "\($0)=\($1)" }) { environmentList in
        unsafe posix_spawn(&process, program, &actions, &attributes, argumentList, environmentList)
      }
    }
    guard code == 0 else { throw .notStarted(code: code) }
    return process
  }
}

/// A file that is nowhere on disk: unlike a pipe, nobody must read it, and no grandchild keeps it
/// open for us.
private struct MemoryFile: ~Copyable {
  let number: Int32

  init(_ content: [UInt8]) throws(ChildProcess.Failure) {
    number = clinux_memory_file()
    guard number >= 0 else { throw .notStarted(code: errno) }
    let count = unsafe content.withUnsafeBytes { bytes in
      unsafe pwrite(number, bytes.baseAddress, bytes.count, 0)
    }
    guard count == content.count else { throw .notStarted(code: errno) }
  }

  deinit { close(number) }

  func content() -> String {
    var bytes = [UInt8](repeating: 0, count: 1 << 20)
    let count = unsafe bytes.withUnsafeMutableBytes { buffer in
      unsafe pread(number, buffer.baseAddress, buffer.count, 0)
    }
    return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
  }
}

/// Lends the strings as a null-terminated array of C strings.
private func withCStrings<R>(
  _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> R
) -> R {
  var pointers = unsafe strings.map { unsafe strdup($0) }
  unsafe pointers.append(nil)
  defer { unsafe pointers.forEach { unsafe free($0) } }
  return unsafe pointers.withUnsafeBufferPointer { buffer in
    guard let base = buffer.baseAddress else { preconditionFailure("never empty: ends with nil") }
    return unsafe body(base)
  }
}
