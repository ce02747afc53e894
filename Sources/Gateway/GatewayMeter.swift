import Base
import HTTPTypes
package import Prometheus

/// What the gateway answered, for metrics.
package final class GatewayMeter: Sendable {
  /// Who speaks in an answer.
  enum Origin: Int, CaseIterable {
    case upstream, gateway
  }

  private static let methods: [HTTPRequest.Method] = [.get, .head, .post, .put, .patch, .delete]
  private static let classes = 2...5

  private let answers = CounterTable()
  private let refusals = Tally<RefusalCode>()

  package init() {}

  /// BigCommerce's answer is passed on.
  func relayed(_ method: HTTPRequest.Method, status: Int) { count(.upstream, method, status) }

  /// The gateway answers itself, and not with a refusal.
  func explained(_ method: HTTPRequest.Method) { count(.gateway, method, 200) }

  func refused(_ method: HTTPRequest.Method, _ problem: Problem) {
    count(.gateway, method, problem.status)
    refusals.count(RefusalCode(rawValue: problem.code) ?? .other)
  }

  private func count(_ origin: Origin, _ method: HTTPRequest.Method, _ status: Int) {
    answers.add(at: Self.place(origin, Self.methods.firstIndex(of: method), status / 100))
  }

  /// Methods that the guard lets through are in the list; another one has the place after them.
  private static func place(_ origin: Origin, _ method: Int?, _ statusClass: Int) -> Int {
    let column = min(max(statusClass, classes.lowerBound), classes.upperBound) - classes.lowerBound
    let row = origin.rawValue * (methods.count + 1) + (method ?? methods.count)
    return row * classes.count + column
  }

  private var points: [MetricPoint] {
    var points: [MetricPoint] = []
    for origin in Origin.allCases {
      for method in 0...Self.methods.count {
        let name = method < Self.methods.count ? Self.methods[method].rawValue : "other"
        for statusClass in Self.classes {
          let count = answers[Self.place(origin, method, statusClass)]
          points.append(MetricPoint(["\(origin)", name, "\(statusClass)xx"], count))
        }
      }
    }
    return points
  }

  package var families: [MetricFamily] {
    [
      MetricFamily(
        "latchkey_gateway_answers_total", .counter,
        "Answers to calls of stores, BigCommerce's passed on (upstream) and our own (gateway).",
        by: ["origin", "method", "status"], points),
      .counter(
        "latchkey_gateway_refusals_total", "Our own answers that refuse a call, by their code.",
        by: "code", refusals.points),
    ]
  }
}

/// The codes with which the gateway refuses calls.
enum RefusalCode: String, MetricWord {
  case badTarget = "bad_target"
  case methodNotAllowed = "method_not_allowed"
  case badControl = "bad_control"
  case keyInvalid = "key_invalid"
  case grantMissing = "grant_missing"
  case scopeMissing = "scope_missing"
  case storeUnknown = "store_unknown"
  case storeUninstalled = "store_uninstalled"
  case storeSuspended = "store_suspended"
  case storeRevoked = "store_revoked"
  case tokenUnreadable = "token_unreadable"
  case bodyTooLarge = "body_too_large"
  case bodyIncomplete = "body_incomplete"
  case rateLimited = "rate_limited"
  case quotaExhausted = "quota_exhausted"
  case overloaded
  case bodyNotReplayable = "body_not_replayable"
  case idempotencyConflict = "idempotency_conflict"
  case idempotencyInFlight = "idempotency_in_flight"
  case idempotencyUnknown = "idempotency_unknown"
  case idempotencyNotKept = "idempotency_not_kept"
  case idempotencyFull = "idempotency_full"
  case upstreamUnreachable = "upstream_unreachable"
  case upstreamBroken = "upstream_broken"
  case upstreamTimeout = "upstream_timeout"
  case databaseUnavailable = "database_unavailable"
  case draining
  /// A code that is not in this list.
  case other
}
