import CLinux
import Glibc

/// Standard output or standard error as the operating system sees it.
package struct StandardStream: Equatable, Sendable {
  private let number: Int32

  package static let standardOutput = StandardStream(descriptor: STDOUT_FILENO)
  package static let standardError = StandardStream(descriptor: STDERR_FILENO)

  /// - Parameter descriptor: stays open and stays the caller's.
  package init(descriptor: Int32) {
    number = descriptor
  }

  /// Whether a person is looking.
  package var isTerminal: Bool { isatty(number) == 1 }

  /// Columns of the terminal, `nil` when there is none.
  package var columns: Int? {
    let columns = clinux_terminal_columns(number)
    return columns > 0 ? Int(columns) : nil
  }

  /// Why a write did not happen.
  package enum Failure: Error, Equatable {
    /// The reader has gone (`EPIPE`), or the stream was never open.
    case closed
    /// Anything else, such as a full disk, with the system's error number.
    case refused(code: Int32)
  }

  /// Writes everything; blocks as long as the reader does not read.
  package func write(_ bytes: [UInt8]) throws(Failure) {
    var written = 0
    while written < bytes.count {
      let count = unsafe bytes.withUnsafeBytes { buffer in
        unsafe Glibc.write(
          number, buffer.baseAddress?.advanced(by: written), buffer.count - written)
      }
      if count > 0 {
        written += count
      } else if errno == EAGAIN {
        // Someone who shares the terminal or pipe made it non-blocking.
        var wait = pollfd(fd: number, events: Int16(POLLOUT), revents: 0)
        unsafe poll(&wait, 1, 1000)
      } else if errno != EINTR {
        throw errno == EPIPE || errno == EBADF ? .closed : .refused(code: errno)
      }
    }
  }

  package func write(_ text: String) throws(Failure) {
    try write(Array(text.utf8))
  }
}

/// Standard input: what a person types, or what another program sends.
package enum StandardInput {
  /// Whether a person may be asked.
  package static var isTerminal: Bool { isatty(STDIN_FILENO) == 1 }

  /// Reads to the end.
  ///
  /// - Throws: ``SystemError``; more than the limit is `EFBIG`.
  package static func readAll(atMost limit: Int) throws(SystemError) -> [UInt8] {
    try FileDescriptor.read(STDIN_FILENO, "standard input", atMost: limit)
  }
}
