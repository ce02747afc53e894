import Base

/// The fields of a form or of a query, in their order; a name may come several times.
struct ConsoleForm: Sendable {
  /// The field in which every act's form repeats the session's token.
  static let tokenField = "csrf"

  let fields: [(name: String, value: String)]

  init(_ fields: [(name: String, value: String)] = []) {
    self.fields = fields
  }

  /// Reads `application/x-www-form-urlencoded`, which queries are too.
  /// - Throws: 400 for what is not percent-encoded UTF-8.
  init(encoded text: some StringProtocol) throws(Problem) {
    var fields: [(name: String, value: String)] = []
    for item in text.split(separator: "&") {
      let parts = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard let name = APIQuery.decoded(Substring(parts[0])),
        let value = APIQuery.decoded(parts.count == 2 ? Substring(parts[1]) : "")
      else { throw .badRequest("The form or the address is not valid percent-encoded UTF-8.") }
      fields.append((name, value))
    }
    self.fields = fields
  }

  /// The value of a field that is there and not empty.
  subscript(_ name: String) -> String? {
    fields.first { $0.name == name && !$0.value.isEmpty }?.value
  }

  /// All values of a field.
  func all(_ name: String) -> [String] {
    fields.filter { $0.name == name && !$0.value.isEmpty }.map(\.value)
  }

  /// The fields of these names that are there and not empty, as pairs for another query.
  func only(_ names: some Sequence<String>) -> [(String, String)] {
    names.compactMap { name in self[name].map { (name, $0) } }
  }
}

/// Addresses within the console.
enum ConsoleLink {
  /// `path?name=value&…`; everything but letters, digits and `-._~` is percent-encoded.
  static func make(_ path: String, _ query: [(String, String)] = []) -> String {
    guard !query.isEmpty else { return path }
    return path + "?" + self.query(query)
  }

  static func query(_ fields: [(String, String)]) -> String {
    fields.map { "\(encoded($0.0))=\(encoded($0.1))" }.joined(separator: "&")
  }

  /// A path of the console to go to after login; `nil` for anything else.
  static func safe(_ text: String?) -> String? {
    guard let text, text == "/console" || text.hasPrefix("/console/"),
      text.utf8.count <= 2000, text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }),
      !text.contains("\\"), !text.contains("//"), !text.hasPrefix("/console/login")
    else { return nil }
    return text
  }

  private static func encoded(_ text: String) -> String {
    var result = ""
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
        UInt8(ascii: "_"), UInt8(ascii: "~"):
        result.unicodeScalars.append(Unicode.Scalar(byte))
      default: result += "%" + Hex.encode([byte]).uppercased()
      }
    }
    return result
  }
}
