import Glibc

/// Owns an open file; `close` runs exactly once, when the owner goes away.
package struct FileDescriptor: ~Copyable {
  package let number: Int32

  package init(owning number: Int32) {
    self.number = number
  }

  deinit { close(number) }

  /// Opens a file that is not passed on to child processes.
  ///
  /// The flags are those of `open(2)`, to which `O_CLOEXEC` is added; the mode is for a file that is made.
  package static func open(
    _ path: String, _ flags: Int32, mode: UInt32 = 0
  ) throws(SystemError) -> FileDescriptor {
    var number: Int32
    repeat {
      number = unsafe path.withCString { unsafe Glibc.open($0, flags | O_CLOEXEC, mode) }
    } while number < 0 && errno == EINTR
    guard number >= 0 else { throw .last("open", path) }
    return FileDescriptor(owning: number)
  }
}
