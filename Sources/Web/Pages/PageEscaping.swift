import Mustache

/// Escapes scalar by scalar.
///
/// Mustache's own escaping (2.1.1) goes by characters, so a quotation mark with an accent on it
/// stays as it is.
struct PageEscaping: MustacheContentType {
  /// Makes it known to templates that begin with its name.
  static func register() {
    MustacheContentTypes.register(PageEscaping(), named: "LATCHKEY-HTML")
  }

  func escapeText(_ text: String) -> String {
    var escaped = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "<": escaped += "&lt;"
      case ">": escaped += "&gt;"
      case "&": escaped += "&amp;"
      case "\"": escaped += "&quot;"
      case "'": escaped += "&#39;"
      default: escaped.unicodeScalars.append(scalar)
      }
    }
    return escaped
  }
}
