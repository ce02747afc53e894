package import Base
import BigCommerce
import Postgres
import Storage

extension Problem {
  /// 400 with a text that says what to change.
  package static func badRequest(_ detail: String) -> Problem {
    Problem(status: 400, code: "bad_request", title: "Bad request", detail: detail)
  }

  package static let noRoute = Problem(
    status: 404, code: "not_found", title: "Not found",
    detail: "There is nothing at this path; /docs names the routes.")

  package static func methodNotAllowed(_ methods: [String]) -> Problem {
    Problem(
      status: 405, code: "method_not_allowed", title: "Method not allowed",
      detail: "This path takes \(methods.joined(separator: ", ")).",
      fields: [.init("allowed", .array(methods.map { .string($0) }))])
  }

  /// 403: the caller's key lacks an ability.
  static func abilityMissing(_ ability: Ability) -> Problem {
    grantMissing(
      "This key may not do that: it lacks the ability \(ability.rawValue).",
      fields: [.init("missing_ability", .string(ability.rawValue))])
  }

  static func grantMissing(_ detail: String, fields: [JSONValue.Member] = []) -> Problem {
    Problem(
      status: 403, code: "grant_missing", title: "Not granted",
      detail: detail + " Ask an operator for a key with a wider grant.", fields: fields)
  }

  static func unknown(_ what: String) -> Problem {
    Problem(
      status: 404, code: "not_found", title: "Not found", detail: "There is no such \(what).")
  }

  /// 503: PostgreSQL cannot be used now.
  static func database(_ error: PostgresError) -> Problem {
    switch error {
    case .unknownOutcome:
      Problem(
        status: 503, code: "database_unavailable", title: "Database unavailable",
        detail:
          "The database was lost while it was storing this. It may have been done: look before you repeat it.",
        fields: [.init("outcome", "unknown")], retryAfter: 2)
    default:
      Problem(
        status: 503, code: "database_unavailable", title: "Database unavailable",
        detail: "The database cannot be used right now. Nothing was changed; try again.",
        fields: [.init("outcome", "not_done")], retryAfter: 2)
    }
  }
}
