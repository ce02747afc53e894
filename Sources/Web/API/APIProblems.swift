package import Base
import BigCommerce

extension Problem {
  /// 400 with a text that says what to change.
  package static func badRequest(_ detail: String) -> Problem {
    Problem(status: 400, code: "bad_request", title: "Bad request", detail: detail)
  }

  package static let noRoute = Problem(
    status: 404, code: "not_found", title: "Not found",
    detail: "There is nothing at this path. GET /openapi.json lists the routes.")

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
}
