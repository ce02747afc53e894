package import HTTPTypes

/// The HTTP methods that a grant allows; a set that holds `GET` holds `HEAD`.
package struct MethodSet: Hashable, Sendable {
  /// Every method that a store's API has.
  package static let all = MethodSet(bits: known.reduce(0) { $0 | bit($1) })

  private static let known: [HTTPRequest.Method] = [.get, .head, .post, .put, .patch, .delete]

  private let bits: UInt8

  private init(bits: UInt8) {
    self.bits = bits
  }

  /// Reads names, of which `*` means all.
  /// - Throws: the first name that is none.
  package init(names: some Sequence<String>) throws(UnknownMethod) {
    var bits: UInt8 = 0
    for name in names {
      guard let meant = MethodSet.bits(named: name) else { throw UnknownMethod(name: name) }
      bits |= meant
    }
    self.bits = bits
  }

  /// Reads what it can, and leaves out the rest.
  package init(knownOf names: some Sequence<String>) {
    bits = names.reduce(0) { $0 | (MethodSet.bits(named: $1) ?? 0) }
  }

  package func contains(_ method: HTTPRequest.Method) -> Bool {
    bits & MethodSet.bit(method) != 0
  }

  package func isSuperset(of other: MethodSet) -> Bool { other.bits & ~bits == 0 }

  package var isEmpty: Bool { bits == 0 }

  /// The names, `["*"]` for all: the form of the API.
  package var names: [String] {
    self == .all ? ["*"] : MethodSet.known.filter(contains).map(\.rawValue)
  }

  private static func bits(named name: String) -> UInt8? {
    if name == "*" { return all.bits }
    guard let method = known.first(where: { $0.rawValue == name }) else { return nil }
    return bit(method) | (method == .get ? bit(.head) : 0)
  }

  /// 0 for a method that no store's API has.
  private static func bit(_ method: HTTPRequest.Method) -> UInt8 {
    switch method {
    case .get: 1 << 0
    case .head: 1 << 1
    case .post: 1 << 2
    case .put: 1 << 3
    case .patch: 1 << 4
    case .delete: 1 << 5
    default: 0
    }
  }
}

/// A name that is no method of a store's API.
package struct UnknownMethod: Error, Hashable, Sendable {
  package let name: String

  package init(name: String) {
    self.name = name
  }
}
