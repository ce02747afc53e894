import Base
import NIOHTTP1

/// Webhook registration: `/v3/hooks` in envelopes, `/v2/hooks` bare.
enum HooksResource {
  /// Hooks per store, client and scope.
  static let limitPerScope = 10

  static let routes: [RouteTree.Route] =
    ["v3", "v2"].flatMap { version in
      [
        .init("GET", "/\(version)/hooks", list), .init("POST", "/\(version)/hooks", create),
        .init("GET", "/\(version)/hooks/{id}", show),
        .init("PUT", "/\(version)/hooks/{id}", update),
        .init("DELETE", "/\(version)/hooks/{id}", delete),
      ]
    } + [
      .init("GET", "/v3/hooks/admin", admin), .init("PUT", "/v3/hooks/admin", updateAdmin),
    ]

  private static let filter = Filter(fields: ["is_active", "scope", "destination"])

  /// A token sees the hooks of its own client only.
  private static func mine(_ data: StoreData, _ call: APICall) -> [JSONValue] {
    data.hooks.rows.filter { $0["client_id"]?.string == call.clientID }
  }

  private static func list(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    data.deactivateIdleHooks(at: call.now)
    let rows = try filter.apply(call.query, to: mine(data, call))
    let page = Page(of: rows, window: try call.window())
    return (call.version == .v2 ? APIAnswer.list(page.items) : .page(page)).uncached
  }

  private static func show(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    data.deactivateIdleHooks(at: call.now)
    return answer(try find(data, call), call).uncached
  }

  private static func create(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let body = try call.object()
    var errors: [JSONValue.Member] = []
    for name in ["scope", "destination"] where (body[name]?.string ?? "").isEmpty {
      errors.append(.init(name, "error.path.missing."))
    }
    guard errors.isEmpty, let scope = body["scope"]?.string,
      let destination = body["destination"]?.string
    else { throw .invalid(errors) }
    guard scope.hasPrefix("store/") else { throw .invalid("scope", "scope is not valid") }
    try checkDestination(destination)
    try checkHeaders(body["headers"])
    let siblings = mine(data, call).filter { $0["scope"]?.string == scope }
    guard !siblings.contains(where: { $0["destination"]?.string == destination }) else {
      throw .invalid("destination", "a webhook with this scope and destination exists already")
    }
    try checkExceptions(data, call, scope: scope, destination: destination, id: nil)
    guard siblings.count < limitPerScope else {
      throw .invalid("scope", "the limit of \(limitPerScope) webhooks for this scope is reached")
    }
    guard !data.hooks.isFull else { throw .full }
    let hook = data.hooks.insert([
      "id": 0, "client_id": .string(call.clientID), "store_hash": .string(call.store),
      "scope": .string(scope), "destination": .string(destination),
      "headers": body["headers"] ?? .null, "is_active": .bool(body["is_active"]?.bool ?? true),
      "created_at": .integer(call.now.seconds), "updated_at": .integer(call.now.seconds),
    ])
    return call.version == .v2 ? .bare(hook, status: .created) : .data(hook)
  }

  private static func update(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let hook = try find(data, call)
    let body = try call.object()
    if let destination = body["destination"]?.string { try checkDestination(destination) }
    try checkHeaders(body["headers"])
    let changes = body.keeping(["scope", "destination", "headers", "is_active"])
    guard changes.members?.isEmpty == false else {
      throw .invalid("body", "at least one field must be given")
    }
    let changed = hook.merging(changes).setting("updated_at", .integer(call.now.seconds))
    let id = try call.id()
    try checkExceptions(
      data, call, scope: changed["scope"]?.string, destination: changed["destination"]?.string,
      id: id)
    data.hooks.replace(id, with: changed)
    if body["is_active"] != nil { data.noteSwitch(ofHook: id, at: call.now) }
    return answer(changed, call)
  }

