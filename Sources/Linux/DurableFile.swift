import Glibc

/// Files that survive a crash of the machine once the call returned: the spool's records.
package enum DurableFile {
  /// Makes the directory for its owner only; one that is there is closed to others.
  package static func makeDirectory(_ path: String) throws(SystemError) {
    guard unsafe mkdir(path, 0o700) == 0 || errno == EEXIST else { throw .last("mkdir", path) }
    try Directory.setMode(path, 0o700)
  }

  /// Writes a new file, complete and durable under its name, or not at all.
  ///
  /// The bytes go to `<name>.partial` first. One failed `fsync` condemns the file: the kernel may
  /// have dropped the pages and say so only once.
  package static func create(
    _ name: String, in directory: String, _ content: [UInt8]
  ) throws(SystemError) {
    let path = directory + "/" + name
    let draft = path + ".partial"
    var isNamed = false
    do throws(SystemError) {
      let file = try FileDescriptor.open(draft, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
      try file.write(content)
      try file.sync()
      try SmallFile.rename(draft, to: path)
      isNamed = true
      try FileDescriptor.syncDirectory(directory)
    } catch {
      unsafe unlink(isNamed ? path : draft)
      throw error
    }
  }

  /// Removes the file durably; one that is not there is no error.
  package static func remove(_ name: String, in directory: String) throws(SystemError) {
    try SmallFile.remove(directory + "/" + name)
    try FileDescriptor.syncDirectory(directory)
  }

  /// Moves the file into another directory of the same file system, durably.
  package static func move(
    _ name: String, from directory: String, to other: String
  ) throws(SystemError) {
    try SmallFile.rename(directory + "/" + name, to: other + "/" + name)
    try FileDescriptor.syncDirectory(other)
    try FileDescriptor.syncDirectory(directory)
  }

  /// Gives the file another name in the same directory, durably.
  package static func rename(
    _ name: String, to other: String, in directory: String
  ) throws(SystemError) {
    try SmallFile.rename(directory + "/" + name, to: directory + "/" + other)
    try FileDescriptor.syncDirectory(directory)
  }
}
