#if DEBUG
  import Glibc
  import Synchronization
#endif

/// Named places at which a debug build can be told to die, so that a test can look at what a crash
/// there leaves.
///
/// `LATCHKEY_FAILPOINT=install.after_exchange:2` ends the process with SIGKILL when that place is
/// reached for the second time. A release build has no such places: the call compiles to nothing.
package enum FailPoint {
  /// Ends the process when the environment says so; else does nothing.
  @inlinable
  package static func reach(_ name: StaticString) {
    #if DEBUG
      armed?.reach(name.description)
    #endif
  }

  #if DEBUG
    /// The environment variable that arms one.
    package static let variable = "LATCHKEY_FAILPOINT"

    @usableFromInline static let armed = ArmedFailPoint.fromEnvironment()
  #endif
}

#if DEBUG
  /// The one place of this process that kills, and how often it is still passed unharmed.
  @usableFromInline
  package final class ArmedFailPoint: Sendable {
    private let name: String
    private let passes: Mutex<Int>

    /// Reads `name:count`; the count is 1 when missing.
    package init?(_ text: String) {
      let parts = text.split(separator: ":", omittingEmptySubsequences: false)
      guard let name = parts.first, !name.isEmpty, parts.count <= 2 else { return nil }
      let count = parts.count == 2 ? Int(parts[1]) : 1
      guard let count, count > 0 else { return nil }
      self.name = String(name)
      passes = Mutex(count)
    }

    static func fromEnvironment() -> ArmedFailPoint? {
      guard let value = unsafe getenv(FailPoint.variable) else { return nil }
      return ArmedFailPoint(unsafe String(cString: value))
    }

    /// Whether this call is the one that kills.
    package func isDue(at name: String) -> Bool {
      guard name == self.name else { return false }
      return passes.withLock { left in
        left -= 1
        return left == 0
      }
    }

    @usableFromInline
    func reach(_ name: String) {
      if isDue(at: name) { kill(getpid(), SIGKILL) }
    }
  }
#endif
