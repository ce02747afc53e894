import Glibc

/// What the process has used of the machine, as the kernel counts it.
package struct ProcessUsage: Equatable, Sendable {
  /// Of all threads, user and system time together.
  package let cpuSeconds: Double
  package let residentBytes: UInt64
  package let virtualBytes: UInt64
  /// Seconds since 1970.
  package let startedAt: Double
  package let descriptors: Int
  package let descriptorsAllowed: UInt64

  /// Reads it now.
  ///
  /// - Throws: ``SystemError`` when `/proc` cannot be read.
  package static func read() throws(SystemError) -> ProcessUsage {
    let status = try fields(of: "/proc/self/stat")
    let ticks = Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
    let pageSize = UInt64(max(1, sysconf(Int32(_SC_PAGESIZE))))
    return ProcessUsage(
      cpuSeconds: cpuSeconds, residentBytes: UInt64(status[21]) * pageSize,
      virtualBytes: UInt64(status[20]), startedAt: try bootTime() + status[19] / ticks,
      // Without the one that reads the directory.
      descriptors: try Directory.count(in: "/proc/self/fd") - 1,
      descriptorsAllowed: ProcessHardening.state().descriptors)
  }

  /// The numbers behind the program's name, which may hold spaces and brackets; the first is the
  /// state, which is none and counts as 0.
  private static func fields(of path: String) throws(SystemError) -> [Double] {
    let text = String(decoding: try SmallFile.read(path), as: UTF8.self)
    let behindName = text.lastIndex(of: ")").map { text[$0...].dropFirst() } ?? text[...]
    let numbers = behindName.split(separator: " ").map { Double($0) ?? 0 }
    guard numbers.count > 21 else { throw SystemError(call: "read", path: path, code: EPROTO) }
    return numbers
  }

  /// When the machine was started, in seconds since 1970.
  private static func bootTime() throws(SystemError) -> Double {
    let text = String(decoding: try SmallFile.read("/proc/stat"), as: UTF8.self)
    let line = text.split(separator: "\n").first { $0.hasPrefix("btime ") }
    guard let seconds = line.flatMap({ Double($0.dropFirst(6)) }) else {
      throw SystemError(call: "read", path: "/proc/stat", code: EPROTO)
    }
    return seconds
  }

  private static var cpuSeconds: Double {
    var time = timespec()
    unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}
