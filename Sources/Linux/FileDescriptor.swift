import Glibc

/// Owns an open file; `close` runs exactly once, when the owner goes away.
package struct FileDescriptor: ~Copyable {
  package let number: Int32
  /// Named by errors.
  private let path: String

  private init(owning number: Int32, of path: String) {
    self.number = number
    self.path = path
  }

  deinit { close(number) }

  /// Opens a file that is not passed on to child processes.
  ///
  /// The flags are those of `open(2)`, to which `O_CLOEXEC` is added; the mode is for a file that
  /// is made.
  package static func open(
    _ path: String, _ flags: Int32, mode: UInt32 = 0
  ) throws(SystemError) -> FileDescriptor {
    var number: Int32
    repeat {
      number = unsafe path.withCString { unsafe Glibc.open($0, flags | O_CLOEXEC, mode) }
    } while number < 0 && errno == EINTR
    guard number >= 0 else { throw .last("open", path) }
    return FileDescriptor(owning: number, of: path)
  }

  /// Everything from here to the end.
  ///
  /// - Throws: ``SystemError``; more than the limit is `EFBIG`, a directory `EISDIR`.
  func read(atMost limit: Int) throws(SystemError) -> [UInt8] {
    try FileDescriptor.read(number, path, atMost: limit)
  }

  /// Writes all of it.
  func write(_ content: [UInt8]) throws(SystemError) {
    var written = 0
    while written < content.count {
      let count = unsafe content.withUnsafeBytes { buffer in
        unsafe Glibc.write(
          number, buffer.baseAddress?.advanced(by: written), buffer.count - written)
      }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw .last("write", path) }
      written += count
    }
  }

  /// Returns when the disk has what was written.
  func sync() throws(SystemError) {
    guard fsync(number) == 0 else { throw .last("fsync", path) }
  }

  /// Makes the names in a directory durable.
  static func syncDirectory(_ path: String) throws(SystemError) {
    try open(path, O_RDONLY | O_DIRECTORY).sync()
  }

  /// Reads a descriptor that stays its owner's to the end.
  static func read(
    _ number: Int32, _ path: String, atMost limit: Int
  ) throws(SystemError) -> [UInt8] {
    var content: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16384)
    while true {
      let count = unsafe chunk.withUnsafeMutableBytes { buffer in
        unsafe Glibc.read(number, buffer.baseAddress, buffer.count)
      }
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw .last("read", path) }
      if count == 0 { return content }
      guard content.count + count <= limit else {
        throw SystemError(call: "read", path: path, code: EFBIG)
      }
      content.append(contentsOf: chunk[..<count])
    }
  }
}
