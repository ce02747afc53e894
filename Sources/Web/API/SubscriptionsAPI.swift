package import Base
import BigCommerce
package import Events
import HTTPTypes
import Postgres
package import Storage

/// `/v1/subscriptions`: who events are pushed to.
///
/// Reading takes `events:read`; whoever changes where data go is an operator. Neither sees or makes
/// a subscription that gets more than the key's own stores.
package struct SubscriptionsAPI: Sendable {
  /// How many pushes of a subscription may be under way at once.
  static let concurrency: ClosedRange<Int64> = 1...64

  let subscriptions: Subscriptions
  let deliveries: PushDeliveries
  let feed: EventFeed
  let destinations: PushDestinations
  let client: PushClient
  let random: RandomSource

  package init(
    subscriptions: Subscriptions, deliveries: PushDeliveries, feed: EventFeed,
    destinations: PushDestinations, client: PushClient, random: RandomSource = .system
  ) {
    self.subscriptions = subscriptions
    self.deliveries = deliveries
    self.feed = feed
    self.destinations = destinations
    self.client = client
    self.random = random
  }

  package var routes: [APIRoute] {
    [
      APIRoute(.listSubscriptions) { request throws(Problem) in try await list(request) },
      APIRoute(.createSubscription) { request throws(Problem) in try await create(request) },
      APIRoute(.showSubscription) { request throws(Problem) in
        APIAnswer(try await find(request).document)
      },
      APIRoute(.changeSubscription) { request throws(Problem) in try await change(request) },
      APIRoute(.deleteSubscription) { request throws(Problem) in try await delete(request) },
      APIRoute(.rotateSubscription) { request throws(Problem) in try await rotate(request) },
      APIRoute(.enableSubscription) { request throws(Problem) in
        try await set(request, enabled: true)
      },
      APIRoute(.disableSubscription) { request throws(Problem) in
        try await set(request, enabled: false)
      },
      APIRoute(.pingSubscription) { request throws(Problem) in try await ping(request) },
      APIRoute(.listPushes) { request throws(Problem) in try await log(request) },
      APIRoute(.replayToSubscription) { request throws(Problem) in try await replay(request) },
      APIRoute(.discardOfSubscription) { request throws(Problem) in try await discard(request) },
      APIRoute(.replayEvents) { request throws(Problem) in try await replayToAll(request) },
    ]
  }

  private func list(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let limit = try request.query.limit()
    let found = try await translated { () throws(SubscriptionError) in
      try await subscriptions.list(
        within: request.reach, after: request.query["after"], limit: limit + 1)
    }
    let page = found.prefix(limit)
    return .page(page.map(\.document), next: found.count > limit ? page.last?.id : nil)
  }

  private func create(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let body = try request.object()
    let url = try await checkedURL(try body.text("url"))
    let filter = try request.filter(body)
    let name = try SubscriptionsAPI.name(body) ?? ""
    let concurrency = Int(try body.integer("concurrency", in: Self.concurrency) ?? 4)
    let made = try await translated { () throws(SubscriptionError) in
      try await subscriptions.create(
        name: name, url: url, filter: filter, concurrency: concurrency, by: request.act)
    }
    let record = try await find(made.id, request)
    return APIAnswer(record.document(secret: made.secret), status: 201)
  }

  private func change(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let record = try await find(request)
    let body = try request.object()
    var change = SubscriptionChange()
    if let url = try body.optionalText("url") { change.url = try await checkedURL(url) }
    if let types = try body.optionalTexts("types") { change.types = try checkedTypes(types) }
    if try body.optionalTexts("stores") != nil { change.stores = try Grant.stores(body) }
    change.name = try SubscriptionsAPI.name(body)
    change.concurrency = try body.integer("concurrency", in: Self.concurrency).map { Int($0) }
    if let stores = change.stores {
      var filter = record.filter
      filter.stores = stores
      try request.check(filter)
    }
    try await translated { () throws(SubscriptionError) in
      try await subscriptions.change(record.id, change, by: request.act)
    }
    return APIAnswer(try await find(request).document)
  }

  private func delete(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let record = try await find(request)
    try await translated { () throws(SubscriptionError) in
      try await subscriptions.delete(record.id, by: request.act)
    }
    return .done
  }

  private func set(_ request: APIRequest, enabled: Bool) async throws(Problem) -> APIAnswer {
    let record = try await find(request)
    try await translated { () throws(SubscriptionError) in
      try await subscriptions.set(record.id, enabled: enabled, by: request.act)
    }
    return APIAnswer(try await find(request).document)
  }

  private func rotate(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let longest = Subscriptions.longestOverlap.components.seconds
    let overlap = try request.object().integer("overlap", in: 0...longest)
    let record = try await find(request)
    let secret = try await translated { () throws(SubscriptionError) in
      try await subscriptions.rotate(
        record, overlap: overlap.map { .seconds($0) } ?? Subscriptions.usualOverlap, by: request.act
      )
    }
    return APIAnswer(record.document(secret: secret), status: 201)
  }

  private func log(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let limit = try request.query.limit()
    let state = try request.query.word("state", PushState.self)
    let after = request.query["after"]
    let number = after.flatMap { Int64($0) }
    guard after == nil || number != nil else {
      throw .badRequest("The query parameter after takes the next of the previous answer.")
    }
    let record = try await find(request)
    let found = try await stored { () throws(PostgresError) in
      try await deliveries.list(record.id, state: state?.rawValue, before: number, limit: limit + 1)
    }
    let page = found.prefix(limit)
    return .page(
      page.map(\.document), next: found.count > limit ? page.last.map { String($0.number) } : nil)
  }
}

