import BigCommerce
import HTTPTypes
import NIOHTTP1

/// Whether a token's scopes open an endpoint, by the platform's own table.
///
/// The product's gateway reads the same table, so that the two cannot drift apart; unlike the
/// gateway, which leaves them to the platform, the sandbox enforces the inferred rows too.
enum ScopeRules {
  /// Refuses when none of the scopes that would do is granted; the path begins with the version.
  static func check(
    _ method: HTTPMethod, path: Substring, granted: Scopes
  ) throws(APIFailure) {
    guard let method = HTTPRequest.Method(rawValue: method.rawValue),
      let rule = EndpointTable.shared.rule(method: method, path: path)
    else { return }
    switch rule.need {
    case .anyOf(let alternatives):
      guard granted.coversAny(of: alternatives) else { throw .missingScope }
    case .impossible: throw .missingScope
    case .anyToken, .unknown: break
    }
  }
}
