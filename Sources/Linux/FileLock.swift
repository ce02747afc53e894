import Glibc

/// A lock on a file that the system gives back when its holder ends, however it ends.
package struct FileLock: ~Copyable {
  private let number: Int32

  /// How many may hold the lock at once.
  package enum Kind: Sendable {
    case shared
    case exclusive

    fileprivate var operation: Int32 { self == .shared ? LOCK_SH : LOCK_EX }
  }

  /// Opens the file, making it when it is not there, and holds no lock yet.
  package init(_ path: String) throws(SystemError) {
    number = unsafe path.withCString { unsafe open($0, O_RDWR | O_CREAT | O_CLOEXEC, 0o600) }
    guard number >= 0 else { throw .last("open", path) }
  }

  deinit { close(number) }

  /// Takes the lock, or changes what is held to this kind, unless another's lock is in the way.
  package func tryLock(_ kind: Kind) -> Bool {
    flock(number, kind.operation | LOCK_NB) == 0
  }

  /// Gives the lock back.
  package func unlock() {
    flock(number, LOCK_UN)
  }
}
