/// Which scopes one method on one path of a store's API needs.
package struct EndpointRule: Hashable, Sendable {
  /// What a token must have been granted.
  package enum Need: Hashable, Sendable {
    /// Any one of these is enough; a modify scope also counts as its read-only twin.
    case anyOf(Scopes)
    /// Any valid token of the store.
    case anyToken
    /// No scope exists that would allow it.
    case impossible
    /// The path alone does not decide it (GraphQL), or nobody knows.
    case unknown
  }

  /// Where the platform says so.
  package enum Source: Character, CaseIterable, Sendable {
    case specText = "s"
    case docsTable = "t"
    case docsText = "d"
    case inferred = "i"
    case unknown = "?"
  }

  package let need: Need
  package let source: Source

  package init(need: Need, source: Source) {
    self.need = need
    self.source = source
  }

  /// Whether we refuse a call whose store has not granted it, rather than leaving that to
  /// BigCommerce.
  ///
  /// The caller's own grant must cover a rule of any source.
  package var isAuthoritative: Bool {
    need != .unknown && (source == .specText || source == .docsTable)
  }

  /// Whether it needs the ability to call what is not listed, as a path without any rule does.
  package var isUnlisted: Bool { need == .unknown }

  /// Whether a token or a caller with these scopes meets the need; an unknown need is met by
  /// nothing.
  package func isMet(by scopes: Scopes) -> Bool {
    switch need {
    case .anyOf(let alternatives): scopes.coversAny(of: alternatives)
    case .anyToken: true
    case .impossible, .unknown: false
    }
  }

  /// The names of which one is enough, for people; empty when no scope decides.
  package var alternatives: [String] {
    if case .anyOf(let scopes) = need { scopes.names } else { [] }
  }
}
