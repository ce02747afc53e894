package import Base
import BigCommerce
import HTTPTypes
package import Storage
import Vault

/// `/v1/keys`: service keys are made, listed, rotated and revoked.
package struct KeysAPI: Sendable {
  private let keys: ServiceKeys
  private let clock: WallClock
  private let changed: @Sendable () async -> Void

  /// `changed` is called after a key changed, so that it counts here at once.
  package init(
    keys: ServiceKeys, clock: WallClock, changed: @escaping @Sendable () async -> Void
  ) {
    self.keys = keys
    self.clock = clock
    self.changed = changed
  }

  package var routes: [APIRoute] {
    [
      APIRoute(.listKeys) { request throws(Problem) in try await list(request) },
      APIRoute(.createKey) { request throws(Problem) in try await create(request) },
      APIRoute(.revokeKey) { request throws(Problem) in try await revoke(request) },
      APIRoute(.rotateKey) { request throws(Problem) in try await rotate(request) },
    ]
  }

  private func list(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let limit = try request.query.limit()
    let after = request.query["after"]
    guard after.map(ServiceKey.isID) ?? true else {
      throw .badRequest("The query parameter after takes the next of the previous answer.")
    }
    let found = try await translated { () throws(ServiceKeyError) in
      try await keys.list(for: request.maker, after: after, limit: limit + 1)
    }
    let page = found.prefix(limit)
    return .page(page.map(\.document), next: found.count > limit ? page.last?.id : nil)
  }

  private func create(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let body = try request.object()
    let name = try body.text("name")
    guard name.utf8.count <= 100 else { throw .badRequest("The field name has at most 100 bytes.") }
    let grant = try Grant(body, now: clock.now())
    let made = try await translated { () throws(ServiceKeyError) in
      try await keys.create(name: name, grant: grant, by: request.maker)
    }
    await changed()
    return APIAnswer(made.document, status: 201)
  }

  private func rotate(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let longest = ServiceKeys.longestOverlap.components.seconds
    let overlap = try request.object().integer("overlap", in: 0...longest) ?? 0
    let made = try await translated { () throws(ServiceKeyError) in
      try await keys.rotate(
        request.arguments[0], overlap: .seconds(overlap), by: request.maker)
    }
    await changed()
    return APIAnswer(made.document, status: 201)
  }

  private func revoke(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    _ = try await translated { () throws(ServiceKeyError) in
      try await keys.revoke(request.arguments[0], by: request.maker)
    }
    await changed()
    return .done
  }

  private func translated<Value: Sendable>(
    _ act: () async throws(ServiceKeyError) -> Value
  ) async throws(Problem) -> Value {
    do throws(ServiceKeyError) {
      return try await act()
    } catch {
      throw Problem(error)
    }
  }
}

extension APIRequest {
  fileprivate var maker: KeyMaker {
    KeyMaker(id: caller.keyID, grant: caller.grant, requestID: requestID)
  }
}

extension IssuedKey {
  /// The only place where a key's text goes out; it is shown once.
  fileprivate var document: JSONValue {
    ["id": .string(key.id), "key": .string(key.text.expose()), "name": .string(name)]
  }
}

extension ServiceKeyRecord {
  fileprivate var document: JSONValue {
    [
      "id": .string(id), "name": .string(name),
      "app": grant.app.map { .string($0.text) } ?? .null,
      "stores": .names(grant.storeNames), "scopes": .names(grant.scopeNames),
      "methods": .names(grant.methodNames), "paths": .names(grant.pathNames),
      "abilities": .names(grant.abilities.names),
      "rate": grant.rate.map { .integer($0.callsPerMinute) } ?? .null,
      "created_at": .string(createdAt.description), "created_by": .string(createdBy),
      "expires_at": .time(grant.expiresAt), "overlap_ends_at": .time(overlapEndsAt),
      "revoked_at": .time(revokedAt),
      "last_used_at": .time(lastUsedAt),
      "rotated_from": rotatedFrom.map { .string($0) } ?? .null,
    ]
  }
}

extension JSONValue {
  /// A list of names; `["*"]` for what has no limit.
  fileprivate static func names(_ names: [String]?) -> JSONValue {
    .array((names ?? ["*"]).map { .string($0) })
  }

  /// A moment as the API writes it, or null.
  static func time(_ moment: Timestamp?) -> JSONValue {
    moment.map { .string($0.description) } ?? .null
  }
}

extension Problem {
  fileprivate init(_ error: ServiceKeyError) {
    self =
      switch error {
      case .notAllowed: .abilityMissing(.keys)
      case .grantTooWide:
        .grantMissing(
          """
          A key never grants more than its maker holds: app, stores, scopes, methods, paths, abilities, rate and \
          expiry.
          """
        )
      case .grantMalformed:
        .badRequest("A key needs at least one ability, and an app unless it is an operator's.")
      case .unknownApp: .badRequest("The field app names no app of this deployment.")
      case .unknownKey: .unknown("key")
      case .notValid:
        Problem(
          status: 409, code: "key_not_valid", title: "Key not valid",
          detail: "The key is revoked or expired. Make a new one instead of rotating it.")
      case .makerGone:
        Problem(
          status: 401, code: "key_invalid", title: "Key not valid",
          detail: "The key that asks was revoked or has expired meanwhile.")
      case .database(let error): .database(error)
      }
  }
}
