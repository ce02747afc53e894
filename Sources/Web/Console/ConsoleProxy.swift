package import Base
import Fields
package import HTTPTypes

/// A proxy that logs people in (SSO) and names them to the console.
///
/// It is known by a secret that it sends with every request, and its people act with one service
/// key.
package struct ConsoleProxy: Sendable {
  let secret: Secret<String>
  let keyID: String
  let userField: HTTPField.Name

  /// `keyID` is of the key with which the proxy's people act; `userField` names them.
  package init(secret: Secret<String>, keyID: String, userField: HTTPField.Name) {
    self.secret = secret
    self.keyID = keyID
    self.userField = userField
  }

  /// Whom the proxy names; `nil` when the request did not come through it.
  func user(_ headers: HTTPFields) -> String? {
    let secrets = headers[values: .consoleSecret]
    let users = headers[values: userField]
    guard secrets.count == 1, secret.matches(secrets[0]) else { return nil }
    guard users.count == 1, (1...200).contains(users[0].utf8.count),
      users[0].unicodeScalars.allSatisfy({ !Self.isControl($0) })
    else { return nil }
    return users[0]
  }

  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .unassigned, .privateUse,
      .surrogate:
      true
    default: false
    }
  }
}

extension HTTPField.Name {
  /// The proxy's secret.
  static let consoleSecret = known("Latchkey-Console-Secret")
}
