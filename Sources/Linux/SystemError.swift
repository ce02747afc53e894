import Glibc

/// A system call that failed.
package struct SystemError: Error, Equatable, CustomStringConvertible {
  package let call: String
  package let path: String
  /// The error number as in `errno.h`.
  package let code: Int32

  package init(call: String, path: String, code: Int32) {
    self.call = call
    self.path = path
    self.code = code
  }

  static func last(_ call: String, _ path: String) -> SystemError {
    SystemError(call: call, path: path, code: errno)
  }

  /// Whether there is nothing of that name.
  package var isMissing: Bool { code == ENOENT }

  package var description: String {
    let reason = unsafe strerror(code).map { unsafe String(cString: $0) } ?? "error \(code)"
    return "\(call) \(path): \(reason)"
  }
}
