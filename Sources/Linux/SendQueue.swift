import CLinux

/// What the kernel holds of a TCP connection's output.
package enum SendQueue {
  /// Bytes that were written to the socket and that its peer's kernel has not confirmed; `nil` when
  /// it is no such socket.
  package static func unconfirmed(of socket: Int32) -> Int? {
    let bytes = clinux_unconfirmed(socket)
    return bytes < 0 ? nil : Int(bytes)
  }
}
