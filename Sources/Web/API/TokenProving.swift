package import Base

/// What a real call with a token told.
package enum TokenVerdict: Hashable, Sendable {
  /// BigCommerce answered 200, at this time of its clock.
  case accepted(at: Timestamp)
  /// BigCommerce refuses the token: 401.
  case refused
  /// Neither: an error of the platform or the network, or another status.
  case unclear(status: Int?)

  /// The word of the API.
  var word: String {
    switch self {
    case .accepted: "accepted"
    case .refused: "refused"
    case .unclear: "unclear"
    }
  }
}

/// Tries tokens with a cheap call that needs no scope.
package protocol TokenProving: Sendable {
  /// Tries a token that nobody keeps yet.
  func prove(_ token: Secret<String>, of installation: InstallationID) async -> TokenVerdict

  /// Tries the token that is kept, and records what follows for the installation's state.
  func verify(_ installation: InstallationID) async throws(Problem) -> TokenVerdict
}
