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
      .init("name", ownName.name.map { .string($0) } ?? .null),
      .init("domain", ownName.domain.map { .string($0) } ?? .null),
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
      .init("hooks", webhooks?.document ?? .null),
    ] + (health?.members ?? StoreHealthRecord.absent)
  }
}

extension StoreHealthRecord {
  fileprivate static let names = [
    "health", "health_detail", "health_since_at", "health_checked_at",
  ]

  /// Of a store without a token.
  fileprivate static let absent = names.map { JSONValue.Member($0, .null) }

  fileprivate var members: [JSONValue.Member] {
    let values: [JSONValue] = [
      .string(health?.rawValue ?? "unknown"), detail.map { .string($0) } ?? .null, .time(sinceAt),
      .time(checkedAt),
    ]
    return zip(Self.names, values).map { JSONValue.Member($0, $1) }
  }
}

extension StoreWebhooks {
  fileprivate var document: JSONValue {
    [
      "state": .string(state.rawValue), "wanted": .integer(wanted), "active": .integer(active),
      "failure": failure.map { .string($0) } ?? .null,
    ]
  }
}

extension StoreActivity.Report {
  /// What this replica knows of a store's API, beside its record; all null until a call was made.
  var members: [JSONValue.Member] {
    let isKnown = seen.quota != nil || standing != nil
    return [
      .init("quota", isKnown ? .object(quota + calls) : .null),
      .init("last_call_at", .time(seen.lastCallAt)),
      .init("last_status", .integer(orNull: seen.lastStatus)),
    ]
  }

  private var calls: [JSONValue.Member] {
    [.init("held", .integer(held))] + (standing ?? .idle).members(at: at)
  }

  /// What the last answer that spoke of quota said.
  private var quota: [JSONValue.Member] {
    let quota = seen.quota
    return [
      .init("remaining", .integer(orNull: quota?.left)),
      .init("limit", .integer(orNull: quota?.quota)),
      .init("window_ms", .integer(orNull: quota?.window?.inMilliseconds)),
      .init("reset_ms", .integer(orNull: quota?.reset?.inMilliseconds)),
      .init("seen_at", .time(seen.quotaSeenAt)),
    ]
  }
}

extension StoreStanding {
  /// What speaks for and against calls to the store at that moment.
  fileprivate func members(at now: Timestamp) -> [JSONValue.Member] {
    [
      .init("in_flight", .integer(inFlight)),
      .init("concurrency_limit", .integer(concurrencyLimit)),
      .init("waiting_interactive", .integer(waitingInteractive)),
      .init("waiting_bulk", .integer(waitingBulk)),
      .init("longest_wait_ms", .integer(longestWait.inMilliseconds)),
      .init("stopped_until_at", .time(stopped.map { now + $0 })),
      .init("breaker", .string(breaker.state.rawValue)),
      .init("breaker_cause", breaker.cause.map { .string($0.rawValue) } ?? .null),
      .init("breaker_until_at", .time(breaker.rest.map { now + $0 })),
      .init("breaker_families", .array(breaker.families.map { .string($0) })),
      .init("recent_failures", .integer(breaker.recentFailures)),
      .init("retry_budget", .integer(retryBudget)),
      .init("retry_budget_used", .integer(retryBudgetUsed)),
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

  static func names(of scopes: Scopes) -> JSONValue {
    .array(scopes.names.map { .string($0) })
  }
}
