import Base
package import Fields
import Upstream
package import Vault

/// Reads the service key that a request carries.
package enum CallerKey {
  /// The key's parts from `Authorization: Bearer` or `X-Auth-Token`.
  ///
  /// `nil` when there is none, when one is malformed or given twice, and when both are there and
  /// differ: then nobody can say who is calling.
  package static func read(_ fields: FieldSection) -> (id: String, digest: KeyDigest)? {
    var bearer: String?
    var token: String?
    for line in fields.lines {
      switch line.name {
      case .authorization:
        guard bearer == nil else { return nil }
        bearer = fields.value(of: line)
      case .authToken:
        guard token == nil else { return nil }
        token = fields.value(of: line)
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

  private static let scheme = Array("bearer ".utf8)

  /// What follows the scheme `Bearer`, in any case, and one space or more.
  private static func credentials(_ value: String) -> Substring? {
    let bytes = value.utf8
    guard bytes.count > scheme.count,
      zip(bytes, scheme).allSatisfy({ $0 == $1 || $0 | 0x20 == $1 && $1 != 0x20 })
    else { return nil }
    return Substring(bytes.dropFirst(scheme.count).drop { $0 == UInt8(ascii: " ") })
  }
}
