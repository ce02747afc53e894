import LatchkeyApp
import Linux
import Testing

/// One row of `.env.example`.
private struct ExampleRow {
  let name: String
  let aliases: [String]
  let fallback: String
  let example: String

  /// All rows of the file at the root of the package.
  static func all() throws -> [ExampleRow] {
    let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    let text = String(decoding: try SmallFile.read("/\(root)/.env.example"), as: UTF8.self)
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    return try lines.enumerated().compactMap { index, line in
      let columns = line.split(separator: "|").map { $0.trimmingSpaces }
      guard line.hasPrefix("# "), columns.count == 4, !columns[0].hasPrefix("#   NAME") else {
        return nil
      }
      let names = columns[0].dropFirst(2).split { " (),".contains($0) }.map(String.init)
      let assignment = try #require(lines.dropFirst(index + 1).first)
      let name = try #require(names.first)
      let example = assignment.hasPrefix("#") ? assignment.dropFirst() : assignment[...]
      #expect(example.hasPrefix(name + "="), "an example of \(name) follows its row")
      return ExampleRow(
        name: name, aliases: Array(names.dropFirst()), fallback: columns[2],
        example: String(example.dropFirst(name.count + 1)))
    }
  }
}

extension Substring {
  fileprivate var trimmingSpaces: String {
    String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
  }
}

@Suite struct `The example environment` {
  @Test func `has a row for each variable and none for others`() throws {
    let rows = try ExampleRow.all()
    #expect(rows.map(\.name).sorted() == SettingName.allCases.map(\.rawValue).sorted())
    for row in rows {
      #expect(row.aliases == SettingName(rawValue: row.name)?.aliases, "\(row.name)")
    }
  }

  @Test func `names the defaults that are in effect`() throws {
    let effective = try settings().effective
    for row in try ExampleRow.all() {
      let setting = try #require(effective.first { $0.name.rawValue == row.name }, "\(row.name)")
      guard setting.isDefault else { continue }
      let text = setting.text.flatMap { $0.isEmpty ? nil : $0 } ?? "none"
      switch setting.name {
      case .dataDirectory: #expect(row.fallback.hasSuffix(text) || row.fallback.hasPrefix(text))
      default: #expect(row.fallback == text, "\(row.name)")
      }
    }
  }

  @Test func `holds examples that are accepted`() throws {
    let environment = Dictionary(
      uniqueKeysWithValues: try ExampleRow.all()
        .filter { !$0.example.hasPrefix("/etc/") }
        .map { ($0.name, $0.example) })
    _ = try settings(environment.mapValues { Optional($0) })
  }

  @Test func `each setting is read, and shown once`() throws {
    let shown = try settings().effective.map(\.name)
    #expect(shown.count == SettingName.allCases.count)
    #expect(Set(shown) == Set(SettingName.allCases))
  }
}
