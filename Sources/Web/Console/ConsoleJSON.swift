import Base

/// JSON as people read it.
enum ConsoleJSON {
  /// With a line for each member and value, two spaces deeper than what holds it.
  static func text(_ value: JSONValue, depth: Int = 0) -> String {
    let inner = String(repeating: "  ", count: depth + 1)
    let outer = String(repeating: "  ", count: depth)
    switch value {
    case .object(let members) where !members.isEmpty:
      // Deeper than anybody reads, it stays on its line.
      guard depth < 32 else { return plain(value) }
      let lines = members.map {
        "\(inner)\(plain(.string($0.name))): \(text($0.value, depth: depth + 1))"
      }
      return "{\n" + lines.joined(separator: ",\n") + "\n\(outer)}"
    case .array(let values) where !values.isEmpty:
      guard depth < 32 else { return plain(value) }
      let lines = values.map { inner + text($0, depth: depth + 1) }
      return "[\n" + lines.joined(separator: ",\n") + "\n\(outer)]"
    default: return plain(value)
    }
  }

  /// A body as people read it: set out when it is JSON, else as it is.
  static func text(ofBody body: String) -> String {
    guard let value = try? JSONScanner.parse(Array(body.utf8)) else { return body }
    return text(value)
  }

  private static func plain(_ value: JSONValue) -> String {
    String(decoding: value.encoded(), as: UTF8.self)
  }
}
