import Linux

/// What a running server says about itself in `postmaster.pid`.
struct PostmasterFile: Equatable, Sendable {
  let process: Int32
  let dataDirectory: String
  /// The directory of its Unix socket; `nil` while it is still starting.
  let socketDirectory: String?
  /// Whether it accepts connections.
  let isReady: Bool

  /// - Parameter text: line 1 process, 2 data directory, 5 socket directory, 8 status.
  init?(_ text: String) {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard lines.count >= 2, let process = Int32(lines[0]), process > 1 else { return nil }
    self.process = process
    dataDirectory = String(lines[1])
    socketDirectory = lines.count > 4 && !lines[4].isEmpty ? String(lines[4]) : nil
    isReady = lines.count > 7 && lines[7].hasPrefix("ready")
  }
}

/// The server processes that work in a data directory, by the kernel's word and not by a file's.
package enum ServerProcesses {
  /// The process IDs; each server process has the data directory as its working directory.
  package static func inside(_ dataDirectory: String) -> [Int32] {
    ((try? Directory.names(in: "/proc")) ?? [])
      .compactMap { Int32($0) }.filter { isServer($0, dataDirectory) }
  }

  /// Whether that process is a PostgreSQL server process of that data directory.
  package static func isServer(_ process: Int32, _ dataDirectory: String) -> Bool {
    guard Directory.destination(of: "/proc/\(process)/cwd") == dataDirectory,
      let program = Directory.destination(of: "/proc/\(process)/exe")
    else { return false }
    let name = program.split(separator: "/").last.map(String.init) ?? ""
    // An upgrade of the package deletes the program under a running server.
    return name == "postgres" || name == "postgres (deleted)"
  }
}
