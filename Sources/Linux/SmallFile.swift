import Glibc

/// Files that are read or written as a whole: keys, certificates, settings, notes of other
/// programs.
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
    try FileDescriptor.open(path, O_RDONLY).read(atMost: limit)
  }

  /// The whole content together with who may read it, both of the same open file.
  package static func readOwned(
    _ path: String, atMost limit: Int = 1 << 20
  ) throws(SystemError) -> (content: [UInt8], ownership: Ownership) {
    let file = try FileDescriptor.open(path, O_RDONLY)
    var facts = stat()
    guard unsafe fstat(file.number, &facts) == 0 else { throw .last("fstat", path) }
    let ownership = Ownership(userID: facts.st_uid, mode: facts.st_mode & 0o7777)
    return (try file.read(atMost: limit), ownership)
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
      try file.write(content)
      try file.sync()
    } catch {
      unsafe unlink(draft)
      throw error
    }
    let made = unsafe link(draft, path) == 0
    let failure = SystemError.last("link", path)
    unsafe unlink(draft)
    guard made || failure.code == EEXIST else { throw failure }
    if made { try FileDescriptor.syncDirectory(parent(of: path) ?? ".") }
    return made
  }

  /// The file's text; `nil` when it is not there or cannot be read.
  package static func text(_ path: String) -> String? {
    // Callers ask whether there is such a text; why there is none does not matter to them.
    guard let bytes = try? read(path, atMost: .max) else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Replaces the file in one step, so that a reader sees the old text or the new one; it belongs
  /// to the given user.
  package static func replace(
    _ path: String, with text: String, owner: UserAccount?
  ) throws(SystemError) {
    let draft = path + ".new"
    let file = try FileDescriptor.open(
      draft, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: 0o600)
    try file.write(Array(text.utf8))
    try file.sync()
    if let owner, fchown(file.number, owner.userID, owner.groupID) != 0 {
      throw .last("chown", draft)
    }
    try rename(draft, to: path)
  }

  /// Gives a file or directory another name on the same disk.
  package static func rename(_ path: String, to name: String) throws(SystemError) {
    guard unsafe Glibc.rename(path, name) == 0 else { throw .last("rename", path) }
  }

  /// Removes a file; one that is not there is no error.
  package static func remove(_ path: String) throws(SystemError) {
    guard unsafe unlink(path) == 0 || errno == ENOENT else { throw .last("unlink", path) }
  }

  private static func parent(of path: String) -> String? {
    guard let slash = path.lastIndex(of: "/") else { return nil }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}
