import Glibc

/// Files that survive a crash of the machine once the call returned: the spool's records.
package enum DurableFile {
  /// Why the disk did not do it.
  package struct Failure: Error, Equatable, CustomStringConvertible {
    /// The system call that failed.
    package let call: String
    /// The error number as in `errno.h`, for example `ENOSPC` or `EIO`.
    package let code: Int32

    static func last(_ call: String) -> Failure { Failure(call: call, code: errno) }

    /// Whether there was no file of that name.
    package var isMissing: Bool { code == ENOENT }

    package var description: String {
      let reason = unsafe strerror(code).map { unsafe String(cString: $0) } ?? "error \(code)"
      return "\(call): \(reason)"
    }
  }

  /// Makes the directory for its owner only; one that is there is closed to others.
  package static func makeDirectory(_ path: String) throws(Failure) {
    guard unsafe mkdir(path, 0o700) == 0 || errno == EEXIST else { throw .last("mkdir") }
    guard unsafe chmod(path, 0o700) == 0 else { throw .last("chmod") }
  }

  /// Writes a new file, complete and durable under its name, or not at all.
  ///
  /// The bytes go to `<name>.partial` first. One failed `fsync` condemns the file: the kernel may have dropped the
  /// pages and say so only once.
  package static func create(
    _ name: String, in directory: String, _ content: [UInt8]
  ) throws(Failure) {
    let path = directory + "/" + name
    let draft = path + ".partial"
    var isNamed = false
    do throws(Failure) {
      let file = try OpenFile(draft, O_WRONLY | O_CREAT | O_EXCL)
      try file.write(content)
      try file.sync()
      guard unsafe Glibc.rename(draft, path) == 0 else { throw .last("rename") }
      isNamed = true
      try syncDirectory(directory)
    } catch {
      unsafe unlink(isNamed ? path : draft)
      throw error
    }
  }

  /// The whole content; `EFBIG` when it is longer than the limit.
  package static func read(_ path: String, atMost limit: Int) throws(Failure) -> [UInt8] {
    let file = try OpenFile(path, O_RDONLY)
    var content: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16384)
    while true {
      let count = unsafe chunk.withUnsafeMutableBytes { buffer in
        unsafe Glibc.read(file.number, buffer.baseAddress, buffer.count)
      }
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw .last("read") }
      if count == 0 { return content }
      guard content.count + count <= limit else { throw Failure(call: "read", code: EFBIG) }
      content.append(contentsOf: chunk[..<count])
    }
  }

  /// Removes the file durably; one that is not there is no error.
  package static func remove(_ name: String, in directory: String) throws(Failure) {
    guard unsafe unlink(directory + "/" + name) == 0 || errno == ENOENT else {
      throw .last("unlink")
    }
    try syncDirectory(directory)
  }

  /// Moves the file into another directory of the same file system, durably.
  package static func move(
    _ name: String, from directory: String, to other: String
  ) throws(Failure) {
    guard unsafe Glibc.rename(directory + "/" + name, other + "/" + name) == 0 else {
      throw .last("rename")
    }
    try syncDirectory(other)
    try syncDirectory(directory)
  }

  /// Gives the file another name in the same directory, durably.
  package static func rename(
    _ name: String, to other: String, in directory: String
  ) throws(Failure) {
    guard unsafe Glibc.rename(directory + "/" + name, directory + "/" + other) == 0 else {
      throw .last("rename")
    }
    try syncDirectory(directory)
  }

  /// The names in a directory, in byte order, without `.` and `..`.
  package static func names(in directory: String) throws(Failure) -> [String] {
    guard let stream = unsafe opendir(directory) else { throw .last("opendir") }
    defer { unsafe closedir(stream) }
    var names: [String] = []
    while let entry = unsafe readdir(stream) {
      let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  private static func syncDirectory(_ path: String) throws(Failure) {
    try OpenFile(path, O_RDONLY | O_DIRECTORY).sync()
  }
}

/// Owns an open file; `close` runs exactly once.
private struct OpenFile: ~Copyable {
  let number: Int32

  init(_ path: String, _ flags: Int32) throws(DurableFile.Failure) {
    var number: Int32
    repeat {
      number = unsafe path.withCString { unsafe open($0, flags | O_CLOEXEC, 0o600) }
    } while number < 0 && errno == EINTR
    guard number >= 0 else { throw .last("open") }
    self.number = number
  }

  deinit { close(number) }

  func write(_ content: [UInt8]) throws(DurableFile.Failure) {
    var written = 0
    while written < content.count {
      let count = unsafe content.withUnsafeBytes { buffer in
        unsafe Glibc.write(
          number, buffer.baseAddress?.advanced(by: written), buffer.count - written)
      }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw .last("write") }
      written += count
    }
  }

  func sync() throws(DurableFile.Failure) {
    guard fsync(number) == 0 else { throw .last("fsync") }
  }
}
