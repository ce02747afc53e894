package import Base
package import Fields

/// The request that turns a code into a token: `POST {login}/oauth2/token`.
///
/// - Source: PLATFORM 1.4. Client credentials go in the body; `account_uuid` is not among the
///   documented fields.
package struct TokenExchange: Sendable {
  /// How the body is written.
  ///
  /// JSON is the documented way; a form is what older guides send, and is tried once when the
  /// answer is ``TokenAnswerError/formatNotUnderstood``.
  package enum Encoding: Hashable, Sendable {
    case json, form
  }

  /// The path on the login host.
  package static let target = "/oauth2/token"

  private let clientID: String
  private let clientSecret: Secret<String>
  private let code: Secret<String>
  private let context: String
  private let scope: String
  private let redirectURI: String

  /// `redirectURI` is origin and path of the callback, byte for byte as registered.
  package init(
    clientID: String, clientSecret: Secret<String>, query: CallbackQuery.Install,
    redirectURI: String
  ) {
    self.clientID = clientID
    self.clientSecret = clientSecret
    code = query.code
    context = query.context
    scope = query.scope
    self.redirectURI = redirectURI
  }

  package func headers(_ encoding: Encoding) -> FieldSection {
    [
      .accept: "application/json",
      .contentType: encoding == .json ? "application/json" : "application/x-www-form-urlencoded",
    ]
  }

  /// The body's bytes; they hold the client secret and the code.
  package func body(_ encoding: Encoding) -> Secret<[UInt8]> {
    switch encoding {
    case .json: Secret(JSONValue.object(fields.map { .init($0, .string($1)) }).encoded())
    case .form:
      Secret(
        Array(
          fields.map { "\($0)=\(FormEncoding.encode($1))" }.joined(separator: "&").utf8))
    }
  }

  private var fields: [(name: String, value: String)] {
    [
      ("client_id", clientID), ("client_secret", clientSecret.expose()), ("code", code.expose()),
      ("context", context), ("scope", scope), ("grant_type", "authorization_code"),
      ("redirect_uri", redirectURI),
    ]
  }
}

/// `application/x-www-form-urlencoded`.
enum FormEncoding {
  /// Letters, digits and `-._~` stay, a space becomes `+`, every other byte `%XX`.
  static func encode(_ text: String) -> String {
    var bytes: [UInt8] = []
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
        UInt8(ascii: "_"), UInt8(ascii: "~"):
        bytes.append(byte)
      case 0x20: bytes.append(UInt8(ascii: "+"))
      default: bytes.append(contentsOf: "%\(Hex.encode([byte]).uppercased())".utf8)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
