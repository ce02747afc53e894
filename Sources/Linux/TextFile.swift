import Glibc

/// Small text files that are read or replaced as a whole.
package enum TextFile {
  /// The file's text; `nil` when it is not there or cannot be read.
  package static func read(_ path: String) -> String? {
    let number = unsafe path.withCString { unsafe open($0, O_RDONLY | O_CLOEXEC) }
    guard number >= 0 else { return nil }
    defer { close(number) }
    var text: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16384)
    while true {
      let count = unsafe chunk.withUnsafeMutableBytes {
        unsafe Glibc.read(number, $0.baseAddress, $0.count)
      }
      if count < 0 && errno == EINTR { continue }
      if count <= 0 { return count == 0 ? String(decoding: text, as: UTF8.self) : nil }
      text.append(contentsOf: chunk[..<count])
    }
  }

  /// Replaces the file in one step, so that a reader sees the old text or the new one; it belongs to the given user.
  package static func replace(
    _ path: String, with text: String, owner: UserAccount?
  ) throws(SystemError) {
    let draft = path + ".new"
    let number = unsafe draft.withCString {
      unsafe open($0, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
    }
    guard number >= 0 else { throw .last("open", draft) }
    defer { close(number) }
    let bytes = Array(text.utf8)
    let count = unsafe bytes.withUnsafeBytes { unsafe write(number, $0.baseAddress, $0.count) }
    guard count == bytes.count else { throw .last("write", draft) }
    guard fsync(number) == 0 else { throw .last("fsync", draft) }
    if let owner, fchown(number, owner.userID, owner.groupID) != 0 { throw .last("chown", draft) }
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
}