  private static func delete(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let hook = try find(data, call)
    data.hooks.remove(try call.id())
    return answer(hook, call)
  }

  private static func admin(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    data.deactivateIdleHooks(at: call.now)
    let wanted = call.query["is_active"].map { $0 == "true" }
    let hooks = mine(data, call).filter { wanted == nil || $0["is_active"]?.bool == wanted }
    let page = Page(
      of: hooks.map { hook in
        hook.setting("status", .string(status(hook, data)))
      }, window: try call.window())
    return .bare([
      "data": [
        "emails": .array(data.hookEmails.map { .string($0) }), "hooks_list": .array(page.items),
        "blocked_domains": call.blocklist.listed(clientID: call.clientID, at: call.now),
      ], "meta": page.meta,
    ]).uncached
  }

  private static func status(_ hook: JSONValue, _ data: StoreData) -> String {
    guard hook["is_active"]?.bool != true else { return "active" }
    let isDeactivated = hook["id"]?.integer.flatMap { data.hookUse[$0] }?.isDeactivated == true
    return isDeactivated ? "deactivated" : "inactive"
  }

  private static func updateAdmin(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    guard let emails = try call.object()["emails"]?.array?.compactMap(\.string) else {
      throw .invalid("emails", "error.path.missing.")
    }
    data.hookEmails = Array(emails.prefix(10))
    return .noContent
  }

  private static func find(_ data: StoreData, _ call: APICall) throws(APIFailure) -> JSONValue {
    let id = try call.id()
    guard let hook = data.hooks[id], hook["client_id"]?.string == call.clientID else {
      throw .notFound("Webhook with id \(id) not found")
    }
    return hook
  }

  private static func answer(_ hook: JSONValue, _ call: APICall) -> APIAnswer {
    call.version == .v2 ? .bare(hook) : .data(hook)
  }

  /// One webhook hears of failed deliveries, at a destination that no other webhook has.
  private static func checkExceptions(
    _ data: StoreData, _ call: APICall, scope: String?, destination: String?, id: Int64?
  ) throws(APIFailure) {
    let isException = scope == WebhookScope.deliveryException
    for other in mine(data, call) where other["id"]?.integer != id {
      let isOtherException = other["scope"]?.string == WebhookScope.deliveryException
      if isException, isOtherException {
        throw .invalid("scope", "there is a delivery exception webhook already")
      }
      if isException || isOtherException, other["destination"]?.string == destination {
        throw .invalid(
          "destination", "a delivery exception webhook must have a destination of its own")
      }
    }
  }

  /// HTTPS on port 443 only; loopback is let through in any form, or nothing could be tried
  /// locally.
  private static func checkDestination(_ text: String) throws(APIFailure) {
    for loopback in [
      "http://127.0.0.1", "http://localhost", "https://127.0.0.1", "https://localhost",
    ]
    where text.hasPrefix(loopback) {
      return
    }
    let authority = text.dropFirst("https://".count).prefix { $0 != "/" && $0 != "?" }
    let port = authority.split(separator: ":", maxSplits: 1).dropFirst().first
    guard text.hasPrefix("https://"), !authority.isEmpty, port == nil || port == "443" else {
      throw .invalid("destination", "destination must be an HTTPS URL on port 443")
    }
  }

  private static func checkHeaders(_ headers: JSONValue?) throws(APIFailure) {
    guard let headers, headers != .null else { return }
    guard let members = headers.members, members.allSatisfy({ $0.value.string != nil }) else {
      throw .invalid("headers", "headers must be an object of strings")
    }
    let isSound = members.allSatisfy { member in
      !member.name.isEmpty && member.name.utf8.allSatisfy(isTokenByte)
        && member.value.string?.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F } == true
    }
    guard isSound else { throw .invalid("headers", "a header is not valid") }
  }

  private static func isTokenByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "A")...UInt8(ascii: "Z"):
      true
    default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }
  }
}
