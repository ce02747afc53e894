import Base

/// A refusal that an operation may answer with, as `application/problem+json`.
///
/// A test compares the list with the codes that the sources use.
package struct ProblemCode: Sendable, Hashable {
  let status: Int
  package let code: String
  /// When it happens, a sentence.
  let about: String
  /// Fields beside those of all problems.
  let fields: [String]

  private init(_ status: Int, _ code: String, _ about: String, _ fields: [String] = []) {
    self.status = status
    self.code = code
    self.about = about
    self.fields = fields
  }
}

/// What every operation may answer.
extension ProblemCode {
  static let badRequest = ProblemCode(
    400, "bad_request", "A parameter or a field is unknown, missing, given twice or malformed.")
  static let malformedRequest = ProblemCode(
    400, "malformed_request", "The bytes are not a request as RFC 9112 writes it.")
  static let badTarget = ProblemCode(400, "bad_target", "The request target is not canonical.")
  static let badHost = ProblemCode(400, "bad_host", "There is not exactly one `Host`.")
  static let badFraming = ProblemCode(
    400, "bad_framing", "`Content-Length` and `Transfer-Encoding` are malformed or contradict.")
  static let keyInvalid = ProblemCode(
    401, "key_invalid", "No service key, or one that is unknown, malformed, expired or revoked.")
  static let grantMissing = ProblemCode(
    403, "grant_missing", "The key may not do this; the answer names what is missing.",
    [
      "missing_ability", "missing_store", "missing_app", "missing_method", "missing_path",
      "missing_scopes",
    ])
  static let notFound = ProblemCode(
    404, "not_found", "There is no such thing, or nothing at this path.")
  static let methodNotAllowed = ProblemCode(
    405, "method_not_allowed", "The path takes other methods; `Allow` names them.", ["allowed"])
  static let tooSlow = ProblemCode(408, "too_slow", "The request came too slowly.")
  static let bodyTooLarge = ProblemCode(
    413, "body_too_large", "The body is larger than is taken.", ["limit_bytes"])
  static let expectationFailed = ProblemCode(
    417, "expectation_failed", "`Expect` asks for something other than `100-continue`.")
  static let headTooLarge = ProblemCode(
    431, "head_too_large", "More than 100 fields, or 16 KiB of request line and fields.")
  static let databaseUnavailable = ProblemCode(
    503, "database_unavailable", "PostgreSQL cannot be used now.", ["outcome"])
  static let overloaded = ProblemCode(
    503, "overloaded", "Too many requests or calls at once.", ["held"])
  static let versionNotSupported = ProblemCode(
    505, "version_not_supported", "An HTTP version other than 1.1 and 1.0.")
}

/// What some operations of the JSON API answer.
extension ProblemCode {
  static let ticketNotValid = ProblemCode(
    404, "ticket_not_valid", "The ticket is unknown, spent, too old, or not this key's.")
  static let uninstalledAlready = ProblemCode(
    409, "store_uninstalled", "The store has no token any more.")
  static let superseded = ProblemCode(
    409, "superseded", "A newer install or uninstall of the store came first.")
  static let keyNotValid = ProblemCode(409, "key_not_valid", "The key is revoked or expired.")
  static let tooManySecrets = ProblemCode(
    409, "too_many_secrets", "As many secrets sign already as may at once.")
  static let deliveryUnreadable = ProblemCode(
    409, "delivery_unreadable", "No event can be made of the delivery's body.", ["reason"])
  static let cursorExpired = ProblemCode(
    410, "cursor_expired", "What follows the cursor is no longer kept; `oldest` is where to go on.",
    ["oldest"])
  static let tokenRefused = ProblemCode(
    422, "token_refused", "BigCommerce does not accept the token for this store.")
  static let `internal` = ProblemCode(
    500, "internal", "A secret could not be sealed or opened; the log says why.")
  static let vaultFailed = ProblemCode(
    500, "vault_failed", "The new secret could not be sealed. Nothing was changed.")
  static let tokenNotProved = ProblemCode(
    502, "token_not_proved", "BigCommerce did not say whether the token is good.")
  static let draining = ProblemCode(503, "draining", "This replica is about to stop.", ["outcome"])
  static let notReady = ProblemCode(503, "not_ready", "This replica cannot serve now.")
}

