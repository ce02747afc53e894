import Base

/// Paths as a tree of their segments, in flat arrays.
struct SegmentTree: Sendable {
  /// One path, `{name}` standing for any one segment, and what its columns point to.
  struct Entry {
    let path: Substring
    let columns: [Int?]
  }

  private struct Node {
    /// The node's literal children, as a range of ``edges``, ascending by their bytes.
    var literals = 0..<0
    /// The node for any other segment, or -1.
    var template: Int32 = -1
    var columns: (Int16, Int16, Int16, Int16) = (-1, -1, -1, -1)
    var isPath = false
  }

  private struct Edge {
    /// A range of ``names``.
    let name: Range<Int32>
    let node: Int32
  }

  private enum Match {
    case node(Int)
    case none
    /// A lenient reader might see another path than we do.
    case ambiguous
  }

  private var nodes: [Node] = []
  private var edges: [Edge] = []
  /// The literals' bytes, one behind the other.
  private var names: [UInt8] = []

  init(_ entries: [Entry]) {
    let root = Draft()
    for entry in entries {
      root.insert(entry.path.split(separator: "/")[...], columns: entry.columns)
    }
    _ = add(root)
  }

  /// The node of the path that matches best, or `nil`.
  func find(_ path: borrowing Span<UInt8>) -> Int? {
    var end = path.count
    for index in 0..<end where path[index] == UInt8(ascii: "?") {
      end = index
      break
    }
    if end > 1 && path[end - 1] == UInt8(ascii: "/") { end -= 1 }
    guard end > 1, path[0] == UInt8(ascii: "/") else { return nil }
    guard case .node(let node) = find(from: 0, path, start: 1, end: end) else { return nil }
    return node
  }

  /// What the column of a node points to.
  func place(node: Int, column: Int) -> Int? {
    let columns = nodes[node].columns
    let place =
      switch column {
      case 0: columns.0
      case 1: columns.1
      case 2: columns.2
      default: columns.3
      }
    return place < 0 ? nil : Int(place)
  }

  private func find(from node: Int, _ path: borrowing Span<UInt8>, start: Int, end: Int) -> Match {
    var stop = start
    while stop < end && path[stop] != UInt8(ascii: "/") { stop += 1 }
    guard stop > start else { return .none }
    let isLast = stop == end
    let segment = start..<(isLast ? withoutEnding(path, start: start, end: end) : stop)
    switch literal(of: node, path, segment) {
    case .ambiguous: return .ambiguous
    case .node(let child):
      let match = follow(child, path, isLast: isLast, stop: stop, end: end)
      if case .none = match { break }
      return match
    case .none: break
    }
    let template = nodes[node].template
    guard template >= 0 else { return .none }
    return follow(Int(template), path, isLast: isLast, stop: stop, end: end)
  }

  private func follow(
    _ node: Int, _ path: borrowing Span<UInt8>, isLast: Bool, stop: Int, end: Int
  ) -> Match {
    if isLast { return nodes[node].isPath ? .node(node) : .none }
    return find(from: node, path, start: stop + 1, end: end)
  }

  /// The child whose name the segment is.
  private func literal(
    of node: Int, _ path: borrowing Span<UInt8>, _ segment: Range<Int>
  ) -> Match {
    var isAmbiguous = false
    for index in nodes[node].literals {
      switch compare(edges[index].name, path, segment) {
      case .same: return .node(Int(edges[index].node))
      case .similar: isAmbiguous = true
      case .different: break
      }
    }
    return isAmbiguous ? .ambiguous : .none
  }

  private enum Likeness {
    case same, similar, different
  }

  /// How a segment compares with a literal: similar when equal but for case, encoding or an ending
  /// such as `.xml`.
  private func compare(
    _ literal: Range<Int32>, _ path: borrowing Span<UInt8>, _ segment: Range<Int>
  ) -> Likeness {
    var position = segment.lowerBound
    var isExact = true
    for place in literal {
      let expected = names[Int(place)]
      guard position < segment.upperBound else { return .different }
      var byte = path[position]
      position += 1
      if byte == expected { continue }
      isExact = false
      if byte == UInt8(ascii: "%") {
        guard let decoded = decoded(path, position, segment.upperBound) else { return .different }
        byte = decoded
        position += 2
      }
      guard byte.lowercased == expected else { return .different }
    }
    if position == segment.upperBound { return isExact ? .same : .similar }
    return path[position].continuesName ? .different : .similar
  }

  private func decoded(_ path: borrowing Span<UInt8>, _ position: Int, _ end: Int) -> UInt8? {
    guard position + 1 < end, let high = path[position].hexadecimalValue,
      let low = path[position + 1].hexadecimalValue
    else { return nil }
    return high << 4 | low
  }

  /// Where the last segment ends when its `.json` is left out.
  private func withoutEnding(_ path: borrowing Span<UInt8>, start: Int, end: Int) -> Int {
    let ending: StaticString = ".json"
    guard end - start > ending.utf8CodeUnitCount,
      path[end - 5] == UInt8(ascii: "."), path[end - 4] == UInt8(ascii: "j"),
      path[end - 3] == UInt8(ascii: "s"), path[end - 2] == UInt8(ascii: "o"),
      path[end - 1] == UInt8(ascii: "n")
    else { return end }
    return end - 5
  }
}

extension SegmentTree {
  /// The tree while it grows.
  private final class Draft {
    var literals: [Substring: Draft] = [:]
    var template: Draft?
    var columns: [Int?]?

    /// Paths that differ only in the names of their templates share a node, and so their columns.
    func insert(_ segments: ArraySlice<Substring>, columns: [Int?]) {
      guard let first = segments.first else {
        self.columns = self.columns.map { zip($0, columns).map { $0 ?? $1 } } ?? columns
        return
      }
      let next: Draft
      if first.hasPrefix("{") {
        next = template ?? Draft()
        template = next
      } else {
        next = literals[first] ?? Draft()
        literals[first] = next
      }
      next.insert(segments.dropFirst(), columns: columns)
    }
  }

  /// Lays out a node and what is below it.
  private mutating func add(_ draft: Draft) -> Int {
    let index = nodes.count
    nodes.append(Node())
    let template = draft.template.map { Int32(add($0)) }
    let children = draft.literals.sorted { $0.key < $1.key }.map { literal, draft in
      let start = Int32(names.count)
      names += literal.utf8
      return Edge(name: start..<Int32(names.count), node: Int32(add(draft)))
    }
    nodes[index].literals = edges.count..<(edges.count + children.count)
    edges += children
    nodes[index].template = template ?? -1
    if let columns = draft.columns {
      let places = columns.map { Int16($0 ?? -1) }
      nodes[index].columns = (places[0], places[1], places[2], places[3])
      nodes[index].isPath = true
    }
    return index
  }
}

extension UInt8 {
  fileprivate var lowercased: UInt8 {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self) ? self | 0x20 : self
  }

  /// Whether a name with this byte after it is another name: letters, digits, `-` and `_`.
  fileprivate var continuesName: Bool {
    switch self {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
      true
    default: false
    }
  }

  fileprivate var hexadecimalValue: UInt8? { Hex.value(self) }
}
