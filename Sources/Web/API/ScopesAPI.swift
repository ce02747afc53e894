package import Base
import BigCommerce
import HTTPTypes
import Postgres
package import Storage

/// `/v1/scopes/drift`: which stores have not granted what is required, or would be.
package struct ScopesAPI: Sendable {
  let drift: ScopeDrift
  let listing: StoreListing
  let apps: [AppName]

  package init(drift: ScopeDrift, listing: StoreListing, apps: [AppName]) {
    self.drift = drift
    self.listing = listing
    self.apps = apps
  }

  package var routes: [APIRoute] {
    [
      APIRoute(.showDrift) { request throws(Problem) in try await read(request) }
    ]
  }

  private func read(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let app = try request.query.onlyApp(of: request.caller, among: apps)
    let asked = try await asked(request, app)
    let granted = request.caller.grant.stores
    let summary = try await stored { () throws(PostgresError) in
      try await drift.summary(of: app, requiring: asked, among: granted)
    }
    guard let summary else { throw .unknown("app") }
    let wanted = asked ?? summary.required
    var filter = StoreFilter()
    filter.app = app
    filter.granted = granted
    let isMet: Bool? =
      switch try request.query.word("status", DriftStatus.self) {
      case nil, .missing: false
      case .granted: true
      case .all: nil
      }
    let coverage = ScopeCoverage(scopes: wanted, isMet: isMet)
    let limit = try request.query.limit()
    let after = try request.query.after(StoreCursor.init(_:))
    let found = try await stored { [filter] () throws(PostgresError) in
      try await listing.list(
        filter, covering: coverage, after: after?.installation, limit: limit + 1)
    }
    let page = found.prefix(limit)
    let next = found.count > limit ? page.last.map { StoreCursor($0.installation).text } : nil
    return APIAnswer(
      .object(
        summary.members(app, wanted) + [
          .init(
            "data", .array(page.map { $0.drift(from: wanted, summary, isAsked: asked != nil) })),
          .init("next", next.map { .string($0) } ?? .null),
        ]))
  }

  /// The scopes to compare with; `nil` for those that the settings require.
  private func asked(
    _ request: APIRequest, _ app: AppName
  ) async throws(Problem) -> Scopes? {
    let given = try request.query["scopes"].map { (text) throws(Problem) in
      try Scopes(asked: text, "scopes")
    }
    guard let also = request.query["also"] else { return given }
    let more = try Scopes(asked: also, "also")
    if let given { return given.union(more) }
    let current = try await stored { () throws(PostgresError) in
      try await drift.summary(of: app, requiring: Scopes.none, among: .only([]))
    }
    return (current?.required ?? .none).union(more)
  }
}

/// Which stores to list.
enum DriftStatus: String, CaseIterable {
  case missing, granted, all
}

extension Scopes {
  /// Scopes of a query parameter, with spaces or commas between.
  fileprivate init(asked text: String, _ name: String) throws(Problem) {
    let scopes = Scopes(parsing: text)
    guard !scopes.isEmpty, scopes.names.count <= 64,
      scopes.names.allSatisfy({ $0.utf8.count <= 128 && $0.utf8.allSatisfy(\.isOfScope) })
    else {
      throw .badRequest(
        "The query parameter \(name) names 1 to 64 scopes such as store_v2_orders, with spaces or commas between."
      )
    }
    self = scopes
  }
}

extension UInt8 {
  /// Whether scopes' names are written with it.
  fileprivate var isOfScope: Bool {
    switch self {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
      UInt8(ascii: "_"):
      true
    default: false
    }
  }
}

extension APIQuery {
  /// The app that is meant: the one named, the key's, the only one, or `default`.
  func onlyApp(of caller: APICaller, among apps: [AppName]) throws(Problem) -> AppName {
    if let named = try tenant(of: caller).app { return named }
    if apps.count == 1 { return apps[0] }
    guard apps.contains(.default) else {
      throw .badRequest(
        "The query parameter app is one of: \(apps.map(\.text).joined(separator: ", ")).")
    }
    return .default
  }
}

extension ScopeDriftSummary {
  fileprivate func members(_ app: AppName, _ wanted: Scopes) -> [JSONValue.Member] {
    [
      .init("app", .string(app.text)),
      .init("scopes", .names(of: wanted)),
      .init("required_scopes", .names(of: required)),
      .init("required_scopes_changed_at", .time(requiredSince)),
      .init("installed", .integer(installed)),
      .init("missing", .integer(missing)),
      .init(
        "by_scope",
        .array(
          standings.map {
            [
              "scope": .string($0.scope), "granted": .integer($0.granted),
              "missing": .integer($0.missing),
            ]
          })),
    ]
  }
}

extension StoreRecord {
  /// The store beside scopes; `since_at` is when what is missing began to be, `null` for scopes
  /// that are not required.
  fileprivate func drift(
    from wanted: Scopes, _ summary: ScopeDriftSummary, isAsked: Bool
  ) -> JSONValue {
    let missing = scopes.missing(of: wanted)
    let since = missing.isEmpty || isAsked ? nil : max(summary.requiredSince, tokenStoredAt)
    return [
      "store_hash": .string(installation.store.text), "app": .string(installation.app.text),
      "state": .string(state.rawValue), "scopes": .names(of: scopes),
      "missing_scopes": .names(of: missing), "since_at": .time(since),
      "token_stored_at": .time(tokenStoredAt),
    ]
  }
}
