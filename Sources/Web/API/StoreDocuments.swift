import Base
import BigCommerce
import Storage
import Upstream

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
      .init("labels", .array(labels.sorted().map { .string($0.text) })),
      .init("source", .string(source)),
      .init("owner_id", .integer(orNull: ownerID)),
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

extension StoreActivity.Seen {
  /// What is known of a store's API, beside its record; all null until a call was answered.
  var members: [JSONValue.Member] {
    [
      .init("quota", quota.map { document(of: $0) } ?? .null),
      .init("last_call_at", .time(lastCallAt)),
      .init("last_status", .integer(orNull: lastStatus)),
    ]
  }

  private func document(of quota: QuotaHeaders) -> JSONValue {
    [
      "remaining": .integer(orNull: quota.left), "limit": .integer(orNull: quota.quota),
      "window_ms": .integer(orNull: quota.window?.inMilliseconds),
      "reset_ms": .integer(orNull: quota.reset?.inMilliseconds), "seen_at": .time(quotaSeenAt),
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
  /// A whole number, or null.
  fileprivate static func integer(orNull number: (some BinaryInteger)?) -> JSONValue {
    number.map { .integer($0) } ?? .null
  }

  fileprivate static func names(of scopes: Scopes) -> JSONValue {
    .array(scopes.names.map { .string($0) })
  }
}
