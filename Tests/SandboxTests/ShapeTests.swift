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
      let result = try await ProgramRun.of([
        "python3", Self.repository.appending(path: "scripts/check-sandbox-shapes.py").path,
        client.sandbox.origin, Self.folder.path,
      ])
      #expect(result.status == 0, "\(result.output)")
      #expect(result.output.contains(" calls, 0 differ"))
    }
  }
}
