import Base
import Curl
import Linux

/// Where the service is, the key that opens it, and what TLS needs.
struct ServiceAddress: Sendable {
  let origin: Origin
  let key: Secret<String>
  /// The only authorities that are trusted, in a PEM file; `nil`: the system's.
  let caFile: String?
  /// Shown to a service that asks for a certificate.
  let clientIdentity: CurlSettings.ClientIdentity?

  /// The internal listener where `serve` opens it unless told otherwise.
  static let standard = "http://127.0.0.1:8081"

  /// Reads `LATCHKEY_URL`, `LATCHKEY_KEY` or the file that `LATCHKEY_KEY_FILE` names, and the paths
  /// of the PEM files.
  ///
  /// - Throws: a usage failure with everything that is wrong; never a value of the key.
  init(_ environment: [String: String]) throws(CommandFailure) {
    var problems: [String] = []
    let url = ServiceAddress.given(environment, "LATCHKEY_URL") ?? ServiceAddress.standard
    let origin = Origin(url)
    if origin == nil {
      problems.append(
        "LATCHKEY_URL: expected https://host[:port], or http:// with a host of this machine")
    }
    let key = ServiceAddress.key(environment, &problems)
    caFile = ServiceAddress.file(environment, "LATCHKEY_CA_FILE", &problems)
    clientIdentity = ServiceAddress.identity(environment, &problems)
    guard let origin, let key, problems.isEmpty else {
      throw .usage(problems.joined(separator: "\n"))
    }
    self.origin = origin
    self.key = Secret(key)
  }

  private static func given(_ environment: [String: String], _ name: String) -> String? {
    environment[name].flatMap { $0.isEmpty ? nil : $0 }
  }

  /// A path that can be read.
  private static func file(
    _ environment: [String: String], _ name: String, _ problems: inout [String]
  ) -> String? {
    guard let path = given(environment, name) else { return nil }
    do throws(SystemError) {
      _ = try SmallFile.read(path)
      return path
    } catch {
      problems.append("\(name): \(error)")
      return nil
    }
  }

  private static func identity(
    _ environment: [String: String], _ problems: inout [String]
  ) -> CurlSettings.ClientIdentity? {
    let names = (certificate: "LATCHKEY_CLIENT_CERT", key: "LATCHKEY_CLIENT_KEY")
    let certificate = file(environment, names.certificate, &problems)
    let key = file(environment, names.key, &problems)
    let hasCertificate = given(environment, names.certificate) != nil
    if hasCertificate != (given(environment, names.key) != nil) {
      let (missing, present) =
        hasCertificate ? (names.key, names.certificate) : (names.certificate, names.key)
      problems.append("\(missing): is needed with \(present)")
    }
    guard let certificate, let key else { return nil }
    return CurlSettings.ClientIdentity(certificateFile: certificate, privateKeyFile: key)
  }

  private static func key(_ environment: [String: String], _ problems: inout [String]) -> String? {
    var key = given(environment, "LATCHKEY_KEY")
    if key == nil, let path = given(environment, "LATCHKEY_KEY_FILE") {
      do throws(SystemError) {
        let text = String(decoding: try SmallFile.read(path, atMost: 4096), as: UTF8.self)
        key = String(text.drop { $0.isWhitespace }.prefix { !$0.isWhitespace })
      } catch {
        problems.append("LATCHKEY_KEY_FILE: \(error)")
        return nil
      }
    }
    guard let key else {
      problems.append(
        "LATCHKEY_KEY: is needed, a service key. The first one comes from: "
          + "latchkey keys create --bootstrap --name me")
      return nil
    }
    guard !key.isEmpty, key.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      problems.append("LATCHKEY_KEY: expected a service key, without spaces")
      return nil
    }
    return key
  }
}
