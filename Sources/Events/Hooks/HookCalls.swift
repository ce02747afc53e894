import Base
import BigCommerce
import Curl
import HTTPTypes
import NIOCore
import Prometheus
package import Upstream

/// Why a store's webhooks could not be read or changed, in words that are few and fixed.
package enum HookFailure: String, Error, MetricWord {
  /// The store's quota had no place in time, or its breaker is open.
  case quota
  case unreachable
  case timeout
  /// What came is no answer.
  case broken
  /// 401.
  case tokenRefused = "token_refused"
  /// The token cannot be opened, or there is none.
  case tokenUnusable = "token_unusable"
  /// The secret of the webhooks cannot be opened or sealed.
  case secretUnusable = "secret_unusable"
  /// BigCommerce refuses a webhook as it is: 4xx.
  case refused
  /// 429, 5xx.
  case platform
  /// An answer that is not understood.
  case unreadable
  /// Others' webhooks have the places of a wanted scope.
  case noRoom = "no_room"
  /// It took too long; the rest follows.
  case unfinished
  /// The database failed.
  case database
  case cancelled
  /// The app is no longer in the settings.
  case unknownApp = "unknown_app"

  init(_ error: UpstreamError) {
    self =
      switch error {
      case .quota, .brokenStore: .quota
      case .unreachable: .unreachable
      case .timeout: .timeout
      case .broken, .bodyFailed, .notSendable: .broken
      case .cancelled, .draining: .cancelled
      }
  }
}

/// The calls of BigCommerce's API for webhooks, each paced as the store's quota allows.
package struct HookCalls: Sendable {
  /// What a call may end in.
  enum Answer: Sendable {
    case done(JSONValue)
    /// 4xx other than 401 and 429: the store is not as was thought, or will not have it.
    case refused(status: Int)
  }

  private static let timeout = Duration.seconds(10)
  private static let maxWait = Duration.seconds(10)
  private static let pageSize = 100
  private static let mostPages = 20
  private static let maxBody = ByteCount.mebibytes(4)

  private let upstream: Upstream
  private let userAgent: String

  package init(upstream: Upstream, userAgent: String) {
    self.upstream = upstream
    self.userAgent = userAgent
  }

  /// All webhooks that the store's token sees.
  func list(_ store: StoreEntry) async throws(HookFailure) -> [HookRecord] {
    var hooks: [HookRecord] = []
    for page in 1...Self.mostPages {
      let answer = try await call(store, .get, "?limit=\(Self.pageSize)&page=\(page)")
      guard case .done(let value) = answer else { throw .refused }
      guard let read = HookPage(value, limit: Self.pageSize) else { throw .unreadable }
      hooks += read.hooks
      guard read.hasMore else { return hooks }
    }
    throw .unreadable
  }

  /// What the platform says of its own accord; nothing when it will not say.
  func admin(_ store: StoreEntry) async throws(HookFailure) -> HookAdmin {
    guard case .done(let value) = try await call(store, .get, "/admin") else { return HookAdmin() }
    guard let admin = HookAdmin(value) else { throw .unreadable }
    return admin
  }

  /// - Returns: the webhook; `nil` when the platform refuses it.
  func create(
    _ store: StoreEntry, _ scope: String, _ wanted: HookAddresses.Registration
  ) async throws(HookFailure) -> HookRecord? {
    let body = JSONValue.object([.init("scope", .string(scope))] + wanted.members)
    return try await changed(try await call(store, .post, "", body))
  }

  /// - Returns: the webhook; `nil` when the platform refuses it or does not have it.
  func update(
    _ store: StoreEntry, _ id: Int64, _ wanted: HookAddresses.Registration
  ) async throws(HookFailure) -> HookRecord? {
    try await changed(try await call(store, .put, "/\(id)", .object(wanted.members)))
  }

  /// - Returns: `false` when the platform does not have it.
  func delete(_ store: StoreEntry, _ id: Int64) async throws(HookFailure) -> Bool {
    if case .done = try await call(store, .delete, "/\(id)") { true } else { false }
  }

  private func changed(_ answer: Answer) async throws(HookFailure) -> HookRecord? {
    guard case .done(let value) = answer else { return nil }
    guard let hook = HookRecord.one(value) else { throw .unreadable }
    return hook
  }

  private func call(
    _ store: StoreEntry, _ method: HTTPRequest.Method, _ path: String, _ body: JSONValue? = nil
  ) async throws(HookFailure) -> Answer {
    guard case .open(let token) = store.token else { throw .tokenUnusable }
    var headers: HTTPFields = [.accept: "application/json", .userAgent: userAgent]
    if body != nil { headers[.contentType] = "application/json" }
    let call = StoreCall(
      store: store, token: token, method: method,
      target: "/stores/\(store.installation.store)/v3/hooks\(path)", headers: headers,
      body: body.map { .bytes(ByteBuffer(bytes: $0.encoded())) } ?? .none,
      demand: QuotaDemand(
        caller: "", family: EndpointFamilies.shared.family(method: method, path: "/v3/hooks"),
        priority: .bulk, maxWait: Self.maxWait), timeout: Self.timeout, retries: 2)
    let response: CurlResponse
    do throws(UpstreamError) { response = try await upstream.call(call) } catch {
      throw HookFailure(error)
    }
    switch response.status {
    case 200..<300: return .done(try await Self.document(response))
    case 401: throw .tokenRefused
    case 429, 500...: throw .platform
    default: return .refused(status: response.status)
    }
  }

  private static func document(_ response: CurlResponse) async throws(HookFailure) -> JSONValue {
    let bytes: ByteBuffer
    do throws(CurlError) { bytes = try await response.body.collect(upTo: maxBody) } catch {
      throw .broken
    }
    guard bytes.readableBytes > 0 else { return .null }
    do throws(JSONError) { return try JSONScanner.parse(bytes.readableBytesView) } catch {
      throw .unreadable
    }
  }
}

extension HookAddresses.Registration {
  fileprivate var members: [JSONValue.Member] {
    [
      .init("destination", .string(destination)), .init("is_active", true),
      .init("headers", .object([.init(header.name, .string(header.value))])),
    ]
  }
}
