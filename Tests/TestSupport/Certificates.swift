import Foundation

/// A folder with certificates and their keys, made by openssl; it goes when the process ends.
package struct Certificates: Sendable {
  private let folder: String

  /// Openssl refused, with what it said.
  package struct Failed: Error {
    package let output: String
  }

  /// The folder is empty, and other users may pass through it.
  package init() throws {
    folder = try temporaryDirectory("certificates")
  }

  /// Where `<name>.pem`, `<name>.key` and what else is in the folder are.
  package func path(_ file: String) -> String { "\(folder)/\(file)" }

  /// Makes `<name>.pem` and `<name>.key`, or makes them anew; signed by themselves when there is no
  /// `signer`.
  package func issue(
    _ name: String, subject: String, alternativeName: String = "IP:127.0.0.1", signer: String?
  ) throws {
    var arguments = [
      "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
      "2", "-subj", subject, "-keyout", path("\(name).key"), "-out", path("\(name).pem"),
      "-addext", "subjectAltName=\(alternativeName)",
    ]
    if let signer {
      arguments += ["-CA", path("\(signer).pem"), "-CAkey", path("\(signer).key")]
    }
    try Self.openssl(arguments)
  }

  private static func openssl(_ arguments: [String]) throws {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/openssl")
    process.arguments = arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw Failed(output: output) }
  }
}
