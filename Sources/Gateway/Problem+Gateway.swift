package import Base
import BigCommerce
import HTTPTypes

extension Problem {
  /// No key, or none that is good; which of these is not told.
  package static let keyInvalid = Problem(
    status: 401, code: "key_invalid", title: "No valid service key",
    detail: """
      Send a service key as 'Authorization: Bearer lk_…' or as 'X-Auth-Token: lk_…'. It is missing, malformed, unknown, \
      expired or revoked, or the two fields differ.
      """)

  static func missing(ability: Ability) -> Problem {
    grantMissing(
      """
      This key lacks the ability '\(ability.rawValue)'. Ask whoever manages keys for one that has it.
      """, [.init("missing_ability", .string(ability.rawValue))])
  }

  static func missing(store: StoreHash) -> Problem {
    grantMissing(
      """
      This key is not granted the store \(store). Ask whoever manages keys for one that names the store or a label of it.
      """, [.init("missing_store", .string(store.text))])
  }

  static func missing(method: HTTPRequest.Method) -> Problem {
    grantMissing(
      "This key is not granted the method \(method.rawValue). Ask whoever manages keys for one that has it.",
      [.init("missing_method", .string(method.rawValue))])
  }

  /// The path is the caller's own, without its query.
  static func missing(path: Substring) -> Problem {
    grantMissing(
      "This key is granted some paths only, and \(path) is none of them. Ask whoever manages keys for one that has it.",
      [.init("missing_path", .string(String(path)))])
  }

  static func missing(app: AppName) -> Problem {
    grantMissing(
      "This key is for another app than \(app). Leave Latchkey-App out, or use a key of that app.",
      [.init("missing_app", .string(app.text))])
  }

  static func missing(grantFor rule: EndpointRule) -> Problem {
    let names = rule.alternatives
    let need = names.isEmpty ? "scopes that no list names" : names.joined(separator: " or ")
    return grantMissing(
      "This key is not granted \(need). Ask whoever manages keys for one that has it.",
      [.init("missing_scopes", .array(names.map { .string($0) }))])
  }

  private static func grantMissing(_ detail: String, _ fields: [JSONValue.Member]) -> Problem {
    Problem(
      status: 403, code: "grant_missing", title: "The key does not allow this call", detail: detail,
      fields: fields)
  }

  static func scopeMissing(_ rule: EndpointRule, granted: Scopes) -> Problem {
    let names = rule.alternatives
    let detail =
      names.isEmpty
      ? "BigCommerce has no scope that allows this method here; the call can never succeed."
      : """
      The store has not granted \(names.joined(separator: " or ")). Add it to the app's scopes in the BigCommerce \
      Developer Portal and to the app's required scopes here; then let the merchant open the app in the control \
      panel and confirm the new scopes.
      """
    return Problem(
      status: 403, code: "scope_missing", title: "The store has not granted the scope",
      detail: detail,
      fields: [
        .init("required", .array(names.map { .string($0) })),
        .init("granted", .array(granted.names.map { .string($0) })),
      ])
  }

  static let storeUnknown = Problem(
    status: 404, code: "store_unknown", title: "The app is not installed on this store",
    detail: """
      Install the app on the store: open it from the store's control panel, or import a token. If the app runs under \
      several names here, say which is meant with Latchkey-App.
      """)

  static let storeUninstalled = Problem(
    status: 410, code: "store_uninstalled", title: "The app was uninstalled from this store",
    detail: "The store's token is destroyed. Calls work again after the merchant installs the app.")

  static let storeSuspended = Problem(
    status: 423, code: "store_suspended", title: "Calls to this store are suspended",
    detail: "An operator stopped them. They resume with POST /v1/stores/{store_hash}/resume.")

  static let storeRevoked = Problem(
    status: 424, code: "store_revoked", title: "BigCommerce refuses this store's token",
    detail: """
      The merchant must install the app again. The token is tried again from time to time, and calls resume by \
      themselves if it is accepted.
      """)

  static let tokenUnreadable = Problem(
    status: 500, code: "token_unreadable", title: "The store's token cannot be opened",
    detail: """
      The key that sealed it is not among CREDENTIALS_ENCRYPTION_KEY, or its row was altered. Nothing was sent. \
      'latchkey doctor' tells which; installing the app again gives the store a new token.
      """)

  static func bodyTooLarge(_ limit: ByteCount) -> Problem {
    Problem(
      status: 413, code: "body_too_large", title: "The request body is too large",
      detail: "At most \(limit) are taken. Split the request.",
      fields: [.init("limit_bytes", .integer(limit.bytes))])
  }

  static let headBody = Problem(
    status: 400, code: "bad_target", title: "HEAD takes no body",
    detail: "Send the request without a body, or with another method.")

  static let notSendable = Problem(
    status: 400, code: "bad_target", title: "The request cannot be sent on",
    detail: "A header value holds a control character. Nothing was sent.")

  static let bodyIncomplete = Problem(
    status: 400, code: "body_incomplete", title: "The request body ended early",
    detail:
      "The body was cut off or had another length than announced; BigCommerce got no complete request."
  )

  static func rateLimited(_ rate: CallRate?, retryAfter wait: Duration) -> Problem {
    Problem(
      status: 429, code: "rate_limited", title: "The key has made its calls",
      detail: """
        This key may make so many calls per minute on each replica. Nothing was sent. Try again after Retry-After, or \
        ask whoever manages keys for one with a higher rate.
        """,
      fields: [.init("rate", rate.map { .integer($0.callsPerMinute) } ?? .null)],
      retryAfter: max(1, Int((wait.inMicroseconds + 999_999) / 1_000_000)))
  }

  package static let databaseUnavailable = Problem(
    status: 503, code: "database_unavailable", title: "Keys and stores cannot be checked",
    detail:
      "This replica has not reached its database for some seconds. Try again, or another replica.",
    retryAfter: 2)

  static func draining(sent: Bool) -> Problem {
    Problem(
      status: 503, code: "draining", title: "This replica is shutting down",
      detail: sent
        ? "The call was cut short. A write may have happened: look before trying again."
        : "Nothing was sent. Try again; another replica will answer.",
      fields: [.outcome(sent: sent)], retryAfter: 1)
  }

  static let upstreamBroken = Problem(
    status: 502, code: "upstream_broken", title: "BigCommerce's answer is broken",
    detail: """
      The connection broke, or what came is not HTTP. A write may have happened: look before trying again.
      """, fields: [.outcome(sent: true)])

  static func upstreamTimeout(sent: Bool) -> Problem {
    Problem(
      status: 504, code: "upstream_timeout", title: "BigCommerce did not answer in time",
      detail: """
        No answer within Latchkey-Timeout, or a pause in it that was too long. A write may have happened: look before \
        trying again, or allow more time.
        """, fields: [.outcome(sent: sent)])
  }
}

extension JSONValue.Member {
  /// Whether a write may have happened.
  static func outcome(sent: Bool) -> JSONValue.Member {
    .init("outcome", .string(sent ? "unknown" : "not_sent"))
  }
}
