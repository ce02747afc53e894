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
    var bearer: FieldSection.Line?
    var token: FieldSection.Line?
    for line in fields.lines {
      switch line.name {
      case .authorization:
        guard bearer == nil else { return nil }
        bearer = line
      case .authToken:
        guard token == nil else { return nil }
        token = line
      default: break
      }
    }
    let bytes = fields.bytes.span
    guard let bearer else {
      return token.flatMap { ServiceKey.parse(bytes.extracting($0.valueRange)) }
    }
    guard let credentials = credentials(bytes, bearer.valueRange) else { return nil }
    if let token {
      let both = (fields.bytes[credentials], fields.bytes[token.valueRange])
      guard constantTimeEqual(both.0, both.1) else { return nil }
    }
    return ServiceKey.parse(bytes.extracting(credentials))
  }

  private static let scheme = Array("bearer ".utf8)

  /// Where that stands which follows the scheme `Bearer`, in any case, and one space or more.
  private static func credentials(_ bytes: Span<UInt8>, _ value: Range<Int>) -> Range<Int>? {
    guard value.count > scheme.count else { return nil }
    for (index, letter) in scheme.enumerated() {
      let byte = bytes[value.lowerBound + index]
      guard byte == letter || byte.inLowerCase == letter else { return nil }
    }
    var start = value.lowerBound + scheme.count
    while start < value.upperBound, bytes[start] == UInt8(ascii: " ") { start += 1 }
    return start..<value.upperBound
  }
}
