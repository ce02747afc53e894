package import Base
package import BigCommerce
package import Events
import HTTPTypes
import Postgres
package import Storage

/// `/v1/webhooks`: how far each store's webhooks are what they should be; planned, put right,
/// rotated.
package struct WebhooksAPI: Sendable {
  /// What would be done about a store's webhooks, from a look at the store now.
  package typealias Planning =
    @Sendable (InstallationID) async -> Result<HookPlan, HookFailure>

  /// How many stores one call plans for, and how many are looked at at a time.
  private static let mostPlanned = 100
  private static let plannedAtOnce = 8

  private let states: WebhookStates
  private let addresses: WebhookAddresses
  private let planning: Planning

  package init(
    states: WebhookStates, addresses: WebhookAddresses, plan: @escaping Planning
  ) {
    self.states = states
    self.addresses = addresses
    planning = plan
  }

  package var routes: [APIRoute] {
    [
      APIRoute(.listWebhooks) { request throws(Problem) in try await list(request) },
      APIRoute(.planWebhooks) { request throws(Problem) in try await plan(request) },
      APIRoute(.applyWebhooks) { request throws(Problem) in try await apply(request) },
      APIRoute(.rotateWebhook) { request throws(Problem) in try await rotate(request) },
    ]
  }

  private func list(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let limit = try request.query.limit()
    var filter = try request.webhookFilter(app: request.query["app"])
    filter.stores = try request.query.store().map { [$0] }
    let after = try request.query.after(StoreCursor.init(_:))?.installation
    let whole = filter
    let counts = try await stored { () throws(PostgresError) in try await states.counts(whole) }
    filter.state = try request.query.word("state", WebhookState.self)
    let narrowed = filter
    let found = try await stored { () throws(PostgresError) in
      try await states.list(narrowed, after: after, limit: limit + 1)
    }
    let page = found.prefix(limit)
    return APIAnswer([
      "data": .array(page.map(\.document)),
      "next": .cursor(after: page, isWhole: found.count <= limit),
      "counts": .object(
        WebhookState.allCases.map { .init($0.rawValue, .integer(counts[$0] ?? 0)) }),
    ])
  }

  /// Looks at stores one page at a time; each look costs at least two calls of the store's quota.
  private func plan(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let limit = min(try request.query.limit(), Self.mostPlanned)
    let filter = try request.webhookOrder()
    let after = try request.query.after(StoreCursor.init(_:))?.installation
    let found = try await stored { () throws(PostgresError) in
      try await states.list(filter, after: after, limit: limit + 1)
    }
    let page = found.prefix(limit)
    let planned = await planned(page.filter { $0.state != .parked }.map(\.installation))
    return APIAnswer([
      "data": .array(planned),
      "next": .cursor(after: page, isWhole: found.count <= limit),
    ])
  }

  private func planned(_ installations: [InstallationID]) async -> [JSONValue] {
    await withTaskGroup(of: (Int, JSONValue).self) { group in
      var documents = [JSONValue?](repeating: nil, count: installations.count)
      for (index, installation) in installations.enumerated() {
        if index >= Self.plannedAtOnce, let (done, document) = await group.next() {
          documents[done] = document
        }
        group.addTask { (index, await document(of: installation)) }
      }
      for await (done, document) in group { documents[done] = document }
      return documents.compactMap { $0 }
    }
  }

  private func document(of installation: InstallationID) async -> JSONValue {
    let head: [JSONValue.Member] = [
      .init("store_hash", .string(installation.store.text)),
      .init("app", .string(installation.app.text)),
    ]
    switch await planning(installation) {
    case .success(let plan): return .object(head + plan.members)
    case .failure(let failure):
      return .object(head + [.init("in_step", false), .init("failure", .string(failure.rawValue))])
    }
  }

  private func apply(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let filter = try request.webhookOrder()
    let marked = try await stored { () throws(PostgresError) in
      try await states.markDue(filter)
    }
    return APIAnswer(["stores": .integer(marked)], status: 202)
  }

  private func rotate(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let body = try request.object()
    guard let hash = StoreHash(try body.text("store_hash")) else {
      throw .badRequest("A store hash is 1 to 32 lower-case letters and digits.")
    }
    let installation = try request.granted(hash, app: body.optionalText("app"))
    do throws(WebhookAddressError) {
      try await addresses.rotate(
        installation, act: Act(actor: request.caller.keyID, requestID: request.requestID))
    } catch {
      throw Problem(error)
    }
    return .done
  }
}

