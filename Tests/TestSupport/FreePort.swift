import Glibc
import Linux

/// A TCP port of 127.0.0.1 that nobody uses at this moment.
package func freePort() throws -> UInt16 {
  let number = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  defer { close(number) }
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_addr.s_addr = inet_addr("127.0.0.1")
  var length = socklen_t(MemoryLayout<sockaddr_in>.size)
  let code = withUnsafeMutablePointer(to: &address) { pointer in
    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
      bind(number, generic, length) == 0 ? getsockname(number, generic, &length) : -1
    }
  }
  guard code == 0 else { throw SystemError(call: "bind", path: "127.0.0.1", code: errno) }
  return UInt16(bigEndian: address.sin_port)
}
