import Linux

/// Where the parts of a private cluster are.
struct ClusterPaths: Equatable, Sendable {
  /// The directory that was given, absolute and without links.
  let root: String
  /// The longest path of a Unix socket on Linux, without its final NUL.
  static let longestSocketPath = 107

  init(_ directory: String) {
    root = Directory.absolute(directory)
  }

  var data: String { root + "/data" }
  /// Where `initdb` works; becomes ``data`` when it is complete.
  var draft: String { root + "/data.new" }
  var logs: String { root + "/log" }
  var startLog: String { root + "/log/start.log" }
  var settings: String { data + "/latchkey.conf" }
  var postmasterFile: String { data + "/postmaster.pid" }
  var users: String { root + "/users.lock" }
  var starting: String { root + "/starting.lock" }

  /// The directory of the socket: inside the cluster's, or in `/tmp` when that path would be too
  /// long for a socket.
  var socket: String {
    let inside = root + "/socket"
    guard (inside + "/.s.PGSQL.5432").utf8.count > Self.longestSocketPath else { return inside }
    return "/tmp/latchkey-postgres-" + String(Self.digest(root), radix: 36)
  }

  /// FNV-1a; tells directories apart, keeps no secret.
  private static func digest(_ text: String) -> UInt64 {
    text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
  }
}
