#if canImport(Glibc)
  import Glibc
#endif

/// Where the time of day comes from, so that a test can set it.
///
/// Only for moments that are stored or compared with others' clocks; deadlines use a monotonic
/// clock.
package struct WallClock: Sendable {
  private let read: @Sendable () -> Timestamp

  package init(_ read: @escaping @Sendable () -> Timestamp) {
    self.read = read
  }

  package func now() -> Timestamp { read() }

  /// The operating system's clock.
  package static let system = WallClock {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    return Timestamp(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)
  }
}

/// Where random bytes come from, so that a test can predict them.
package struct RandomSource: Sendable {
  private let fill: @Sendable (Int) -> [UInt8]

  package init(_ fill: @escaping @Sendable (Int) -> [UInt8]) {
    self.fill = fill
  }

  package func bytes(_ count: Int) -> [UInt8] { fill(count) }

  /// The operating system's generator, fit for keys.
  package static let system = RandomSource { count in
    var generator = SystemRandomNumberGenerator()
    return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
  }
}
