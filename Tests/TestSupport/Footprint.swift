import Linux
package import Testing

/// What this process holds of the system.
package struct Footprint: Equatable, Sendable {
  package let descriptors: Int
  package let threads: Int
  /// Memory that is in use, in KiB.
  package let residentKiB: Int

  /// What it holds now.
  ///
  /// - Throws: when `/proc` does not tell.
  package static func current() throws -> Footprint {
    let status = SmallFile.text("/proc/self/status") ?? ""
    let resident = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }?
      .split(separator: " ").dropFirst().first.flatMap { Int($0) }
    return Footprint(
      descriptors: try Directory.names(in: "/proc/self/fd").count,
      threads: try Directory.names(in: "/proc/self/task").count,
      residentKiB: try #require(resident))
  }
}

/// Expects that rounds of a disturbance leave nothing behind: no descriptor, no thread, no memory.
///
/// The first rounds warm up what is made once and kept: allocators, thread pools, the test's own
/// servers. The whole process is looked at, so tests of others must not run beside it, as
/// `./scripts/test` sees to. Measured are `rounds` further rounds; by then the process may have
/// grown by `memory` KiB.
///
/// - Throws: what a round throws, or why the process cannot be looked at.
package func expectNothingLeft(
  after rounds: Int, memory: Int = 24_000, sourceLocation: SourceLocation = #_sourceLocation,
  _ round: (Int) async throws -> Void
) async throws {
  for number in 0..<max(3, rounds / 3) { try await round(number) }
  let before = try Footprint.current()
  for number in 0..<rounds { try await round(number) }
  var after = before
  _ = try await eventually {
    after = try .current()
    return after.descriptors <= before.descriptors && after.threads <= before.threads
  }
  #expect(after.descriptors <= before.descriptors, sourceLocation: sourceLocation)
  #expect(after.threads <= before.threads, sourceLocation: sourceLocation)
  #expect(after.residentKiB <= before.residentKiB + memory, sourceLocation: sourceLocation)
}