/// What the gateway answers beside what BigCommerce does.
extension ProblemCode {
  static let badControl = ProblemCode(
    400, "bad_control", "A `Latchkey-*` field or `Idempotency-Key` cannot be taken.", ["field"])
  static let bodyIncomplete = ProblemCode(
    400, "body_incomplete", "The body was cut off or had another length than announced.")
  static let bodyNotReplayable = ProblemCode(
    400, "body_not_replayable",
    "A write with `Idempotency-Key` has a body of known length, at most 1 MiB.", ["limit_bytes"])
  static let scopeMissing = ProblemCode(
    403, "scope_missing", "The store has not granted the scope; the answer says how to get it.",
    ["required", "granted"])
  static let storeUnknown = ProblemCode(
    404, "store_unknown", "The app is not installed on this store.")
  static let idempotencyConflict = ProblemCode(
    409, "idempotency_conflict", "The `Idempotency-Key` stands for another request.", ["outcome"])
  static let idempotencyInFlight = ProblemCode(
    409, "idempotency_in_flight", "The same write is under way; repeat it after `Retry-After`.",
    ["first_request_id"])
  static let idempotencyUnknown = ProblemCode(
    409, "idempotency_unknown",
    "Nobody knows whether the write happened: look at the store, then use a new key.",
    ["outcome", "cause", "upstream_status", "first_request_id"])
  static let idempotencyNotKept = ProblemCode(
    409, "idempotency_not_kept", "The write was answered before, and the answer is not kept.",
    ["outcome", "upstream_status", "first_request_id"])
  static let storeUninstalled = ProblemCode(
    410, "store_uninstalled", "The app was uninstalled from this store.")
  static let storeSuspended = ProblemCode(
    423, "store_suspended", "An operator has stopped calls to this store.")
  static let storeRevoked = ProblemCode(
    424, "store_revoked", "BigCommerce refuses this store's token.")
  static let quotaExhausted = ProblemCode(
    429, "quota_exhausted", "The call would wait longer for quota than `Latchkey-Max-Wait`.")
  static let rateLimited = ProblemCode(
    429, "rate_limited", "The key has made the calls that its rate allows.", ["rate"])
  static let idempotencyFull = ProblemCode(
    429, "idempotency_full",
    "The caller's keys of the last 24 hours for this store, or their answers, are too many.",
    ["outcome"])
  static let tokenUnreadable = ProblemCode(
    500, "token_unreadable", "The store's token cannot be opened with the keys that are set.")
  static let upstreamUnreachable = ProblemCode(
    502, "upstream_unreachable", "BigCommerce cannot be reached.", ["outcome", "cause"])
  static let upstreamBroken = ProblemCode(
    502, "upstream_broken", "BigCommerce's answer is broken.", ["outcome"])
  static let upstreamTimeout = ProblemCode(
    504, "upstream_timeout", "BigCommerce did not answer in time.", ["outcome"])
}

extension ProblemCode {
  /// All codes of the internal listener, each as often as it has meanings.
  package static let all: [ProblemCode] =
    [
      badRequest, malformedRequest, badTarget, badHost, badFraming, keyInvalid, grantMissing,
      notFound, methodNotAllowed, tooSlow, bodyTooLarge, expectationFailed, headTooLarge,
      databaseUnavailable, overloaded, versionNotSupported,
    ] + [
      ticketNotValid, uninstalledAlready, superseded, keyNotValid, tooManySecrets,
      deliveryUnreadable, cursorExpired, tokenRefused, `internal`, vaultFailed, tokenNotProved,
      draining, notReady,
    ] + [
      badControl, bodyIncomplete, scopeMissing, storeUnknown, storeUninstalled, storeSuspended,
      storeRevoked, quotaExhausted, rateLimited, tokenUnreadable, upstreamUnreachable,
      upstreamBroken, upstreamTimeout, bodyNotReplayable, idempotencyConflict, idempotencyInFlight,
      idempotencyUnknown, idempotencyNotKept, idempotencyFull,
    ]

  /// The fields that problems have beside those of all.
  private static let caseFields: [Field] = [
    .sometimes("allowed", .list(of: .text()), "Methods that the path takes."),
    .sometimes("missing_ability", .text(), "An ability that the key lacks."),
    .sometimes("missing_store", .text(), "A store that the key is not for."),
    .sometimes("missing_app", .text(), "An app that the key is not for."),
    .sometimes("missing_method", .text(), "A method that the key is not for."),
    .sometimes("missing_path", .text(), "A path that the key is not for."),
    .sometimes(
      "missing_scopes", .list(of: .scopeName), "Scopes of which the key must be granted one."),
    .sometimes("required", .list(of: .scopeName), "Scopes of which the store must grant one."),
    .sometimes("granted", .list(of: .scopeName), "Scopes that the store has granted."),
    .sometimes("field", .text(), "The field of the head that cannot be taken."),
    .sometimes("limit_bytes", .count, "How large a body may be."),
    .sometimes("rate", .count.orNull, "Calls per minute that the key may make."),
    .sometimes("held", .word(["replica", "store", "caller"]), "Whose calls are too many."),
    .sometimes(
      "outcome", .word(["not_sent", "not_done", "done", "unknown"]),
      "Whether a write may have happened."),
    .sometimes("cause", .text(), "Why calls are not tried now, or why an outcome is unknown."),
    .sometimes(
      "upstream_status", .integer(200...599).orNull, "BigCommerce's status, if it answered."),
    .sometimes(
      "first_request_id", .text(), "The `X-Request-Id` of the first request with the key."),
    .sometimes("reason", .text(), "What is wrong with the delivery's body."),
    .sometimes("oldest", .cursor, "The cursor with which to go on."),
  ]

  /// The body of every refusal.
  static let schema = Schema.object(
    "Problem", "A refusal: RFC 9457, in the shape of BigCommerce's V3 errors.",
    [
      Field("status", .integer(400...599), "The HTTP status.", example: 400),
      Field("title", .text(), "The fixed, short name of the problem.", example: "Bad request"),
      Field(
        "type", .text(pattern: "^urn:latchkey:problem:[a-z_]+$"), "The code as a URN.",
        example: "urn:latchkey:problem:bad_request"),
      Field(
        "detail", .sentence, "What happened and what to do.",
        example: "The query parameter limit is a whole number from 1 to 1000."),
      Field(
        "code", .word(Set(all.map(\.code)).sorted()), "A word for programs to decide on.",
        example: "bad_request"),
      Field("request_id", .requestID, "Also in `X-Request-Id`, and in the log."),
    ] + caseFields)
}
