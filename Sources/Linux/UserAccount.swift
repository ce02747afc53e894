import CLinux
import Glibc

/// A user of this machine.
package struct UserAccount: Equatable, Sendable {
  package let name: String
  package let userID: UInt32
  package let groupID: UInt32

  /// - Returns: `nil` when the machine knows no such user.
  package static func named(_ name: String) -> UserAccount? {
    var entry = unsafe passwd()
    var found: UnsafeMutablePointer<passwd>?
    var text = [CChar](repeating: 0, count: 16384)
    guard unsafe getpwnam_r(name, &entry, &text, text.count, &found) == 0, unsafe found != nil
    else {
      return nil
    }
    return unsafe UserAccount(name: name, userID: entry.pw_uid, groupID: entry.pw_gid)
  }

  /// The user ID with whose rights this process works.
  package static var currentUserID: UInt32 { geteuid() }
}
