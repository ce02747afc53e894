import Glibc
import Synchronization

/// Looks host names up on a thread, because the C library blocks.
///
/// One look-up per name at a time: if the name server hangs, one thread hangs with it, not one per
/// attempt.
package final class NameResolver: Sendable {
  /// Called on the look-up's thread; no addresses means that the name is not known.
  package typealias Completion = @Sendable ([String]) -> Void

  private let waiting = Mutex<[String: [Completion]]>([:])

  package init() {}

  /// Looks up the name, or joins a look-up that is under way.
  package func addresses(of host: String, _ completion: @escaping Completion) {
    let isFirst = waiting.withLock { waiting in
      defer { waiting[host, default: []].append(completion) }
      return waiting[host] == nil
    }
    guard isFirst else { return }
    let started = DetachedThread.start { [self] in
      finish(host, Self.lookUp(host))
    }
    if !started { finish(host, []) }
  }

  /// All addresses of the name; cancelling does not end the look-up.
  package func addresses(of host: String) async -> [String] {
    await withCheckedContinuation { waiting in
      addresses(of: host) { waiting.resume(returning: $0) }
    }
  }

  private func finish(_ host: String, _ addresses: [String]) {
    let completions = waiting.withLock { $0.removeValue(forKey: host) } ?? []
    for completion in completions { completion(addresses) }
  }

  /// Blocks.
  ///
  /// IPv6 and IPv4 addresses in the system's order of preference, each once.
  private static func lookUp(_ host: String) -> [String] {
    var hints = unsafe addrinfo()
    unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    unsafe hints.ai_family = AF_UNSPEC
    var first: UnsafeMutablePointer<addrinfo>?
    guard unsafe getaddrinfo(host, nil, &hints, &first) == 0 else { return [] }
    defer { unsafe freeaddrinfo(first) }
    var addresses: [String] = []
    var next = unsafe first
    while let entry = unsafe next {
      if let address = unsafe numeric(entry.pointee), !addresses.contains(address) {
        addresses.append(address)
      }
      unsafe next = unsafe entry.pointee.ai_next
    }
    return addresses
  }

  private static func numeric(_ entry: addrinfo) -> String? {
    var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
    let code = unsafe getnameinfo(
      entry.ai_addr, entry.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
    guard code == 0 else { return nil }
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
