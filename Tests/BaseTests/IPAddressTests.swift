import Base
import Glibc
import TestSupport
import Testing

@Suite struct `IP addresses` {
  /// What the C library reads.
  private func library(_ text: String) -> [UInt8]? {
    var four = in_addr()
    if inet_pton(AF_INET, text, &four) == 1 {
      return withUnsafeBytes(of: &four) { [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF] + $0 }
    }
    var six = in6_addr()
    guard inet_pton(AF_INET6, text, &six) == 1 else { return nil }
    return withUnsafeBytes(of: &six) { Array($0) }
  }

  @Test(arguments: [
    "1.2.3.4", "255.255.255.255", "::", "::1", "1::", "1:2:3:4:5:6:7:8", "::ffff:1.2.3.4",
    "64:ff9b::192.0.2.33", "1:2:3:4:5:6:1.2.3.4", "ABCD::ef01", "1::8", "fe80::1",
  ])
  func `texts are read as the C library reads them`(text: String) {
    #expect(IPAddress(text)?.bytes == library(text))
    #expect(IPAddress(text) != nil)
  }

  @Test(arguments: [
    "", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.4 ", " 1.2.3.4", "1.2.3.-4", "1.2.3.+4",
    "0x7f.0.0.1", ":", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::",
    "g::", "fe80::1%eth0", "[::1]", "::1.2.3", "1.2.3.4::", "::1.2.3.4:5", "٣.2.3.4",
    "1:2:3:4:5:6:7:8::",
  ])
  func `what is no address is refused`(text: String) {
    #expect(IPAddress(text) == nil)
  }

  @Test func `random texts are read as the C library reads them, or refused`() {
    var random = SeededGenerator()
    for _ in 0..<count(ordinary: 20_000, full: 1_000_000) {
      let seed = Array(
        ["1:2:3:4:5:6:7:8", "::ffff:10.20.30.40", "192.168.1.20", "fe80::12:ab"]
          .randomElement(using: &random)!.utf8)
      let text = String(decoding: random.mutated(seed), as: UTF8.self)
      guard !text.contains("\0"), let address = IPAddress(text) else { continue }
      // A leading zero of a decimal is refused by the library and harmless here.
      if let known = library(text) { #expect(address.bytes == known, "\(text)") }
    }
  }

  @Test func `bytes make an address of either family`() throws {
    #expect(IPAddress(bytes: [127, 0, 0, 1]) == IPAddress("127.0.0.1"))
    #expect(IPAddress(bytes: [127, 9, 9, 9])?.isLoopback == true)
    #expect(IPAddress("::1")?.isLoopback == true)
    #expect(IPAddress("::2")?.isLoopback == false)
    #expect(IPAddress(bytes: Array(repeating: UInt8(0), count: 16)) == IPAddress("::"))
    #expect(IPAddress(bytes: [1, 2, 3]) == nil)
  }
}
