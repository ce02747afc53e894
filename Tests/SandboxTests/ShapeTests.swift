import Foundation
import Sandbox
import Testing

@Suite struct `Shapes` {
  /// BigCommerce's OpenAPI files: `LATCHKEY_OPENAPI`, or beside the repository.
  private static let folder: URL = {
    if let path = ProcessInfo.processInfo.environment["LATCHKEY_OPENAPI"] {
      return URL(filePath: path)
    }
    return repository.deletingLastPathComponent().appending(path: "shared/bigcommerce/openapi")
  }()

  private static let repository = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  @Test func `every resource answers as BigCommerce's OpenAPI files say`() async throws {
    guard FileManager.default.fileExists(atPath: Self.folder.path) else {
      print(
        "SKIPPED: the sandbox's shapes were not checked, \(Self.folder.path) does not exist; "
          + "set LATCHKEY_OPENAPI to a folder with BigCommerce's OpenAPI files")
      return
    }
    try await withSandbox { client in
      let result = try await Self.run([
        "python3", Self.repository.appending(path: "scripts/check-sandbox-shapes.py").path,
        client.sandbox.origin, Self.folder.path,
      ])
      #expect(result.status == 0, "\(result.output)")
      #expect(result.output.contains(" calls, 0 differ"))
    }
  }

  /// Runs a program to its end; what it printed and its exit code.
  private static func run(_ command: [String]) async throws -> (output: String, status: Int32) {
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
    return (String(decoding: output, as: UTF8.self), process.terminationStatus)
  }
}
