import Glibc
import Synchronization

/// Descriptors that are held so that they can be let go when there are no others.
///
/// Without one for a moment, libdispatch ends the process: once a second it opens a file of `/proc`
/// to see what its threads do.
package final class DescriptorReserve: Sendable {
  /// How many are held.
  package static let size = 12

  private let held = Mutex<[Int32]>([])

  /// Holds as many as there are, up to ``size``.
  package init() {
    _ = fill()
  }

  deinit { release() }

  /// Takes again what was let go.
  ///
  /// - Returns: whether all are held; if not, none is.
  package func fill() -> Bool {
    held.withLock { held in
      while held.count < Self.size {
        let number = unsafe Glibc.open("/dev/null", O_RDONLY | O_CLOEXEC)
        guard number >= 0 else {
          Self.closeAll(&held)
          return false
        }
        held.append(number)
      }
      return true
    }
  }

  /// Lets all go, for whoever needs one.
  package func release() {
    held.withLock { Self.closeAll(&$0) }
  }

  private static func closeAll(_ numbers: inout [Int32]) {
    for number in numbers { close(number) }
    numbers = []
  }
}