extension APIRequest {
  /// What the caller's grant holds, of one app if it is named.
  func webhookFilter(app text: String?) throws(Problem) -> WebhookFilter {
    var filter = WebhookFilter()
    filter.app = caller.grant.app
    filter.granted = caller.grant.stores
    guard let text else { return filter }
    guard let app = AppName(text) else { throw .badRequest("app is an app's name.") }
    guard caller.grant.allows(app: app) else {
      throw .grantMissing("This key is not for the app \(app).")
    }
    filter.app = app
    return filter
  }

  /// Reads `{"stores": […], "app": …}`, of which both may be left out; stores that are named must
  /// be granted.
  fileprivate func webhookOrder() throws(Problem) -> WebhookFilter {
    let body = try object()
    let app = try body.optionalText("app")
    var filter = try webhookFilter(app: app)
    if let texts = try body.optionalTexts("stores") { try narrow(&filter, to: texts, app: app) }
    return filter
  }

  /// Only these stores, which must be granted.
  func narrow(
    _ filter: inout WebhookFilter, to texts: [String], app: String?
  ) throws(Problem) {
    guard (1...1000).contains(texts.count) else {
      throw .badRequest("The field stores names 1 to 1000 stores; leave it out for all.")
    }
    var stores: [StoreHash] = []
    for text in texts {
      guard let hash = StoreHash(text) else {
        throw .badRequest("\(text.debugDescription) is no store hash.")
      }
      let installation = try granted(hash, app: app)
      filter.app = installation.app
      stores.append(hash)
    }
    filter.stores = stores
  }
}

extension WebhookRecord {
  fileprivate var document: JSONValue {
    [
      "store_hash": .string(installation.store.text), "app": .string(installation.app.text),
      "state": .string(state.rawValue), "wanted": .array(wanted.map { .string($0) }),
      "hooks": hooks, "hooks_active": .integer(hooksActive),
      "unavailable": .array(unavailable.map { .string($0) }),
      "failure": failure.map { .string($0) } ?? .null,
      "last_checked_at": .time(lastCheckedAt), "next_check_at": .time(nextCheckAt),
      "deactivated_since_at": .time(deactivatedSince), "blocked_until_at": .time(blockedUntil),
    ]
  }
}

extension HookPlan {
  fileprivate var members: [JSONValue.Member] {
    [
      .init("in_step", .bool(actions.isEmpty && unavailable.isEmpty)), .init("failure", .null),
      .init("actions", .array(actions.map(\.document))),
      .init("unavailable", .array(unavailable.map { .string($0.text) })),
    ]
  }
}

extension HookAction {
  fileprivate var document: JSONValue {
    [
      "action": .string(word), "scope": .string(scope),
      "hook_id": id.map { .integer($0) } ?? .null,
      "reasons": .array(reasons.map { .string($0.rawValue) }), "off_since_at": .time(offSince),
    ]
  }
}

extension JSONValue {
  /// The cursor behind a page of webhooks, or null at the end.
  fileprivate static func cursor(
    after page: ArraySlice<WebhookRecord>, isWhole: Bool
  ) -> JSONValue {
    guard !isWhole, let last = page.last else { return .null }
    return .string(StoreCursor(last.installation).text)
  }
}

extension Problem {
  fileprivate init(_ error: WebhookAddressError) {
    self =
      switch error {
      case .database(let error): .database(error)
      case .notInstalled: .unknown("store, or the app is not installed there")
      case .vault:
        Problem(
          status: 500, code: "vault_failed", title: "Not sealed",
          detail: "The new secret could not be sealed. Nothing was changed.")
      }
  }
}
