/// How a store's API answers a call that needs no scope.
package enum StoreHealth: String, CaseIterable, Hashable, Sendable {
  /// It answers.
  case healthy
  /// The token is refused.
  case revoked
  /// The token is known, and may not even do what every token may.
  case scope
  /// The store itself is down: suspended, unpaid or under maintenance.
  case suspended
  /// The store's plan is used up or not paid.
  case plan
  /// The store's quota is spent, or the platform slows callers down.
  case rate
  /// No answer, or none of the API: connection, TLS, time-outs, errors of the platform.
  case network
}

/// What one look at a store told, and by what.
package struct HealthLook: Hashable, Sendable {
  /// What was seen; the words never change, they are kept and shown.
  package enum Detail: String, CaseIterable, Hashable, Sendable {
    case accepted
    /// A call of a caller was answered well lately, so that none was needed.
    case traffic
    case tokenRefused = "token_refused"
    case forbidden
    case storeUnavailable = "store_unavailable"
    case planLimit = "plan_limit"
    case paymentRequired = "payment_required"
    case throttled
    case serverError = "server_error"
    case unexpectedAnswer = "unexpected_answer"
    case unreachable
    case brokenAnswer = "broken_answer"
    case timeout
    /// So many calls have failed of late that none is sent.
    case breakerOpen = "breaker_open"
  }

  package let health: StoreHealth
  package let detail: Detail

  package init(_ health: StoreHealth, _ detail: Detail) {
    self.health = health
    self.detail = detail
  }

  /// A caller's call was answered well.
  package static let traffic = HealthLook(.healthy, .traffic)

  /// What an answer to `GET /v3/hooks` says of the store.
  ///
  /// That call needs no scope, so a 403 is never about one that lacks: the token was granted none,
  /// or its owner may do nothing any more.
  /// A 503 with `Retry-After` is the platform's, one without is the store's.
  /// - Source: PLATFORM 5.4.
  package init(status: Int, hasRetryAfter: Bool) {
    self =
      switch status {
      case 200: HealthLook(.healthy, .accepted)
      case 401: HealthLook(.revoked, .tokenRefused)
      case 402: HealthLook(.plan, .paymentRequired)
      case 403: HealthLook(.scope, .forbidden)
      case 429, 509: HealthLook(.rate, .throttled)
      case 503 where !hasRetryAfter: HealthLook(.suspended, .storeUnavailable)
      case 507: HealthLook(.plan, .planLimit)
      case 500...599: HealthLook(.network, .serverError)
      default: HealthLook(.network, .unexpectedAnswer)
      }
  }
}
