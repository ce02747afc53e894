/// What one statement answered.
package struct QueryResult: Sendable {
  /// The rows, in the server's order; empty for a statement that gives none.
  package let rows: [Row]
  /// How many rows the statement read or changed, as its command tag says.
  package let affected: Int
  /// The command tag, for example `INSERT 0 1`.
  let tag: String
}

/// One row of an answer.
package struct Row: Sendable {
  let table: ResultTable
  let index: Int

  /// The value of a column.
  ///
  /// - Throws: ``PostgresError/decoding(column:expected:)`` when there is no such column, when its
  ///   type does not fit, or when it is NULL and `T` is no `Optional`.
  package func decode<T: PostgresDecodable>(
    _ column: String, as: T.Type = T.self
  ) throws(PostgresError) -> T {
    guard let position = table.positions[column] else {
      throw .decoding(column: column, expected: "a column of that name")
    }
    guard let value = T.decode(table.cell(row: index, column: position)) else {
      throw .decoding(column: column, expected: T.expected)
    }
    return value
  }
}

/// The cells of an answer, copied out of libpq's memory.
final class ResultTable: Sendable {
  /// Where each column is; of several with one name the first.
  let positions: [String: Int]
  private let types: [PostgresType]
  private let bytes: [UInt8]
  /// By row and column: where the cell ends; negative for NULL.
  ///
  /// It begins where the one before it ended.
  private let ends: [Int]

  /// In `ends`, NULL is the complement (`~`) of the place where it would end.
  init(columns: [(name: String, type: PostgresType)], bytes: [UInt8], ends: [Int]) {
    positions = Dictionary(
      columns.enumerated().map { ($0.element.name, $0.offset) },
      uniquingKeysWith: { first, _ in first })
    types = columns.map(\.type)
    self.bytes = bytes
    self.ends = ends
  }

  func cell(row: Int, column: Int) -> Cell {
    let place = row * types.count + column
    guard ends[place] >= 0 else { return Cell(type: types[column], bytes: nil) }
    let start = place == 0 ? 0 : ends[place - 1]
    return Cell(type: types[column], bytes: bytes[(start < 0 ? ~start : start)..<ends[place]])
  }
}
