import Foundation

/// What a program printed, and how it ended.
struct ProgramRun: Sendable {
  let output: String
  let status: Int32

  /// Runs a program that `PATH` knows to its end.
  static func of(_ command: [String]) async throws -> ProgramRun {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = command
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let output = await withCheckedContinuation { continuation in
      DispatchQueue.global().async {
        continuation.resume(returning: pipe.fileHandleForReading.readDataToEndOfFile())
      }
    }
    process.waitUntilExit()
    return ProgramRun(
      output: String(decoding: output, as: UTF8.self), status: process.terminationStatus)
  }
}
