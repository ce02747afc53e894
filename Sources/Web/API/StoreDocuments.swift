import Base
import BigCommerce
import Storage

extension StoreRecord {
  /// The fields of a store in lists and alone.
  var members: [JSONValue.Member] {
    let missing = missingScopes
    return [
      .init("store_hash", .string(installation.store.text)),
      .init("app", .string(installation.app.text)),
      .init("state", .string(state.rawValue)),
      .init("generation", .integer(generation.number)),
      .init("scopes", .names(of: scopes)),
      .init("required_scopes", .names(of: requiredScopes)),
      .init("missing_scopes", .names(of: missing)),
      .init("drift", .bool(!missing.isEmpty)),
      .init("source", .string(source)),
      .init("owner_id", ownerID.map { .integer($0) } ?? .null),
      .init("authorized_at", .time(authorizedAt)),
      .init("installed_at", .time(installedAt)),
      .init("token_stored_at", .time(tokenStoredAt)),
      .init("token_verified_at", .time(tokenVerifiedAt)),
      .init("state_changed_at", .time(stateChangedAt)),
      .init("suspended_at", .time(suspendedAt)),
      .init("uninstalled_at", .time(uninstalledAt)),
    ]
  }
}

extension StoreUserRecord {
  var document: JSONValue {
    [
      "id": .integer(userID), "email": email.map { .string($0) } ?? .null,
      "locale": locale.map { .string($0) } ?? .null, "is_owner": .bool(isOwner),
      "first_seen_at": .time(firstSeenAt), "last_seen_at": .time(lastSeenAt),
      "removed_at": .time(removedAt),
    ]
  }
}

extension JSONValue {
  fileprivate static func names(of scopes: Scopes) -> JSONValue {
    .array(scopes.names.map { .string($0) })
  }
}
