import Base
package import HTTPTypes
import Upstream
package import Vault

/// Reads the service key that a request carries.
package enum CallerKey {
  /// The key's parts from `Authorization: Bearer` or `X-Auth-Token`.
  ///
  /// `nil` when there is none, when one is malformed or given twice, and when both are there and
  /// differ: then nobody can say who is calling.
  package static func read(_ fields: HTTPFields) -> (id: String, digest: KeyDigest)? {
    var bearer: String?
    var token: String?
    for field in fields {
      switch field.name {
      case .authorization:
        guard bearer == nil else { return nil }
        bearer = field.value
      case .authToken:
        guard token == nil else { return nil }
        token = field.value
      default: break
      }
    }
    switch (bearer, token) {
    case (nil, nil): return nil
    case (nil, let token?): return ServiceKey.parse(token)
    case (let bearer?, nil): return credentials(bearer).flatMap { ServiceKey.parse($0) }
    case (let bearer?, let token?):
      guard let credentials = credentials(bearer), constantTimeEqual(credentials.utf8, token.utf8)
      else { return nil }
      return ServiceKey.parse(token)
    }
  }

  /// What follows the scheme `Bearer`, in any case, and one space or more.
  private static func credentials(_ value: String) -> Substring? {
    let scheme = value.prefix(7)
    guard scheme.utf8.count == 7, scheme.lowercased() == "bearer " else { return nil }
    return value.dropFirst(7).drop { $0 == " " }
  }
}
