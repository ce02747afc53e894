package import Base
package import BigCommerce
import Postgres
package import Storage

/// A token that an operator brings.
package struct BroughtToken: Sendable {
  package let installation: InstallationID
  package let token: Secret<String>
  /// What the operator says was granted; `nil`: taken to be what the app requires, as BigCommerce
  /// does not tell.
  package let scopes: Scopes?
  /// What the store's labels shall be; `nil` leaves them as they are.
  package let labels: Set<StoreLabel>?
}

/// Imports tokens: each is tried with a real call before it is kept.
package struct StoreImporter: Sendable {
  private let writes: InstallationWrites
  private let tokens: any TokenProving
  private let random: RandomSource
  private let requiredScopes: [AppName: Scopes]

  package init(
    writes: InstallationWrites, tokens: any TokenProving, requiredScopes: [AppName: Scopes],
    random: RandomSource = .system
  ) {
    self.writes = writes
    self.tokens = tokens
    self.requiredScopes = requiredScopes
    self.random = random
  }

  /// Tries a token, and keeps it unless this is a dry run.
  /// - Throws: why the token was not kept.
  package func keep(
    _ brought: BroughtToken, isDryRun: Bool, act: Act
  ) async throws(Problem) {
    guard let required = requiredScopes[brought.installation.app] else {
      throw .badRequest("There is no app \(brought.installation.app) in this deployment.")
    }
    let authorizedAt: Timestamp
    switch await tokens.prove(brought.token, of: brought.installation) {
    case .accepted(let moment): authorizedAt = moment
    case .refused:
      throw Problem(
        status: 422, code: "token_refused", title: "Token refused",
        detail:
          "BigCommerce does not accept this token for the store \(brought.installation.store). Nothing was changed."
      )
    case .unclear(let status):
      throw Problem(
        status: 502, code: "token_not_proved", title: "Token not proved",
        detail: "BigCommerce did not say whether the token is good"
          + (status.map { " (it answered \($0))" } ?? "") + ". Nothing was changed; try again.",
        retryAfter: 5)
    }
    guard !isDryRun else { return }
    let write = InstallWrite(
      installation: brought.installation, token: brought.token,
      scopes: brought.scopes ?? required, authorizedAt: authorizedAt,
      labels: brought.labels, act: act)
    let key = random.bytes(32)
    let result = try await stored { () throws(PostgresError) in
      try await writes.importToken(write, key: key)
    }
    switch result {
    case .stored, .repeated: return
    case .superseded, .unknownAttempt:
      throw Problem(
        status: 409, code: "superseded", title: "Superseded",
        detail: "A newer install or uninstall of this store came first. Nothing was changed.")
    case .notSealed:
      throw Problem(
        status: 500, code: "internal", title: "Internal error",
        detail: "The token could not be sealed. The log has the cause under the request ID.")
    }
  }
}
