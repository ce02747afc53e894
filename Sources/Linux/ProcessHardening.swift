import CLinux
import Glibc

/// Limits that the process puts on itself before it holds a secret.
package enum ProcessHardening {
  /// Forbids core dumps and ptrace, raises the descriptor limit, ignores SIGPIPE.
  ///
  /// Called once, first thing in `main` and for every command; a step that fails is left undone and
  /// shows in ``state()``.
  package static func apply() {
    forbidCoreDumps()
    raiseDescriptorLimit()
    ignoreBrokenPipes()
  }

  /// A trap or a kill must not leave memory, which holds tokens, in a file or with another process.
  package static func forbidCoreDumps() {
    var none = rlimit(rlim_cur: 0, rlim_max: 0)
    unsafe setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
    _ = clinux_forbid_dumps()
  }

  /// One descriptor per connection: the soft limit of 1024 of most systems is far too low.
  package static func raiseDescriptorLimit() {
    var limits = rlimit()
    let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    guard unsafe getrlimit(resource, &limits) == 0, limits.rlim_cur < limits.rlim_max else {
      return
    }
    limits.rlim_cur = limits.rlim_max
    unsafe setrlimit(resource, &limits)
  }

  /// A peer, or the reader of our output, that goes away is an error of that write, not our end.
  package static func ignoreBrokenPipes() {
    _ = signal(SIGPIPE, SIG_IGN)
  }

  /// What the kernel says about this process.
  package struct State: Equatable, Sendable {
    /// Whether a crash could write memory to disk or another process could attach.
    package let coreDumpsPossible: Bool
    /// Descriptors that the process may hold now.
    package let descriptors: UInt64
    /// Descriptors that it could allow itself.
    package let descriptorsAllowed: UInt64
  }

  /// Reads the limits as they are.
  package static func state() -> State {
    var core = rlimit()
    unsafe getrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &core)
    var files = rlimit()
    unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files)
    return State(
      coreDumpsPossible: core.rlim_cur != 0 || clinux_dumpable() != 0,
      descriptors: UInt64(files.rlim_cur), descriptorsAllowed: UInt64(files.rlim_max))
  }
}
