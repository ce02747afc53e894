package import Base
import BigCommerce
import HTTPTypes
import Postgres
package import Storage
package import Upstream

/// `/v1/stores`: the fleet of installations is listed, labelled, imported, verified, suspended,
/// resumed and deleted.
package struct StoresAPI: Sendable {
  let listing: StoreListing
  let activity: @Sendable (InstallationID) -> StoreActivity.Report
  let states: InstallationStates
  let tokens: any TokenProving
  let importer: StoreImporter
  let changed: @Sendable () async -> Void

  /// `activity` says what this replica has seen of a store's API; `changed` is called after an
  /// installation changed, so that it counts here at once.
  package init(
    listing: StoreListing, activity: @escaping @Sendable (InstallationID) -> StoreActivity.Report,
    states: InstallationStates, tokens: any TokenProving,
    importer: StoreImporter, changed: @escaping @Sendable () async -> Void
  ) {
    self.listing = listing
    self.activity = activity
    self.states = states
    self.tokens = tokens
    self.importer = importer
    self.changed = changed
  }

  package var routes: [APIRoute] {
    [
      APIRoute(.listStores) { request throws(Problem) in try await list(request) },
      APIRoute(.showStore) { request throws(Problem) in
        APIAnswer(try await document(of: request.installation()))
      },
      APIRoute(.labelStore) { request throws(Problem) in try await label(request) },
      APIRoute(.importStore) { request throws(Problem) in try await importOne(request) },
      APIRoute(.importStores) { request throws(Problem) in try await importMany(request) },
      APIRoute(.verifyStore) { request throws(Problem) in try await verify(request) },
      APIRoute(.suspendStore) { request throws(Problem) in try await act(request, states.suspend) },
      APIRoute(.resumeStore) { request throws(Problem) in try await act(request, states.resume) },
      APIRoute(.deleteStore) { request throws(Problem) in try await delete(request) },
    ]
  }

  private func list(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let limit = try request.query.limit()
    let filter = try request.storeFilter()
    let problem = try request.query.word("problem", StoreProblem.self)
    if let order = try StoreOrder(request.query) ?? problem.map({ _ in StoreOrder(.store) }) {
      return try await list(request, filter, problem, order, limit)
    }
    let after = try request.query.after(StoreCursor.init(_:))
    let found = try await stored { () throws(PostgresError) in
      try await listing.list(filter, after: after?.installation, limit: limit + 1)
    }
    let page = found.prefix(limit)
    let next = found.count > limit ? page.last.map { StoreCursor($0.installation).text } : nil
    return .page(page.map { .object(members(of: $0)) }, next: next)
  }

  private func list(
    _ request: APIRequest, _ filter: StoreFilter, _ problem: StoreProblem?, _ order: StoreOrder,
    _ limit: Int
  ) async throws(Problem) -> APIAnswer {
    let after = try request.query.after { text throws(Problem) in
      try OrderedStoreCursor(text, order).place
    }
    let found = try await stored { () throws(PostgresError) in
      try await listing.list(filter, with: problem, in: order, after: after, limit: limit + 1)
    }
    let page = found.prefix(limit)
    let next =
      found.count > limit ? page.last.map { OrderedStoreCursor($0.place, order).text } : nil
    return .page(page.map { .object(members(of: $0.record)) }, next: next)
  }

  /// The installation with its users.
  func document(of installation: InstallationID) async throws(Problem) -> JSONValue {
    let record = try await stored { () throws(PostgresError) in
      try await listing.find(installation)
    }
    guard let record else { throw .unknown("store") }
    let users = try await stored { () throws(PostgresError) in
      try await listing.users(of: installation)
    }
    return .object(members(of: record) + [.init("users", .array(users.map(\.document)))])
  }

  private func members(of record: StoreRecord) -> [JSONValue.Member] {
    record.members + activity(record.installation).members
  }

  private func verify(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let installation = try request.installation()
    let result = try await tokens.verify(installation)
    await changed()
    let record = try await document(of: installation)
    return APIAnswer(.object([.init("verdict", .string(result.word))] + (record.members ?? [])))
  }

  private func delete(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let isPurge = try request.query.flag("purge")
    return try await act(request) { (installation, act) async throws(PostgresError) in
      try await states.destroy(installation, deletingData: isPurge, act: act)
    }
  }

  private func act(
    _ request: APIRequest,
    _ change: (InstallationID, Act) async throws(PostgresError) -> StateChange
  ) async throws(Problem) -> APIAnswer {
    let installation = try request.installation()
    let outcome = try await stored { () throws(PostgresError) in
      try await change(
        installation, Act(actor: request.caller.keyID, requestID: request.requestID))
    }
    switch outcome {
    case .changed, .unchanged:
      await changed()
      return APIAnswer(try await document(of: installation))
    case .unknown: throw .unknown("store")
    case .uninstalled:
      throw Problem(
        status: 409, code: "store_uninstalled", title: "Store uninstalled",
        detail: "The store has no token any more. The merchant can install the app again.")
    }
  }
}

