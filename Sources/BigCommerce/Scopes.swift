/// A set of OAuth scope names, granted or required.
///
/// Documented names are bits of one word, so that asking costs no hashing and no allocation;
/// unknown names are kept as they are, because BigCommerce adds scopes without asking us.
package struct Scopes: Hashable, Sendable {
  /// Bits of the documented names in the set.
  private let known: UInt128
  /// ``known``, and the read-only twins of its modify scopes.
  private let effective: UInt128
  /// Names that no documentation lists, sorted.
  package let unknownNames: [String]

  package static let none = Scopes([])

  package init(_ names: some Sequence<String>) {
    var bits: UInt128 = 0
    var others: Set<String> = []
    for name in names {
      if let place = ScopeCatalog.places[name] {
        bits |= 1 << UInt128(place)
      } else {
        others.insert(name)
      }
    }
    known = bits
    effective = bits | ScopeCatalog.implied(by: bits)
    unknownNames = others.sorted()
  }

  /// Reads names separated by spaces, commas or any other white space or control byte.
  ///
  /// BigCommerce writes spaces; its documentation of 2022 showed commas.
  package init(parsing text: some StringProtocol) {
    let names = text.utf8.split { $0 <= 0x20 || $0 == UInt8(ascii: ",") || $0 == 0x7F }
    self.init(names.map { String(decoding: $0, as: UTF8.self) })
  }

  /// All names in ascending order: the one form in which a set is stored and shown.
  package var names: [String] {
    let listed = ScopeCatalog.names.indices.filter { known & (1 << UInt128($0)) != 0 }
    return (listed.map { ScopeCatalog.names[$0] } + unknownNames).sorted()
  }

  package var isEmpty: Bool { known == 0 && unknownNames.isEmpty }

  /// Whether everything in `required` is here, or implied by a modify scope that is here.
  package func covers(_ required: Scopes) -> Bool {
    required.known & ~effective == 0 && required.unknownNames.allSatisfy(unknownNames.contains)
  }

  /// Whether at least one of `alternatives` is here, or implied by a modify scope that is here.
  package func coversAny(of alternatives: Scopes) -> Bool {
    effective & alternatives.known != 0
      || alternatives.unknownNames.contains(where: unknownNames.contains)
  }

  package func covers(_ name: String) -> Bool { covers(Scopes([name])) }

  /// The names that grant `name`: itself, and the documented modify scopes that imply it.
  package static func names(granting name: String) -> [String] {
    [name] + ScopeCatalog.names.filter { $0 != name && Scopes([$0]).covers(name) }
  }

  /// What of `required` is neither here nor implied; empty when there is no drift.
  package func missing(of required: Scopes) -> Scopes {
    Scopes(required.names.filter { !covers($0) })
  }

  package func union(_ other: Scopes) -> Scopes { Scopes(names + other.names) }

  /// One warning for each name that no documentation lists.
  package var warnings: [ScopeWarning] {
    unknownNames.map { ScopeWarning(name: $0, suggestion: ScopeCatalog.suggestion(for: $0)) }
  }
}

extension Scopes: CustomStringConvertible {
  /// The names, separated by spaces, as BigCommerce writes them.
  package var description: String { names.joined(separator: " ") }
}

/// An unknown scope name in a setting or a grant; it is passed on, never dropped.
package struct ScopeWarning: Hashable, Sendable, CustomStringConvertible {
  package let name: String
  /// The documented name that was probably meant.
  package let suggestion: String?

  package var description: String {
    let meant = suggestion.map { "; did you mean \($0)?" } ?? ""
    return "\(name) is in no BigCommerce list of scopes\(meant)"
  }
}
