import Glibc

/// Files that are read or written as a whole: keys, certificates, settings.
package enum SmallFile {
  /// Who may do what with a file, as far as secrets are concerned.
  package struct Ownership: Equatable, Sendable {
    package let userID: UInt32
    /// The permission bits.
    package let mode: UInt32

    /// Whether group or others have any right to the file.
    package var isOpenToOthers: Bool { mode & 0o077 != 0 }
  }

  /// The whole content.
  ///
  /// - Throws: ``SystemError``; a file over the limit is `EFBIG`, a directory `EISDIR`.
  package static func read(
    _ path: String, atMost limit: Int = 1 << 20
  ) throws(SystemError) -> [UInt8] {
    let file = try FileDescriptor.open(path, O_RDONLY)
    return try read(file.number, path, limit)
  }

  /// The whole content together with who may read it, both of the same open file.
  package static func readOwned(
    _ path: String, atMost limit: Int = 1 << 20
  ) throws(SystemError) -> (content: [UInt8], ownership: Ownership) {
    let file = try FileDescriptor.open(path, O_RDONLY)
    var facts = stat()
    guard unsafe fstat(file.number, &facts) == 0 else { throw .last("fstat", path) }
    let ownership = Ownership(userID: facts.st_uid, mode: facts.st_mode & 0o7777)
    return (try read(file.number, path, limit), ownership)
  }

  /// Makes a file that only its owner can read, complete and durable, unless the name is taken.
  ///
  /// - Returns: `false` when a file of that name was there; it is untouched.
  package static func createPrivate(
    _ path: String, _ content: [UInt8], random: () -> UInt64 = { UInt64.random(in: 0 ... .max) }
  ) throws(SystemError) -> Bool {
    let draft = path + "." + String(random(), radix: 36)
    do throws(SystemError) {
      let file = try FileDescriptor.open(draft, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
      try write(content, to: file.number, draft)
      guard fsync(file.number) == 0 else { throw .last("fsync", draft) }
    } catch {
      unsafe unlink(draft)
      throw error
    }
    let made = unsafe link(draft, path) == 0
    let failure = SystemError.last("link", path)
    unsafe unlink(draft)
    guard made || failure.code == EEXIST else { throw failure }
    if made { try syncDirectory(of: path) }
    return made
  }

  /// Makes the entry of a new file durable.
  static func syncDirectory(of path: String) throws(SystemError) {
    let directory = parent(of: path) ?? "."
    let file = try FileDescriptor.open(directory, O_RDONLY | O_DIRECTORY)
    guard fsync(file.number) == 0 else { throw .last("fsync", directory) }
  }

  private static func parent(of path: String) -> String? {
    guard let slash = path.lastIndex(of: "/") else { return nil }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  static func read(_ number: Int32, _ path: String, _ limit: Int) throws(SystemError)
    -> [UInt8]
  {
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

  private static func write(_ content: [UInt8], to number: Int32, _ path: String)
    throws(SystemError)
  {
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
}
