import Base

/// Rows for people, in columns as wide as their widest cell.
struct Table: Equatable {
  let columns: [String]
  private(set) var rows: [[String]] = []

  init(_ columns: [String]) {
    self.columns = columns
  }

  /// Adds a row; missing cells are empty, an empty cell shows as `-`.
  mutating func add(_ cells: [String]) {
    rows.append(cells.map(Table.printable))
  }

  /// The table, its header in bold where there is colour.
  func text(color: Bool) -> String {
    let widths = columns.indices.map { column in
      ([columns[column]] + rows.map { cell($0, column) }).map(\.count).max() ?? 0
    }
    let header = line(columns, widths)
    let lines = rows.map { row in line(columns.indices.map { cell(row, $0) }, widths) }
    return ([color ? "\u{1B}[1m\(header)\u{1B}[0m" : header] + lines).joined(separator: "\n")
  }

  /// Names and values under each other, for one thing.
  static func facts(_ facts: [(String, String)], color: Bool) -> String {
    let width = facts.map(\.0.count).max() ?? 0
    return facts.map { name, value in
      let shown = padded(name, width)
      let text = printable(value)
      return (color ? "\u{1B}[1m\(shown)\u{1B}[0m" : shown) + "  " + (text.isEmpty ? "-" : text)
    }.joined(separator: "\n")
  }

  /// The text without anything that a terminal would obey.
  ///
  /// Names come from elsewhere, and could hold escape sequences.
  static func printable(_ text: String) -> String {
    String(
      String.UnicodeScalarView(
        text.unicodeScalars.map { scalar in
          switch scalar.properties.generalCategory {
          case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: "\u{FFFD}"
          default: scalar
          }
        }))
  }

  private func cell(_ row: [String], _ column: Int) -> String {
    column < row.count && !row[column].isEmpty ? row[column] : "-"
  }

  private func line(_ cells: [String], _ widths: [Int]) -> String {
    var text = ""
    for (index, cell) in cells.enumerated() {
      // Nothing after the last cell, so that lines do not end in spaces.
      text += index == cells.count - 1 ? cell : Table.padded(cell, widths[index]) + "  "
    }
    return text
  }

  private static func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }
}

extension Console {
  /// Shows a piece of a list, and how to go on.
  func page(
    _ rows: [JSONValue], next: String?, asJSON: Bool, none: String, more: String = "Older ones",
    _ table: ([JSONValue]) -> Table
  ) throws {
    guard !asJSON else {
      let list: JSONValue = ["data": .array(rows), "next": next.map { .string($0) } ?? .null]
      return try line(list.prettyText)
    }
    if rows.isEmpty {
      note(none)
    } else {
      try line(table(rows).text(color: hasColor))
    }
    if let next { note("\(more): --after \(Table.printable(next))") }
  }

  /// The same with a column for each of some members, beside its title.
  func page(
    _ rows: [JSONValue], next: String?, asJSON: Bool, none: String,
    _ columns: [(name: String, title: String)]
  ) throws {
    try page(rows, next: next, asJSON: asJSON, none: none) { rows in
      var table = Table(columns.map(\.title))
      for row in rows { table.add(columns.map { row.shown($0.name) }) }
      return table
    }
  }
}
