import Glibc

/// Directories: what they are, whose they are, who may pass through.
package enum Directory {
  /// What the system says about a file or directory.
  package struct Facts: Equatable, Sendable {
    package let isDirectory: Bool
    package let userID: UInt32
    package let groupID: UInt32
    /// The permission bits.
    package let mode: UInt32
  }

  /// - Returns: `nil` when there is nothing of that name, or when it cannot be looked at.
  package static func facts(_ path: String) -> Facts? {
    var found = stat()
    guard unsafe lstat(path, &found) == 0 else { return nil }
    return Facts(
      isDirectory: found.st_mode & S_IFMT == S_IFDIR, userID: found.st_uid, groupID: found.st_gid,
      mode: found.st_mode & 0o7777)
  }

  /// Makes the directory and those above it; one that is there stays as it is.
  ///
  /// - Returns: whether it was made now.
  @discardableResult
  package static func make(_ path: String, mode: UInt32) -> Result<Bool, SystemError> {
    if unsafe mkdir(path, mode) == 0 {
      // The process's umask does not decide about our own directory.
      return unsafe chmod(path, mode) == 0 ? .success(true) : .failure(.last("chmod", path))
    }
    switch errno {
    case EEXIST:
      return .success(false)
    case ENOENT:
      guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
        return .failure(.last("mkdir", path))
      }
      if case .failure(let error) = make(String(path[..<slash]), mode: 0o755) {
        return .failure(error)
      }
      return unsafe mkdir(path, mode) == 0 || errno == EEXIST
        ? .success(true) : .failure(.last("mkdir", path))
    default:
      return .failure(.last("mkdir", path))
    }
  }

  /// Changes who owns it; links are not followed.
  package static func give(_ path: String, userID: UInt32, groupID: UInt32) throws(SystemError) {
    guard unsafe lchown(path, userID, groupID) == 0 else { throw .last("chown", path) }
  }

  /// Changes the permission bits.
  package static func setMode(_ path: String, _ mode: UInt32) throws(SystemError) {
    guard unsafe chmod(path, mode) == 0 else { throw .last("chmod", path) }
  }

  /// The absolute path without links; the last part need not exist yet.
  package static func absolute(_ path: String) -> String {
    if let resolved = unsafe realpath(path, nil) {
      defer { unsafe free(resolved) }
      return unsafe String(cString: resolved)
    }
    let trimmed = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    guard let slash = trimmed.lastIndex(of: "/") else { return absolute(".") + "/" + trimmed }
    let parent = slash == trimmed.startIndex ? "/" : String(trimmed[..<slash])
    let above = parent == "/" ? "" : absolute(parent)
    return above + trimmed[slash...]
  }

  /// How many files and directories there are in it.
  package static func count(in path: String) throws(SystemError) -> Int {
    guard let stream = unsafe opendir(path) else { throw .last("opendir", path) }
    defer { unsafe closedir(stream) }
    var entries = 0
    while unsafe readdir(stream) != nil { entries += 1 }
    // Those of the directory itself and of the one above it do not count.
    return entries - 2
  }

  /// The names in a directory, in byte order, without `.` and `..`.
  package static func names(in path: String) throws(SystemError) -> [String] {
    guard let stream = unsafe opendir(path) else { throw .last("opendir", path) }
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

  /// Where a symbolic link points, such as `/proc/PID/cwd`.
  package static func destination(of link: String) -> String? {
    var bytes = [CChar](repeating: 0, count: 4096)
    let count = unsafe readlink(link, &bytes, bytes.count)
    guard count > 0 else { return nil }
    return String(decoding: bytes.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
