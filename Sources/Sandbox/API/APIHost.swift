import Base
import NIOCore
import NIOHTTP1
import Synchronization

/// `api.bigcommerce.com`: token, quota, scope, then the resource.
struct APIHost: Sendable {
  let platform: Platform
  let scheme: String
  private let routes: RouteTree

  init(platform: Platform, scheme: String) {
    self.platform = platform
    self.scheme = scheme
    routes = RouteTree(APIRoutes.all)
  }

  /// Answers `/stores/{hash}/…` and writes it into the journal.
  func respond(to request: SandboxRequest) -> SandboxResponse {
    let now = platform.now
    let target = APITarget(request)
    var caller = Caller()
    let response = answer(request, target: target, at: now, caller: &caller)
    platform.journal.record(
      host: "api", request: request, status: Int(response.status.code), clientID: caller.clientID,
      tokenStore: caller.store, at: now)
    return response
  }

  /// Whose token it was, for the journal.
  private struct Caller {
    var clientID: String?
    var store: String?
  }

  private func answer(
    _ request: SandboxRequest, target: APITarget?, at now: Timestamp, caller: inout Caller
  ) -> SandboxResponse {
    guard let target else { return APIFailure.noRoute.response(version: .v3) }
    guard APIHost.methods.contains(request.method) else {
      return APIFailure.methodNotImplemented.response(version: target.version)
    }
    guard let token = request.headers.first(name: "x-auth-token"),
      let access = platform.accounts.withLock({ $0.access(token) })
    else { return APIFailure.badToken.response(version: target.version) }
    caller.clientID = access.clientID
    caller.store = access.store?.hash
    // Field reports: a hash written with its control panel prefix, and a token that belongs to no
    // store, are answered as if a scope were missing.
    guard let store = access.store, !target.store.hasPrefix("store-") else {
      return APIFailure.missingScope.response(version: target.version)
    }
    guard target.store == store.hash else {
      return APIFailure.badToken.response(version: target.version)
    }
    if let refusal = store.condition.refusal { return refusal.response(version: target.version) }
    let quota = store.takeFromQuota(at: now)
    var response: SandboxResponse
    do throws(APIFailure) {
      guard !quota.isRefused else { throw .tooManyRequests }
      response = try call(request, target: target, access: access, store: store, at: now)
    } catch {
      response = error.response(version: target.version)
    }
    quota.add(to: &response.headers)
    return response
  }

  private static let methods: [HTTPMethod] = [.GET, .HEAD, .POST, .PUT, .DELETE]

  private func call(
    _ request: SandboxRequest, target: APITarget, access: Access, store: Store, at now: Timestamp
  ) throws(APIFailure) -> SandboxResponse {
    try ScopeRules.check(request.method, path: target.path, granted: access.granted)
    if target.segments == ["graphql"] {
      return try StoreGraphQL(store: store, request: request).respond()
    }
    let (handler, parameters) = try routes.find(request.method, target.segments)
    let isRead = request.method == .GET || request.method == .HEAD
    let isCacheable = isRead && !request.headers.contains(name: "if-modified-since")
    let answer = try store.withData { data throws(APIFailure) -> APIAnswer in
      let key = isCacheable ? AnswerCache.key(request, clientID: access.clientID) : ""
      if isCacheable, let known = data.answers[key] { return known }
      let call = APICall(
        request: request, version: target.version, store: store.hash, clientID: access.clientID,
        query: request.query, now: now, text: platform.text, scheme: scheme,
        blocklist: platform.webhooks.blocklist, parameters: parameters)
      let answer = try handler(&data, call)
      if !isRead {
        data.answers.clear()
      } else if isCacheable, answer.isCacheable {
        data.answers.keep(answer, for: key)
      }
      return answer
    }
    var response = SandboxResponse(
      status: answer.status, headers: answer.headers, body: answer.body ?? ByteBuffer())
    if answer.body != nil { response.headers.add(name: "content-type", value: "application/json") }
    return response
  }
}

/// The path of an API call, taken apart.
struct APITarget: Sendable {
  let store: Substring
  let version: APIVersion
  /// From the version on, as far as the segments differ from what arrived: decoded.
  let path: Substring
  /// From the version on, decoded only where an escape stands; a `.json` suffix is dropped.
  let segments: [Substring]

  init?(_ request: SandboxRequest) {
    var segments = request.path.split(separator: "/")
    guard segments.count >= 3, segments[0] == "stores" else { return nil }
    store = segments[1]
    segments.removeFirst(2)
    if let last = segments.last, last.hasSuffix(".json") {
      segments[segments.count - 1] = last.dropLast(".json".count)
    }
    for index in segments.indices where segments[index].utf8.contains(UInt8(ascii: "%")) {
      segments[index] = PercentText.decode(segments[index])[...]
    }
    switch segments[0] {
    case "v2": version = .v2
    case "v3", "graphql": version = .v3
    default: return nil
    }
    self.segments = segments
    // The scope is looked up for the path that is answered, however it was written.
    let arrived = request.path.dropFirst("/stores/".count + store.utf8.count)
    let isPlain = !arrived.utf8.contains(UInt8(ascii: "%")) && arrived.firstRange(of: "//") == nil
    path = isPlain ? arrived : ("/" + segments.joined(separator: "/"))[...]
  }
}
