import Base
import BigCommerce
import Fields
import HTTPTypes
import NIOCore
import Storage
import Upstream

/// What the gateway found out about a call on the way to its decision; what was not reached is
/// `nil`.
///
/// It stops where the decision stops, so it tells a caller nothing that the refusal would not.
package struct CallTrace: Sendable {
  let method: HTTPRequest.Method
  let target: Target
  let controls: Controls
  let key: KeyEntry
  var app: AppName?
  var ability: Ability?
  var rule: EndpointRule?
  var mayCall = false
  var store: StoreEntry?
}

/// The answer to `Latchkey-Dry-Run: true`: which decisions would be taken; nothing is called.
package struct DryRun: Sendable {
  let trace: CallTrace
  /// What the call would be answered, when it would not be sent.
  let refusal: Problem?

  /// What would be decided at `now`, the moment by the clock of the quota; `pace` measures the rates
  /// of keys, of which nothing is taken.
  func document(now: Duration, pace: MonotonicClock, _ requestID: RequestID) -> JSONValue {
    let demand = trace.demand
    let standing =
      refusal == nil ? trace.store?.activity.quotaStanding(for: demand, now: now) : nil
    let rate = trace.key.allowance(by: pace)
    let refusal = refusal ?? rate?.refusal ?? standing?.refusal(maxWait: demand.maxWait)
    let decision =
      refusal != nil ? "refuse" : standing?.wait ?? .zero > .zero ? "wait" : "call"
    return .object([
      .init("dry_run", true), .init("decision", .string(decision)),
      .init("request_id", .string(requestID.text)), .init("caller", .string(trace.key.id)),
      .init("app", .optional(trace.app?.text)),
      .init("store_hash", .string(trace.target.store.text)),
      .init("method", .string(trace.method.rawValue)), .init("target", .string(trace.target.text)),
      .init("controls", trace.controls.document),
      .init("idempotency", .bool(trace.isKeyed)), .init("grant", trace.grant),
      .init("rule", trace.rule?.document ?? .null), .init("endpoint", demand.family.document),
      .init("store", trace.store?.document ?? .null), .init("rate", rate?.document ?? .null),
      .init("quota", self.refusal == nil ? QuotaStanding.document(standing) : .null),
      .init("refusal", refusal?.document ?? .null),
    ])
  }
}

extension CallTrace {
  /// Whether the call would be a write that is recorded under its `Idempotency-Key`.
  fileprivate var isKeyed: Bool { controls.idempotencyKey != nil && method.isWrite }

  fileprivate var demand: QuotaDemand {
    QuotaDemand(caller: key.id, method: method, target: target, controls: controls)
  }

  fileprivate var grant: JSONValue {
    ["ability": .optional(ability?.rawValue), "allowed": .bool(mayCall)]
  }
}

extension Controls {
  fileprivate var document: JSONValue {
    [
      "timeout": .integer(timeout.inMilliseconds / 1000),
      "max_wait": .integer(maxWait.inMilliseconds / 1000),
      "priority": .string(priority.rawValue), "retry": .integer(retries),
    ]
  }
}

extension EndpointRule {
  /// Which scopes, where that is written, and whether we refuse a store that has not granted them.
  fileprivate var document: JSONValue {
    [
      "scopes_any_of": .array(alternatives.map { .string($0) }),
      "source": .string(source.words), "enforced": .bool(isAuthoritative),
    ]
  }
}

extension EndpointRule.Source {
  fileprivate var words: String {
    switch self {
    case .specText: "specification"
    case .docsTable: "documentation table"
    case .docsText: "documentation text"
    case .inferred: "inferred"
    case .unknown: "unknown"
    }
  }
}

extension EndpointFamily {
  fileprivate var document: JSONValue {
    [
      "family": .string(EndpointFamilies.shared.name(of: id)),
      "documented_limit": documentedLimit.map { .integer($0) } ?? .null,
    ]
  }
}

extension StoreEntry {
  fileprivate var document: JSONValue {
    [
      "state": .string(state.rawValue), "generation": .integer(generation.number),
      "scopes": .array(scopes.names.map { .string($0) }),
    ]
  }
}

extension RateAllowance {
  /// What the call would be told now, when the key has made its calls.
  fileprivate var refusal: Problem? {
    calls > 0 ? nil : .rateLimited(rate, retryAfter: wait)
  }

  fileprivate var document: JSONValue {
    [
      "calls_per_minute": .integer(rate.callsPerMinute), "calls_now": .integer(calls),
      "wait_ms": .integer(wait.inMilliseconds),
    ]
  }
}

extension QuotaStanding {
  /// What the call would be told now, when it would not be sent in time.
  fileprivate func refusal(maxWait: Duration) -> Problem? {
    if let breaker { return Problem(.brokenStore(breaker)) }
    return wait > maxWait ? Problem(.quota(.exhausted(retryAfter: wait))) : nil
  }

  /// A store that is not called has nothing to tell: the call would go at once.
  fileprivate static func document(_ standing: QuotaStanding?) -> JSONValue {
    guard let standing else { return ["known": false, "wait_ms": 0] }
    return [
      "known": true, "limit": .optional(standing.quota), "remaining": .optional(standing.left),
      "window_ms": .integer(standing.window.inMilliseconds),
      "reset_ms": .optional(standing.reset?.inMilliseconds),
      "stopped_ms": .optional(standing.stopped?.inMilliseconds),
      "in_flight": .integer(standing.inFlight), "waiting": .integer(standing.waiting),
      "concurrency_limit": .integer(standing.limit),
      "family_concurrency_limit": .integer(standing.familyLimit),
      "wait_ms": .integer(standing.wait.inMilliseconds),
      "breaker": .string(standing.breaker == nil ? "closed" : "open"),
    ]
  }
}

extension Problem {
  fileprivate var document: JSONValue {
    .object(
      [
        .init("status", .integer(status)), .init("code", .string(code)),
        .init("title", .string(title)), .init("detail", .string(detail)),
        .init("retry_after", .optional(retryAfter)),
      ] + fields)
  }
}

extension JSONValue {
  fileprivate static func optional(_ text: String?) -> JSONValue {
    text.map { .string($0) } ?? .null
  }

  fileprivate static func optional(_ number: (some BinaryInteger)?) -> JSONValue {
    number.map { .integer($0) } ?? .null
  }
}

extension GatewayResponse {
  /// A JSON answer of the gateway's own.
  static func document(_ document: JSONValue, _ requestID: RequestID) -> GatewayResponse {
    let body = document.encoded()
    return GatewayResponse(
      status: 200,
      headers: [
        .contentType: "application/json", .cacheControl: "no-store", .latchkeyOrigin: "gateway",
        .requestID: requestID.text, .contentLength: String(body.count),
      ], body: .bytes(ByteBuffer(bytes: body)))
  }
}