/// How far a push is.
enum PushState: String, CaseIterable {
  case pending, delivered, dead
}

extension SubscriptionsAPI {
  func find(_ request: APIRequest) async throws(Problem) -> SubscriptionRecord {
    try await find(request.arguments[0], request)
  }

  func find(
    _ id: String, _ request: APIRequest
  ) async throws(Problem) -> SubscriptionRecord {
    try await translated { () throws(SubscriptionError) in
      try await subscriptions.find(id, within: request.reach)
    }
  }

  /// The URL as it is stored.
  private func checkedURL(_ text: String) async throws(Problem) -> String {
    guard let url = PushURL(text) else {
      throw .badRequest(
        """
        The field url is an https URL of at most \(PushURL.maxLength) bytes, or http to this machine (127.0.0.1, ::1 or \
        localhost); without credentials and fragment.
        """)
    }
    do throws(PushDestinations.Fault) {
      try await destinations.check(url)
    } catch .unresolved {
      throw .badRequest("The host of the field url has no address now.")
    } catch {
      throw .badRequest(
        """
        The host of the field url has an address that no push may go to: link-local, metadata, reserved, or private. \
        LATCHKEY_PUSH_PRIVATE=on allows private networks.
        """)
    }
    return url.description
  }

  private static func name(_ body: APIBody) throws(Problem) -> String? {
    guard let name = try body.optionalText("name") else { return nil }
    let isLine = name.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
    guard name.utf8.count <= 100, isLine else {
      throw .badRequest("The field name is one line of at most 100 bytes.")
    }
    return name
  }

  func translated<Value: Sendable>(
    _ act: () async throws(SubscriptionError) -> Value
  ) async throws(Problem) -> Value {
    do throws(SubscriptionError) {
      return try await act()
    } catch {
      throw Problem(error)
    }
  }
}

extension APIRequest {
  var act: Act { Act(actor: caller.keyID, requestID: requestID) }

  var reach: SubscriptionReach {
    SubscriptionReach(app: caller.grant.app, stores: caller.grant.stores)
  }

  /// What is asked for; what is left out is all that the key has.
  fileprivate func filter(_ body: APIBody) throws(Problem) -> SubscriptionFilter {
    var app = caller.grant.app
    if let text = try body.optionalText("app") {
      guard let name = AppName(text) else { throw .badRequest("The field app is an app's name.") }
      app = name
    }
    let stores =
      try body.optionalTexts("stores") == nil ? caller.grant.stores : try Grant.stores(body)
    let filter = SubscriptionFilter(
      app: app, stores: stores, types: try checkedTypes(try body.texts("types")))
    try check(filter)
    return filter
  }

  fileprivate func check(_ filter: SubscriptionFilter) throws(Problem) {
    guard reach.covers(filter) else {
      throw .grantMissing("A subscription gets no events of apps or stores that the key has not.")
    }
  }
}

/// Types such as `store/order/created`, and families such as `store/order/*`; `*` is all.
func checkedTypes(_ types: [String]) throws(Problem) -> [String] {
  if types == ["*"] { return [] }
  let isFine = types.allSatisfy { type in
    (1...255).contains(type.utf8.count) && type.contains("/")
      && type.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { segment in
        !segment.isEmpty
          && segment.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != UInt8(ascii: ",") }
      }
  }
  guard isFine, (1...100).contains(types.count) else {
    throw .badRequest(
      """
      The field types is a list of 1 to 100 types such as store/order/created, or families such as store/order/*; \
      ["*"] for all.
      """)
  }
  return types
}

extension Problem {
  fileprivate init(_ error: SubscriptionError) {
    self =
      switch error {
      case .unknown: .unknown("subscription")
      case .unknownApp: .badRequest("The field app names no app of this deployment.")
      case .tooManySecrets:
        Problem(
          status: 409, code: "too_many_secrets", title: "Too many secrets",
          detail:
            "\(Subscriptions.mostSecrets) secrets sign already. Wait until the overlap of one has ended."
        )
      case .vault:
        Problem(
          status: 500, code: "internal", title: "Internal error",
          detail: "The subscription's secret cannot be opened; the log says why.")
      case .database(let error): .database(error)
      }
  }
}
