package import HTTPTypes

/// BigCommerce's endpoints under `/stores/{hash}`, and the scopes that each needs.
///
/// A lookup walks a tree of path segments in flat arrays: no allocation, under a microsecond. The
/// tree is built from text literals in the source and not from a resource: they are read in a diff,
/// need no build plug-in, and cannot be missing at run time.
package struct EndpointTable: Sendable {
  private let tree: SegmentTree
  private let rules: [EndpointRule]
  /// Lines of the source text that could not be read; a test holds it empty.
  let unreadableLines: [String]
  /// All that it lists, in the order of the source.
  package let paths: [EndpointPath]

  /// The table of this build.
  package static let shared = EndpointTable(families: families, rows: [rowsV2, rowsV3])

  /// The rule for a method on a path relative to the store, for example `GET` and
  /// `/v3/catalog/products/12`.
  ///
  /// `HEAD` counts as `GET`. Literal segments match before templates, and the path alone chooses
  /// the resource: a method that the best match does not list is not listed, though a template may
  /// list it. One trailing slash and the ending `.json` do not matter. A segment that some lenient
  /// reader could take for a literal (other case, percent-encoded, another ending) matches nothing,
  /// so that it cannot pass under a template's rule.
  /// - Returns: `nil` when the table does not list it.
  package func rule(method: HTTPRequest.Method, path: Substring) -> EndpointRule? {
    guard let column = EndpointTable.column(of: method) else { return nil }
    let node = tree.find(path.utf8.span)
    guard let node, let place = tree.place(node: node, column: column) else { return nil }
    return rules[place]
  }

  package func rule(method: HTTPRequest.Method, path: String) -> EndpointRule? {
    rule(method: method, path: path[...])
  }

  /// Where a method's rule stands in a node; `nil` for methods that no endpoint has.
  static func column(of method: HTTPRequest.Method) -> Int? {
    switch method {
    case .get, .head: 0
    case .post: 1
    case .put: 2
    case .delete: 3
    default: nil
    }
  }
}

/// A path of the table, and the methods that it lists for it.
package struct EndpointPath: Sendable {
  /// `{name}` stands for any one segment.
  package let path: String
  /// In the order GET, POST, PUT, DELETE.
  package let rules: [(method: HTTPRequest.Method, rule: EndpointRule)]
}

extension EndpointTable {
  /// Reads the text form that `make_endpoint_rows.py` writes.
  init(families: String, rows: [String]) {
    var reader = RowReader()
    families.split(separator: "\n").forEach { reader.readFamily($0) }
    rows.forEach { $0.split(separator: "\n").forEach { reader.readRow($0) } }
    tree = SegmentTree(reader.entries)
    rules = reader.rules
    paths = reader.entries.map { [rules = reader.rules] entry in
      EndpointPath(
        path: String(entry.path),
        rules: zip([.get, .post, .put, .delete], entry.columns).compactMap { method, place in
          place.map { (method, rules[$0]) }
        })
    }
    unreadableLines = reader.unreadable
  }
}

/// Collects rules and paths from the lines of the source text.
private struct RowReader {
  var rules: [EndpointRule] = []
  var entries: [SegmentTree.Entry] = []
  var unreadable: [String] = []
  private var families: [Substring: (read: EndpointRule.Need, modify: EndpointRule.Need)] = [
    "*": (.anyToken, .anyToken), "?": (.unknown, .unknown),
  ]
  private var places: [EndpointRule: Int] = [:]

  /// `name reading scopes | modifying scopes`.
  mutating func readFamily(_ line: Substring) {
    let sides = line.split(separator: "|")
    guard sides.count == 2, let end = sides[0].firstIndex(of: " ") else {
      unreadable.append(String(line))
      return
    }
    families[sides[0][..<end]] = (need(sides[0][end...]), need(sides[1]))
  }

  private func need(_ text: Substring) -> EndpointRule.Need {
    let scopes = Scopes(parsing: text)
    return scopes.names == ["-"] ? .impossible : .anyOf(scopes)
  }

  /// `path methods family source [methods family source …]`.
  mutating func readRow(_ line: Substring) {
    var words = line.split(separator: " ")[...]
    guard let path = words.popFirst(), path.hasPrefix("/"), !words.isEmpty,
      words.count.isMultiple(of: 3)
    else {
      unreadable.append(String(line))
      return
    }
    var columns: [Int?] = [nil, nil, nil, nil]
    while let methods = words.popFirst(), let name = words.popFirst(), let kind = words.popFirst() {
      guard let family = families[name], let letter = kind.first,
        let source = EndpointRule.Source(rawValue: letter)
      else {
        unreadable.append(String(line))
        return
      }
      for (column, method) in "GPUD".enumerated() where methods.contains(method) {
        columns[column] = place(
          of: EndpointRule(need: column == 0 ? family.read : family.modify, source: source))
      }
    }
    entries.append(.init(path: path, columns: columns))
  }

  private mutating func place(of rule: EndpointRule) -> Int {
    if let place = places[rule] { return place }
    rules.append(rule)
    places[rule] = rules.count - 1
    return rules.count - 1
  }
}
