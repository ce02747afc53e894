import Base

/// Documents of one kind, in the order of their IDs.
struct Table: Sendable {
  /// Documents a table holds at most, so that a runaway test cannot fill the memory.
  static let limit = 20_000

  private(set) var rows: [JSONValue] = []
  private var ids: [Int64] = []
  private(set) var nextID: Int64

  init(firstID: Int64 = 1) {
    nextID = firstID
  }

  var isFull: Bool { rows.count >= Table.limit }

  /// The document with that ID.
  subscript(_ id: Int64) -> JSONValue? {
    position(of: id).map { rows[$0] }
  }

  /// Keeps the document under the next ID, which it gets as member `id`, and returns it.
  mutating func insert(_ document: JSONValue) -> JSONValue {
    let kept = document.setting("id", .integer(nextID))
    rows.append(kept)
    ids.append(nextID)
    nextID += 1
    return kept
  }

  /// Puts the document in the place of the one with that ID, if there is one.
  mutating func replace(_ id: Int64, with document: JSONValue) {
    guard let position = position(of: id) else { return }
    rows[position] = document
  }

  @discardableResult
  mutating func remove(_ id: Int64) -> JSONValue? {
    guard let position = position(of: id) else { return nil }
    ids.remove(at: position)
    return rows.remove(at: position)
  }

  mutating func removeAll(where isUnwanted: (JSONValue) -> Bool) {
    let kept = zip(ids, rows).filter { !isUnwanted($0.1) }
    ids = kept.map(\.0)
    rows = kept.map(\.1)
  }

  func contains(where matches: (JSONValue) -> Bool) -> Bool { rows.contains(where: matches) }

  private func position(of id: Int64) -> Int? {
    var low = 0
    var high = ids.count
    while low < high {
      let middle = (low + high) / 2
      if ids[middle] < id { low = middle + 1 } else { high = middle }
    }
    return low < ids.count && ids[low] == id ? low : nil
  }
}
