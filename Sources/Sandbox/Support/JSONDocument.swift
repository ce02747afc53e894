import Base

extension JSONValue {
  /// This object with the member set; a new name goes to the end.
  func setting(_ name: String, _ value: JSONValue) -> JSONValue {
    guard case .object(var members) = self else { return .object([Member(name, value)]) }
    if let index = members.firstIndex(where: { $0.name == name }) {
      members[index] = Member(name, value)
    } else {
      members.append(Member(name, value))
    }
    return .object(members)
  }

  /// This object with those members of `changes` that it already has, or that `names` lists.
  func merging(_ changes: JSONValue, except locked: Set<String> = ["id"]) -> JSONValue {
    var merged = self
    for member in changes.members ?? []
    where !locked.contains(member.name) && self[member.name] != nil {
      merged = merged.setting(member.name, member.value)
    }
    return merged
  }

  /// This object without the named members.
  func removing(_ names: Set<String>) -> JSONValue {
    guard case .object(let members) = self else { return self }
    return .object(members.filter { !names.contains($0.name) })
  }

  /// This object with only the named members.
  func keeping(_ names: Set<String>) -> JSONValue {
    guard case .object(let members) = self else { return self }
    return .object(members.filter { names.contains($0.name) })
  }

  /// The integer of a number, or of a string that holds one, as V2 accepts them.
  var lenientInteger: Int64? { integer ?? string.flatMap { Int64($0) } }

  /// The decimal of a number, or of a string that holds one.
  var lenientDecimal: Double? {
    if case .number(let text) = self { return Double(text) }
    return string.flatMap { Double($0) }
  }

  /// A price or weight without a needless fraction: `12`, `12.5`.
  static func decimal(_ value: Double) -> JSONValue {
    let rounded = (value * 10000).rounded() / 10000
    return rounded == rounded.rounded() && abs(rounded) < 1e15
      ? .integer(Int64(rounded)) : .number("\(rounded)")
  }

  /// A V2 amount: a string with four decimals.
  static func amount(_ value: Double) -> JSONValue {
    let tenThousandths = Int64((abs(value) * 10000).rounded())
    let fraction = String(tenThousandths % 10000)
    return .string(
      (value < 0 ? "-" : "") + String(tenThousandths / 10000) + "."
        + String(repeating: "0", count: 4 - fraction.utf8.count) + fraction)
  }

  /// Text as a filter compares it: strings bare, numbers and booleans as JSON writes them.
  var filterText: String {
    string ?? text
  }
}
