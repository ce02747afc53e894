import Base
import BigCommerce
import HTTPTypes
import Storage

/// The fleet: stores are listed, downloaded, and acted on in numbers.
struct StoresPages: Sendable {
  /// The filters that the address carries, as the API names them.
  static let filters = [
    "q", "state", "problem", "health", "scope", "missing_scope", "app", "label",
  ]
  /// Those that the page folds away while none is set.
  private static let rarer = ["scope", "missing_scope", "app", "label"]
  private static let sizes = [50, 200, 1000]

  let acts: StoreActs
  let store: StorePage

  var section: ConsoleSection {
    ConsoleSection(
      title: "Stores", path: "stores", ability: .storesRead,
      routes: [
        ConsoleRoute(.get, "stores", ability: .storesRead) { request throws(Problem) in
          try await list(request)
        },
        ConsoleRoute(.get, "stores.csv", ability: .storesRead) { request throws(Problem) in
          .other(try await StoresDownload(request).response(.csv))
        },
        ConsoleRoute(.get, "stores.json", ability: .storesRead) { request throws(Problem) in
          .other(try await StoresDownload(request).response(.json))
        },
      ] + acts.routes + store.routes)
  }

  private func list(_ request: ConsoleRequest) async throws(Problem) -> ConsoleAnswer {
    let filters = request.query.only(Self.filters)
    let view = request.query.only(["sort", "limit"])
    let size = Self.sizes.first { String($0) == request.query["limit"] } ?? Self.sizes[0]
    var query = filters + request.query.only(["sort", "after"])
    query.append(("limit", String(size)))
    let found = try await request.api.get("/v1/stores", query)
    let stores = found["data"]?.array ?? []
    var values: PageValues = [
      "stores": stores.map(Self.row), "hasStores": !stores.isEmpty,
      "isFiltered": !filters.isEmpty,
      "hasMore": !request.query.only(Self.rarer).isEmpty,
      "count": ConsoleWords.count(stores.count, "store"),
      "states": options(["active", "suspended", "revoked", "uninstalled"], request.query["state"]),
      "problems": options(StoreProblem.allCases.map(\.rawValue), request.query["problem"]),
      "healths": options(
        StoreHealth.allCases.map(\.rawValue) + ["unknown"], request.query["health"]),
      "sizes": options(Self.sizes.map(String.init), String(size)),
      "columns": columns(filters, request.query["sort"] ?? "store", size),
      "csv": ConsoleLink.make("/console/stores.csv", filters + request.query.only(["sort"])),
      "json": ConsoleLink.make("/console/stores.json", filters + request.query.only(["sort"])),
      "mayAct": request.may(.storesWrite),
    ]
    for (name, value) in filters { values["f_" + name] = value }
    values["sort"] = request.query["sort"]
    if request.query["after"] != nil {
      values["firstPage"] = ConsoleLink.make("/console/stores", filters + view)
    }
    if let next = found["next"]?.string {
      values["nextPage"] = ConsoleLink.make("/console/stores", filters + view + [("after", next)])
    }
    return .page(ConsolePage("stores", title: "Stores", values))
  }

  private func options(_ words: [String], _ chosen: String?) -> [PageValues] {
    words.map { ["option": $0, "isChosen": $0 == chosen] }
  }

  /// The columns' heads; a sorted one leads to its reverse.
  private func columns(
    _ filters: [(String, String)], _ sort: String, _ size: Int
  ) -> [PageValues] {
    let columns: [(String, String?)] = [
      ("Store", "store"), ("App", nil), ("State", "state"), ("Health", nil), ("Labels", nil),
      ("Scopes", nil), ("Webhooks", nil), ("Last call", nil), ("Installed", "installed_at"),
    ]
    return columns.map { title, key in
      guard let key else { return ["columnTitle": title] }
      var query = filters
      if size != Self.sizes[0] { query.append(("limit", String(size))) }
      query.append(("sort", sort == key ? "-" + key : key))
      var column: PageValues = [
        "columnTitle": title, "columnLink": ConsoleLink.make("/console/stores", query),
      ]
      if sort == key { column["sorted"] = "ascending" }
      if sort == "-" + key { column["sorted"] = "descending" }
      return column
    }
  }

  /// One row of the list.
  private static func row(_ store: JSONValue) -> PageValues {
    let missing = ConsoleWords.texts(store["missing_scopes"])
    let app = store["app"]?.string ?? ""
    let hash = store["store_hash"]?.string ?? ""
    var row: PageValues = [
      "hash": hash, "rowApp": app, "named": "\(app)/\(hash)",
      "href": StoreName(app: app, hash: hash).path,
      "state": ConsoleWords.state(store["state"]?.string ?? ""),
      "labels": ConsoleWords.texts(store["labels"]),
      "hasDrift": !missing.isEmpty, "missing": missing.joined(separator: ", "),
      "missingCount": missing.count, "hooks": ConsoleWords.hooks(store["hooks"]),
      "health": ConsoleWords.health(store),
    ]
    row["rowName"] = store["name"]?.string ?? store["domain"]?.string
    row["installed"] = ConsoleWords.moment(store["installed_at"])
    row["called"] = ConsoleWords.moment(store["last_call_at"])
    return row
  }
}

/// A store as the console's addresses and forms name it.
struct StoreName: Hashable, Sendable {
  let app: String
  let hash: String

  init(app: String, hash: String) {
    self.app = app
    self.hash = hash
  }

  /// Reads `app/hash`; `nil` for what cannot be one.
  init?(_ text: String) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2, AppName(parts[0]) != nil, StoreHash(parts[1]) != nil else { return nil }
    self.init(app: parts[0], hash: parts[1])
  }

  var text: String { "\(app)/\(hash)" }
  /// The store's page.
  var path: String { "/console/stores/\(app)/\(hash)" }
  /// The store's address in the API; the app goes into the query.
  var resource: String { "/v1/stores/\(hash)" }
  var query: [(String, String)] { [("app", app)] }

  var installation: InstallationID? {
    guard let app = AppName(app), let store = StoreHash(hash) else { return nil }
    return InstallationID(app: app, store: store)
  }
}
