import HTTPTypes

/// The cookie that carries a console session.
///
/// Over TLS its name begins with `__Host-`, so that a browser takes it from this host and over TLS
/// only; such a cookie is for all paths. Otherwise it is for `/console` alone.
struct ConsoleCookie: Sendable {
  let isSecure: Bool

  var name: String { isSecure ? "__Host-latchkey_console" : "latchkey_console" }

  /// The field that sets it, until the browser is closed.
  func setting(_ value: String) -> String { "\(name)=\(value); \(attributes)" }

  /// The field that takes it away.
  var clearing: String { "\(name)=; Max-Age=0; \(attributes)" }

  /// The value that a request brings; `nil` when there is none, or more than one.
  func value(in headers: HTTPFields) -> Substring? {
    let values = headers[values: .cookie].flatMap { $0.split(separator: ";") }
      .map { $0.drop { $0 == " " } }
      .filter { $0.hasPrefix(name + "=") }
      .map { $0.dropFirst(name.utf8.count + 1) }
    return values.count == 1 ? values[0] : nil
  }

  private var attributes: String {
    isSecure
      ? "Path=/; Secure; HttpOnly; SameSite=Strict" : "Path=/console; HttpOnly; SameSite=Strict"
  }
}
