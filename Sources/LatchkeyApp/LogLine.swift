import Base
import Logging

/// One log line in its two forms.
struct LogLine {
  let at: Timestamp
  let level: Logger.Level
  let label: String
  let message: String
  let metadata: Logger.Metadata

  /// Names that a line has anyhow; metadata of that name gets a prefix.
  private static let own: Set<String> = ["at", "level", "logger", "message"]

  func bytes(_ format: LogFormat) -> [UInt8] {
    switch format {
    case .json: json
    case .text: Array(text.utf8)
    }
  }

  private var json: [UInt8] {
    var line = JSONLine(at: at, level: level, label: label, message: message)
    for (name, value) in metadata.sorted(by: { $0.key < $1.key }) {
      line.add(LogLine.own.contains(name) ? "metadata_" + name : name, value.json)
    }
    return line.end()
  }

  /// For people; a line break in a value cannot begin a line of its own.
  private var text: String {
    let name = level.rawValue.padded(to: 8)
    let fields = metadata.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value.shown)" }
    return "\(at) \(name) \(message.withoutControls) \(fields.joined())".trimmedRight
      + " [\(label)]\n"
  }
}

extension Logger.MetadataValue {
  fileprivate var json: JSONValue {
    switch self {
    case .string(let text): .string(text)
    case .stringConvertible(let value): .string(value.description)
    case .dictionary(let members):
      .object(members.sorted { $0.key < $1.key }.map { .init($0.key, $0.value.json) })
    case .array(let items): .array(items.map(\.json))
    }
  }

  fileprivate var shown: String {
    switch self {
    case .string(let text): text.quotedIfNeeded
    case .stringConvertible(let value): value.description.quotedIfNeeded
    case .dictionary, .array: json.text
    }
  }
}

extension String {
  fileprivate var quotedIfNeeded: String { isToken ? self : JSONValue.string(self).text }

  fileprivate var withoutControls: String {
    String(
      String.UnicodeScalarView(unicodeScalars.map { $0.properties.isControl ? "\u{FFFD}" : $0 }))
  }

  fileprivate var trimmedRight: String {
    String(reversed().drop { $0 == " " }.reversed())
  }

  fileprivate func padded(to width: Int) -> String {
    self + String(repeating: " ", count: max(0, width - count))
  }
}
