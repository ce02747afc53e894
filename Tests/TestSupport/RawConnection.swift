import Foundation
import Glibc
import Linux

/// A TCP connection on which a test writes and reads bytes as it pleases; blocking.
package final class RawConnection: Sendable {
  package enum Failure: Error {
    case notConnected(errno: Int32)
    case timeout
  }

  private let descriptor: Int32

  /// Connects; one read may take so many seconds, and so many bytes wait for it in the kernel.
  package init(port: Int, seconds: Int = 10, receiveBuffer: Int32? = nil) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    if var receiveBuffer {
      unsafe setsockopt(
        descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, socklen_t(MemoryLayout<Int32>.size))
    }
    var time = timeval(tv_sec: seconds, tv_usec: 0)
    unsafe setsockopt(
      descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let result = unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard result == 0 else { throw Failure.notConnected(errno: errno) }
  }

  deinit { close(descriptor) }

  /// Writes what the peer takes; `false` when it has closed.
  @discardableResult
  package func send(_ text: String) -> Bool { send(Array(text.utf8)) }

  @discardableResult
  package func send(_ bytes: [UInt8]) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = unsafe rest.withUnsafeBytes {
        unsafe Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return false }
      rest = rest.dropFirst(count)
    }
    return true
  }

  /// Waits until the peer, in this process or another, has read all that was sent.
  package func awaitRead() throws {
    var address = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    unsafe withUnsafeMutablePointer(to: &address) { pointer in
      _ = unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe getsockname(descriptor, $0, &length)
      }
    }
    let mine = String(format: ":%04X", in_port_t(bigEndian: address.sin_port))
    // "sl local_address rem_address st tx_queue:rx_queue …": the peer's socket names ours second.
    try blockUntil {
      let table = try SmallFile.read("/proc/net/tcp", atMost: 1 << 26)
      let rows = String(decoding: table, as: UTF8.self).split(separator: "\n")
      return rows.contains { row in
        let fields = row.split(separator: " ")
        return fields.count > 4 && fields[2].hasSuffix(mine) && fields[4].hasSuffix(":00000000")
      }
    }
  }

  /// The next bytes; empty when the peer has closed.
  package func receive() throws -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: 65536)
    let count = unsafe buffer.withUnsafeMutableBytes {
      unsafe recv(descriptor, $0.baseAddress, $0.count, 0)
    }
    if count < 0 {
      if errno == EAGAIN { throw Failure.timeout }
      return []
    }
    return Array(buffer.prefix(count))
  }

  /// Everything until the peer closes.
  package func receiveAll() throws -> String {
    var bytes: [UInt8] = []
    while true {
      let part = try receive()
      if part.isEmpty { return String(decoding: bytes, as: UTF8.self) }
      bytes += part
    }
  }

  /// Everything until the peer closes, and whether it did so with a reset.
  package func receiveToEnd() -> (text: String, wasReset: Bool) {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = unsafe buffer.withUnsafeMutableBytes {
        unsafe recv(descriptor, $0.baseAddress, $0.count, 0)
      }
      guard count > 0 else {
        return (String(decoding: bytes, as: UTF8.self), count < 0 && errno == ECONNRESET)
      }
      bytes += buffer.prefix(count)
    }
  }

  /// Whether the peer closes without another byte, and not with a reset.
  package func endsInOrder() -> Bool {
    let (text, wasReset) = receiveToEnd()
    return text.isEmpty && !wasReset
  }

  /// Whether there is something to read, or the peer's end, within a time.
  package func isReadable(within time: Duration) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return unsafe poll(&entry, 1, Int32(time / .milliseconds(1))) > 0
  }

  /// Waits a while and takes at most so many bytes; 0 or less at the end.
  package func receive(upTo limit: Int, pause: Duration) -> Int {
    usleep(UInt32(pause / .microseconds(1)))
    var buffer = [UInt8](repeating: 0, count: limit)
    return unsafe buffer.withUnsafeMutableBytes {
      unsafe recv(descriptor, $0.baseAddress, $0.count, 0)
    }
  }

  /// Waits until the peer has closed or reset (`POLLRDHUP`, which Glibc does not import), without
  /// reading.
  package func waitUntilClosed(_ time: Duration) {
    var entry = pollfd(fd: descriptor, events: 0x2000, revents: 0)
    unsafe poll(&entry, 1, Int32(time / .milliseconds(1)))
  }

  /// Says that nothing more will be sent, and goes on reading.
  package func endSending() {
    shutdown(descriptor, Int32(SHUT_WR))
  }

  /// Bytes until `text` has come, or the peer closes.
  package func receive(until text: String) throws -> String {
    var bytes: [UInt8] = []
    while !String(decoding: bytes, as: UTF8.self).contains(text) {
      let part = try receive()
      if part.isEmpty { break }
      bytes += part
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Ends the connection with a reset, which is what Linux does when a socket is connected to
  /// nothing.
  package func reset() {
    var nothing = sockaddr()
    nothing.sa_family = sa_family_t(AF_UNSPEC)
    unsafe connect(descriptor, &nothing, socklen_t(MemoryLayout<sockaddr>.size))
  }
}

/// Runs blocking work on a thread of its own, so that it does not starve Swift's executor.
package func blocking<Value: Sendable>(
  _ work: @escaping @Sendable () throws -> Value
) async throws -> Value {
  try await withCheckedThrowingContinuation { continuation in
    let thread = BlockingThread {
      continuation.resume(with: Result { try work() })
    }
    thread.start()
  }
}

private final class BlockingThread: Sendable {
  private let work: @Sendable () -> Void

  init(_ work: @escaping @Sendable () -> Void) {
    self.work = work
  }

  func start() {
    var thread = pthread_t()
    let argument = unsafe Unmanaged.passRetained(self).toOpaque()
    let status = unsafe pthread_create(
      &thread, nil,
      { argument in
        guard let argument = unsafe argument else { return nil }
        unsafe Unmanaged<BlockingThread>.fromOpaque(argument).takeRetainedValue().work()
        return nil
      }, argument)
    precondition(status == 0, "no thread for a test")
    pthread_detach(thread)
  }
}
