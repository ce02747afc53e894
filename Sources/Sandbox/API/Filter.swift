import Base

/// Filters, sorting and field selection of list calls.
struct Filter: Sendable {
  /// Fields that may be filtered on with `field`, `field:in`, `field:min` and so on.
  let fields: Set<String>

  /// The documents that pass every filter of the query.
  func apply(_ query: Query, to rows: [JSONValue]) throws(APIFailure) -> [JSONValue] {
    var rows = rows
    for item in query.items {
      let parts = item.name.split(separator: ":", maxSplits: 1)
      guard let field = parts.first.map(String.init), fields.contains(field) else { continue }
      guard let test = Comparison(parts.count > 1 ? String(parts[1]) : "", item.value) else {
        throw .invalid(item.name, "unknown operator")
      }
      rows = rows.filter { test.holds(for: $0[field]) }
    }
    return sorted(rows, query)
  }

  private func sorted(_ rows: [JSONValue], _ query: Query) -> [JSONValue] {
    // `sort=date_modified:desc`, or with a parameter of its own.
    let words = (query["sort"] ?? "").split(separator: ":")
    guard let field = words.first.map(String.init), fields.contains(field) else { return rows }
    let descending = (words.dropFirst().first.map(String.init) ?? query["direction"]) == "desc"
    return rows.sorted { left, right in
      guard let a = left[field], let b = right[field] else { return false }
      let isBefore: Bool
      if let x = a.lenientDecimal, let y = b.lenientDecimal {
        isBefore = descending ? x > y : x < y
      } else {
        isBefore = descending ? a.filterText > b.filterText : a.filterText < b.filterText
      }
      return isBefore
    }
  }

  /// `include_fields` and `exclude_fields`; the ID always stays.
  static func project(_ rows: [JSONValue], _ query: Query) -> [JSONValue] {
    if let names = query["include_fields"] {
      let kept = Set(names.split(separator: ",").map(String.init)).union(["id"])
      return rows.map { $0.keeping(kept) }
    }
    if let names = query["exclude_fields"] {
      let dropped = Set(names.split(separator: ",").map(String.init)).subtracting(["id"])
      return rows.map { $0.removing(dropped) }
    }
    return rows
  }
}

/// One comparison of a filter.
private struct Comparison {
  private let operation: String
  private let wanted: String
  private let set: Set<Substring>

  init?(_ operation: String, _ wanted: String) {
    guard ["", "in", "not_in", "min", "max", "greater", "less", "like", "not"].contains(operation)
    else { return nil }
    self.operation = operation
    self.wanted = wanted
    set = Set(wanted.split(separator: ","))
  }

  func holds(for value: JSONValue?) -> Bool {
    guard let value else { return false }
    if let values = value.array {
      return values.contains { holds(for: $0) }
    }
    let text = value.filterText
    switch operation {
    case "in": return set.contains(text[...])
    case "not_in": return !set.contains(text[...])
    case "not": return text != wanted
    case "like":
      let needle = wanted.filter { $0 != "%" }.lowercased()
      return text.lowercased().contains(needle)
    case "min":
      return compare(value, text) {
        $0 >= $1
      } text: {
        $0 >= $1
      }
    case "max":
      return compare(value, text) {
        $0 <= $1
      } text: {
        $0 <= $1
      }
    case "greater":
      return compare(value, text) {
        $0 > $1
      } text: {
        $0 > $1
      }
    case "less":
      return compare(value, text) {
        $0 < $1
      } text: {
        $0 < $1
      }
    default:
      return text == wanted || (value.bool != nil && wanted == (value.bool == true ? "1" : "0"))
    }
  }

  /// Numbers by value, dates by their moment however they are written, words by their text.
  private func compare(
    _ value: JSONValue, _ valueText: String, number: (Double, Double) -> Bool,
    text: (String, String) -> Bool
  ) -> Bool {
    if let left = value.lenientDecimal, let right = Double(wanted) { return number(left, right) }
    if let left = CalendarText.parse(valueText), let right = CalendarText.parse(wanted) {
      return number(Double(left.seconds), Double(right.seconds))
    }
    return text(valueText, wanted)
  }
}