/// Runs a statement of `Storage`, and tells its failure as the API does.
func stored<Value: Sendable>(
  _ act: () async throws(PostgresError) -> Value
) async throws(Problem) -> Value {
  do throws(PostgresError) {
    return try await act()
  } catch {
    throw .database(error)
  }
}

extension APIRequest {
  /// The installation that path and `app` name, if the caller's grant holds it.
  ///
  /// Without `app` it is the key's own app, or `default` for a key of all apps.
  /// - Returns: a store that need not exist.
  /// - Throws: 403 for a store outside the grant, whether it exists or not.
  func installation() throws(Problem) -> InstallationID {
    guard let hash = StoreHash(arguments[0]) else {
      throw .badRequest("A store hash is 1 to 32 lower-case letters and digits.")
    }
    return try granted(hash, app: query["app"])
  }

  /// - Throws: 400 for a malformed app, 403 for what the grant does not hold.
  func granted(_ hash: StoreHash, app text: String?) throws(Problem) -> InstallationID {
    var app = caller.grant.app ?? .default
    if let text {
      guard let name = AppName(text) else { throw .badRequest("app is an app's name.") }
      app = name
    }
    let installation = InstallationID(app: app, store: hash)
    guard caller.mayName(installation) else {
      throw .grantMissing("This key is not for the store \(hash) of the app \(app).")
    }
    notes?.note(installation)
    return installation
  }

  fileprivate func storeFilter() throws(Problem) -> StoreFilter {
    var filter = StoreFilter()
    filter.app = caller.grant.app
    filter.granted = caller.grant.stores
    if let text = query["app"] {
      guard let app = AppName(text) else {
        throw .badRequest("The query parameter app is an app's name.")
      }
      guard caller.grant.allows(app: app) else {
        throw .grantMissing("This key is not for the app \(app).")
      }
      filter.app = app
    }
    filter.state = try query.word("state", InstallationState.self)
    if let text = query["label"] { filter.label = try StoreLabel(checking: text) }
    if let text = query["health"] { filter.health = try Self.healths(text) }
    filter.scope = query["scope"]
    filter.missingScope = query["missing_scope"]
    filter.prefix = query["q"]
    return filter
  }
}

extension APIRequest {
  /// Words with commas between.
  fileprivate static func healths(_ text: String) throws(Problem) -> Set<StoreHealth?> {
    var healths: Set<StoreHealth?> = []
    for word in text.split(separator: ",", omittingEmptySubsequences: false) {
      let health = StoreHealth(rawValue: String(word))
      guard health != nil || word == "unknown" else {
        let words = StoreHealth.allCases.map(\.rawValue).joined(separator: ", ")
        throw .badRequest(
          "The query parameter health is one or several of \(words), unknown, with commas between.")
      }
      healths.insert(health)
    }
    return healths
  }
}
