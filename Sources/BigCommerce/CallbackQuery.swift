package import Base

/// The queries with which BigCommerce calls back.
package enum CallbackQuery {
  /// What the auth callback brings: enough to ask for a token, and nothing that may be believed
  /// before that.
  ///
  /// - Source: PLATFORM 1.2 and 2.
  package struct Install: Sendable {
    /// The one-time code, 1 to 512 printable ASCII characters.
    package let code: Secret<String>
    /// The store that `context` names; the token's answer must name the same.
    package let store: StoreHash
    /// `scope` as it came, decoded: to be sent back unchanged.
    package let scope: String
    /// The developer's account, recorded and not checked.
    package let accountUUID: String?
    /// Whether the install was started from an external link, and so ends on BigCommerce's own
    /// page.
    package let isExternal: Bool

    /// `context` as it came.
    package var context: String { store.context }
    /// The scopes that `scope` names.
    package var scopes: Scopes { Scopes(parsing: scope) }
  }

  /// Reads the raw query of the auth callback.
  package static func install(_ rawQuery: String) throws(CallbackQueryError) -> Install {
    let query = try QueryParameters(
      rawQuery, known: ["code", "context", "scope", "account_uuid", "external_install"],
      maxLength: 8192)
    let code = try required("code", in: query)
    guard (1...512).contains(code.utf8.count), code.isPrintable else { throw .invalid("code") }
    guard let store = StoreHash(context: try required("context", in: query)) else {
      throw .invalid("context")
    }
    let scope = try required("scope", in: query)
    guard scope.utf8.count <= 4096, scope.utf8.allSatisfy({ (0x20...0x7E).contains($0) }),
      !Scopes(parsing: scope).isEmpty
    else { throw .invalid("scope") }
    let account = query["account_uuid"]
    if let account {
      guard account.utf8.count <= 128, account.isPrintable else { throw .invalid("account_uuid") }
    }
    return Install(
      code: Secret(code), store: store, scope: scope,
      accountUUID: account.flatMap { $0.isEmpty ? nil : $0 },
      isExternal: query["external_install"] != nil)
  }

  /// Reads the token of a load, uninstall or remove-user callback; it is not verified yet.
  package static func signedPayload(
    _ rawQuery: String
  ) throws(CallbackQueryError) -> Secret<String> {
    let name = "signed_payload_jwt"
    let query = try QueryParameters(
      rawQuery, known: [name], maxLength: SignedPayload.maxLength.bytes + 4096)
    let token = try required(name, in: query)
    guard !token.isEmpty, token.isPrintable else { throw .invalid(name) }
    return Secret(token)
  }

  private static func required(
    _ name: String, in query: QueryParameters
  ) throws(CallbackQueryError) -> String {
    guard let value = query[name] else { throw .missing(name) }
    return value
  }
}

extension String {
  /// Whether it consists of printable ASCII without spaces.
  var isPrintable: Bool { utf8.allSatisfy { (0x21...0x7E).contains($0) } }
}
