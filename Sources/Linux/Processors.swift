import CLinux

/// The processors of the machine.
package enum Processors {
  /// How many of them this process may run on (`taskset`, cpusets); `nil` when the kernel does not
  /// say.
  package static var usable: Int? {
    let count = Int(clinux_usable_processors())
    return count > 0 ? count : nil
  }
}
