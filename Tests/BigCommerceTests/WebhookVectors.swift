import Base
import BigCommerce
import Foundation
import Testing

/// Webhooks signed by the package `standardwebhooks`; `vectors/make_webhooks.py` makes them.
struct WebhookVectors: Decodable {
  struct Case: Codable, Sendable {
    var id: String
    var timestamp: String
    var body: String
    var secret: String
    var signature: String

    var headers: WebhookSignatureHeaders {
      WebhookSignatureHeaders(ids: [id], timestamps: [timestamp], signatures: [signature])
    }

    var key: WebhookKey {
      WebhookKey(subscriptionSecret: Secret(secret)) ?? WebhookKey(clientSecret: Secret(secret))
    }
  }

  let now: Int64
  let cases: [Case]

  static func committed() throws -> WebhookVectors {
    let file = PayloadVectors.folder.appendingPathComponent("webhooks.json")
    return try JSONDecoder().decode(WebhookVectors.self, from: Data(contentsOf: file))
  }

  /// The interpreter named by `LATCHKEY_PYTHON`, if it has the package.
  static let python: String? = {
    guard let path = ProcessInfo.processInfo.environment["LATCHKEY_PYTHON"] else { return nil }
    return (try? output(of: path, ["-c", "import standardwebhooks"])) == nil ? nil : path
  }()

  static func made(seed: UInt64, count: Int, by python: String) throws -> WebhookVectors {
    try JSONDecoder().decode(
      WebhookVectors.self,
      from: output(of: python, [script, "sign", String(seed), String(count)]))
  }

  /// What the package says of each: `good`, or its complaint.
  static func verdicts(of cases: [Case], by python: String) throws -> [String] {
    let data = try output(
      of: python, [script, "verify"], input: JSONEncoder().encode(cases))
    return String(decoding: data, as: UTF8.self).split(separator: "\n").map(String.init)
  }

  private static let script = PayloadVectors.folder
    .appendingPathComponent("make_webhooks.py").path

  private static func output(
    of program: String, _ arguments: [String], input: Data = Data()
  ) throws -> Data {
    let process = Process()
    let (given, printed) = (Pipe(), Pipe())
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.standardInput = given
    process.standardOutput = printed
    process.standardError = FileHandle.nullDevice
    try process.run()
    // The script reads all of it before it prints anything.
    try given.fileHandleForWriting.write(contentsOf: input)
    try given.fileHandleForWriting.close()
    let data = try printed.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw CocoaError(.executableLoad) }
    return data
  }
}
