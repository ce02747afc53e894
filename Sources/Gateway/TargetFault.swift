package import Base

/// Why a request target is refused.
package enum TargetFault: Error, Equatable {
  case notOriginForm
  case notAStorePath
  case storeHash
  case surface
  case behindGraphQL
  case emptySegment
  case dotSegment
  case semicolon
  case backslash
  case fragment
  case forbiddenByte
  case malformedEscape
  case forbiddenEscape
  /// The path takes these methods only.
  case method(allowed: [String])

  /// The answer to the caller: what is wrong and what to send instead.
  package var problem: Problem {
    switch self {
    case .method(let allowed):
      Problem(
        status: 405, code: "method_not_allowed", title: "Method not allowed", detail: detail,
        fields: [.init("allowed", .array(allowed.map { .string($0) }))])
    default:
      Problem(
        status: 400, code: "bad_target", title: "The target is not canonical", detail: detail)
    }
  }

  private var detail: String {
    switch self {
    case .notOriginForm:
      "The request target must be a path that begins with '/'."
    case .notAStorePath:
      "The path must begin with /stores/{store_hash}/ and go on with v2, v3 or graphql."
    case .storeHash:
      "A store hash is 1 to 32 lower-case letters and digits, as in stores/{hash} of the control panel's URL."
    case .surface:
      "Behind /stores/{store_hash}/ only v2, v3 and graphql can be called."
    case .behindGraphQL:
      "The GraphQL path is exactly /stores/{store_hash}/graphql, with nothing behind it."
    case .emptySegment:
      "The path has an empty segment ('//'); remove the extra slash."
    case .dotSegment:
      "The path has a segment of dots or spaces only; send the resolved path."
    case .semicolon:
      "The path has a ';'; path parameters are not supported."
    case .backslash:
      "The path has a backslash; use '/'."
    case .fragment:
      "The target has a '#'; encode it as %23 in the query, and leave fragments out."
    case .forbiddenByte:
      "The target has a space, a control or a non-ASCII byte; percent-encode it as UTF-8."
    case .malformedEscape:
      "The path has a '%' that does not begin an escape of well-formed UTF-8; encode '%' values in the query."
    case .forbiddenEscape:
      """
      The path has an escape of '/', '\\', '.', '%', ';', a control character or a lookalike of these; \
      such values can only be sent in the query.
      """
    case .method:
      "GraphQL takes POST only; v2 and v3 take GET, HEAD, POST, PUT, PATCH and DELETE."
    }
  }
}
