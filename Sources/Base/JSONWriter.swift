extension JSONValue {
  /// The document on one line, in UTF-8, without spaces.
  package func encoded() -> [UInt8] {
    var bytes: [UInt8] = []
    write(into: &bytes)
    return bytes
  }

  /// The document on one line, as text.
  package var text: String { String(decoding: encoded(), as: UTF8.self) }

  /// The document with two spaces of indentation, for people.
  package var prettyText: String {
    var text = ""
    writePretty(into: &text, indentation: "")
    return text
  }

  private func write(into bytes: inout [UInt8]) {
    switch self {
    case .object(let members):
      bytes.append(UInt8(ascii: "{"))
      for (index, member) in members.enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        JSONValue.append(member.name, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        member.value.write(into: &bytes)
      }
      bytes.append(UInt8(ascii: "}"))
    case .array(let values):
      bytes.append(UInt8(ascii: "["))
      for (index, value) in values.enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        value.write(into: &bytes)
      }
      bytes.append(UInt8(ascii: "]"))
    case .string(let text): JSONValue.append(text, to: &bytes)
    case .number(let text): bytes.append(contentsOf: text.utf8)
    case .bool(let value): bytes.append(contentsOf: (value ? "true" : "false").utf8)
    case .null: bytes.append(contentsOf: "null".utf8)
    }
  }

  private func writePretty(into text: inout String, indentation: String) {
    let inner = indentation + "  "
    switch self {
    case .object(let members) where !members.isEmpty:
      text += "{\n"
      for (index, member) in members.enumerated() {
        text += (index > 0 ? ",\n" : "") + inner + JSONValue.string(member.name).text + ": "
        member.value.writePretty(into: &text, indentation: inner)
      }
      text += "\n" + indentation + "}"
    case .array(let values) where !values.isEmpty:
      text += "[\n"
      for (index, value) in values.enumerated() {
        text += (index > 0 ? ",\n" : "") + inner
        value.writePretty(into: &text, indentation: inner)
      }
      text += "\n" + indentation + "]"
    default: text += self.text
    }
  }

  /// Writes a text between quotation marks, with what JSON wants escaped.
  package static func append(_ text: String, to bytes: inout [UInt8]) {
    appendQuoted(text.utf8, to: &bytes)
  }

  /// The same of a part of a text.
  package static func append(_ text: Substring, to bytes: inout [UInt8]) {
    appendQuoted(text.utf8, to: &bytes)
  }

  /// Generic only in here, so that the compiler makes one of each: log lines are written with it.
  private static func appendQuoted(_ text: some Collection<UInt8>, to bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "\""))
    if text.contains(where: mustBeEscaped) {
      appendEscaped(text, to: &bytes)
    } else {
      bytes.append(contentsOf: text)
    }
    bytes.append(UInt8(ascii: "\""))
  }

  private static func mustBeEscaped(_ byte: UInt8) -> Bool {
    byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
  }

  private static func appendEscaped(_ text: some Collection<UInt8>, to bytes: inout [UInt8]) {
    for byte in text {
      switch byte {
      case UInt8(ascii: "\""): bytes.append(contentsOf: "\\\"".utf8)
      case UInt8(ascii: "\\"): bytes.append(contentsOf: "\\\\".utf8)
      case 0x0A: bytes.append(contentsOf: "\\n".utf8)
      case 0x0D: bytes.append(contentsOf: "\\r".utf8)
      case 0x09: bytes.append(contentsOf: "\\t".utf8)
      case 0..<0x20: bytes.append(contentsOf: ("\\u00" + Hex.encode([byte])).utf8)
      default: bytes.append(byte)
      }
    }
  }
}
