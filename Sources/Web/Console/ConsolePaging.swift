import Base

/// A list that is looked through page by page: its filters, and the links to other pages.
struct ConsolePaging: Sendable {
  static let perPage = 50

  let path: String
  /// The filters that are set.
  let chosen: [(String, String)]
  let after: String?
  /// All filters by their name, for the form.
  private let given: [String: String]

  init(_ request: ConsoleRequest, path: String, filters: [String]) {
    self.path = path
    chosen = request.query.only(filters)
    after = request.query["after"]
    given = Dictionary(chosen, uniquingKeysWith: { first, _ in first })
  }

  /// What the API is asked.
  func query(_ fixed: [(String, String)] = []) -> [(String, String)] {
    chosen + fixed + [("limit", String(Self.perPage))] + (after.map { [("after", $0)] } ?? [])
  }

  /// What a page of the list says; `rows` are what `found` holds.
  func values(_ found: JSONValue, _ noun: String, _ rows: [PageValues]) -> PageValues {
    var values: PageValues = [
      "rows": rows, "hasRows": !rows.isEmpty, "isFiltered": !chosen.isEmpty,
      "count": ConsoleWords.count(rows.count, noun), "listPath": path,
      "isCut": rows.isEmpty && found["next"]?.string != nil,
    ]
    for (name, value) in given { values["f_" + name] = value }
    if after != nil { values["firstPage"] = ConsoleLink.make(path, chosen) }
    if let next = found["next"]?.string {
      values["nextPage"] = ConsoleLink.make(path, chosen + [("after", next)])
    }
    return values
  }

  /// The options of a choice.
  func options(_ name: String, _ words: [String]) -> [PageValues] {
    words.map { ["option": $0, "isChosen": given[name] == $0] }
  }
}
