import Base
import BigCommerce
import HTTPTypes
import Prometheus
import Upstream

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
  private static let path = "/v3/hooks"
  private static let pageSize = 100
  private static let mostPages = 20

  private let calls: OwnCalls

  package init(calls: OwnCalls) {
    self.calls = calls
  }

  /// All webhooks that the store's token sees.
  func list(_ store: StoreEntry) async throws(HookFailure) -> [HookRecord] {
    var hooks: [HookRecord] = []
    for page in 1...Self.mostPages {
      let answer = try await calls.send(
        store, .get, Self.path, query: "?limit=\(Self.pageSize)&page=\(page)")
      guard case .done(let value) = answer else { throw .refused }
      guard let read = HookPage(value, limit: Self.pageSize) else { throw .unreadable }
      hooks += read.hooks
      guard read.hasMore else { return hooks }
    }
    throw .unreadable
  }

  /// What the platform says of its own accord; nothing when it will not say.
  func admin(_ store: StoreEntry) async throws(HookFailure) -> HookAdmin {
    guard case .done(let value) = try await calls.send(store, .get, Self.path + "/admin") else {
      return HookAdmin()
    }
    guard let admin = HookAdmin(value) else { throw .unreadable }
    return admin
  }

  /// - Returns: the webhook; `nil` when the platform refuses it.
  func create(
    _ store: StoreEntry, _ scope: String, _ wanted: HookAddresses.Registration
  ) async throws(HookFailure) -> HookRecord? {
    let body = JSONValue.object([.init("scope", .string(scope))] + wanted.members)
    return try await changed(try await calls.send(store, .post, Self.path, body: body))
  }

  /// - Returns: the webhook; `nil` when the platform refuses it or does not have it.
  func update(
    _ store: StoreEntry, _ id: Int64, _ wanted: HookAddresses.Registration
  ) async throws(HookFailure) -> HookRecord? {
    try await changed(
      try await calls.send(store, .put, "\(Self.path)/\(id)", body: .object(wanted.members)))
  }

  /// - Returns: `false` when the platform does not have it.
  func delete(_ store: StoreEntry, _ id: Int64) async throws(HookFailure) -> Bool {
    if case .done = try await calls.send(store, .delete, "\(Self.path)/\(id)") {
      true
    } else {
      false
    }
  }

  private func changed(_ answer: OwnCalls.Answer) async throws(HookFailure) -> HookRecord? {
    guard case .done(let value) = answer else { return nil }
    guard let hook = HookRecord.one(value) else { throw .unreadable }
    return hook
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
