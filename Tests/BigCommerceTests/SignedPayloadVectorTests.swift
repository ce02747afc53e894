import Base
import BigCommerce
import Foundation
import Testing

/// Signed payloads made by PyJWT and by hand; `vectors/make_vectors.py` says how.
struct PayloadVectors: Decodable {
  struct Vector: Decodable, Sendable, CustomTestStringConvertible {
    let name: String
    let token: String
    let accepted: Bool
    let reason: String
    let pyjwt: Bool

    var testDescription: String { name }
  }

  let now: Int64
  let clientID: String
  let secrets: [String]
  let vectors: [Vector]

  enum CodingKeys: String, CodingKey {
    case now, secrets, vectors
    case clientID = "client_id"
  }

  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("vectors")

  static func committed() throws -> PayloadVectors {
    let data = try Data(contentsOf: folder.appendingPathComponent("payloads.json"))
    return try JSONDecoder().decode(PayloadVectors.self, from: data)
  }

  /// The interpreter named by `LATCHKEY_PYTHON`, if it has PyJWT.
  static let python: String? = {
    guard let path = ProcessInfo.processInfo.environment["LATCHKEY_PYTHON"] else { return nil }
    return (try? output(of: path, ["-c", "import jwt"])) == nil ? nil : path
  }()

  /// What the script prints when it is run now.
  static func made(by python: String) throws -> PayloadVectors {
    let script = folder.appendingPathComponent("make_vectors.py").path
    return try JSONDecoder().decode(
      PayloadVectors.self, from: output(of: python, ["-W", "ignore", script]))
  }

  private static func output(of program: String, _ arguments: [String]) throws -> Data {
    let process = Process()
    let pipe = Pipe()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    try process.run()
    let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw CocoaError(.executableLoad) }
    return data
  }

  /// Verifies each and compares the verdict and its reason.
  func check() {
    for vector in vectors {
      let reason: String
      do throws(SignedPayloadError) {
        _ = try SignedPayload.verify(
          token: Secret(vector.token), clientID: clientID, secrets: secrets.map { Secret($0) },
          now: Timestamp(seconds: now))
        reason = ""
      } catch {
        reason = error.reason
      }
      #expect(reason == vector.reason, "\(vector.name)")
      #expect(vector.accepted == vector.reason.isEmpty, "\(vector.name)")
      #expect(!vector.accepted || vector.pyjwt, "PyJWT refuses \(vector.name)")
    }
  }
}

@Suite struct `Signed payload vectors` {
  @Test func `each hand-listed payload has the listed verdict`() throws {
    let vectors = try PayloadVectors.committed()
    #expect(vectors.vectors.count >= 60)
    #expect(vectors.vectors.filter(\.accepted).count >= 20)
    vectors.check()
  }

  @Test(
    .enabled(
      if: PayloadVectors.python != nil,
      "COMMITTED VECTORS ONLY: set LATCHKEY_PYTHON to a Python that has PyJWT to make them anew"))
  func `vectors made now have the verdicts of the committed ones`() throws {
    let committed = try PayloadVectors.committed()
    let made = try PayloadVectors.made(by: try #require(PayloadVectors.python))
    #expect(made.vectors.map(\.name) == committed.vectors.map(\.name))
    #expect(made.vectors.map(\.reason) == committed.vectors.map(\.reason))
    made.check()
  }
}
