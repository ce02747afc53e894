import Base
import BigCommerce
import Storage
import Vault

/// What an install came to, before it is put into words for the merchant.
enum InstallOutcome: Sendable {
  /// The token is kept, in the database or in the spool; the ticket is valid, and for the first
  /// request only.
  case connected(scopes: Scopes, ticket: Ticket?)
  /// It had been connected by an earlier request with this code, longer ago.
  case connectedBefore
  case failed(MerchantPage.Failure, status: Int)

  static let databaseAway = InstallOutcome.failed(.databaseAway, status: 503)
  static let malformed = InstallOutcome.failed(.malformedLink, status: 400)
  static let lost = InstallOutcome.failed(.connectionLost, status: 502)
  static let running = InstallOutcome.failed(.installRunning, status: 503)
  static let fault = InstallOutcome.failed(.internalFault, status: 500)
  static let loginAway = InstallOutcome.failed(.loginAway, status: 502)
  static let notConnected = InstallOutcome.failed(.notConnected, status: 410)

  /// What the merchant is told when the platform gave no token.
  init(_ error: TokenAnswerError) {
    switch error {
    case .formatNotUnderstood, .notAToken, .noToken: self = .loginAway
    case .refused(let status, _) where status >= 500: self = .loginAway
    case .redirectMismatch: self = .failed(.internalFault, status: 502)
    case .codeSpent, .refused, .contextMismatch, .noScope:
      self = .failed(.codeRefused, status: 400)
    }
  }

  /// What a repetition is told about an attempt that ended; `nil` while it runs.
  init?(_ attempt: InstallAttempt, samePage: Duration) {
    switch attempt.state {
    case .exchanging: return nil
    case .lost: self = .lost
    case .done:
      if !attempt.isInstalled {
        self = .notConnected
      } else if let ago = attempt.endedAgo, ago <= samePage {
        self = .connected(scopes: attempt.scopes, ticket: nil)
      } else {
        self = .connectedBefore
      }
    case .failed(let word): self = InstallOutcome(failure: word, isInstalled: attempt.isInstalled)
    }
  }

  /// What is told again of an attempt that failed with that word.
  private init(failure word: String, isInstalled: Bool) {
    switch word {
    case InstallAttempts.notSent, FailureWord.loginAway: self = .loginAway
    case FailureWord.misconfigured: self = .failed(.internalFault, status: 502)
    case Superseded.installedSince.rawValue: self = .connectedBefore
    case Superseded.uninstalledSince.rawValue:
      self = isInstalled ? .connectedBefore : .notConnected
    default: self = .failed(.codeRefused, status: 400)
    }
  }
}

/// The words that an attempt's `failure` holds besides the platform's fixed reasons.
enum FailureWord {
  static let loginAway = "login_away"
  static let misconfigured = "redirect_mismatch"

  /// The word for a refusal: what repetitions are told follows from it.
  static func of(_ error: TokenAnswerError) -> String {
    switch error {
    case .formatNotUnderstood, .notAToken, .noToken: loginAway
    case .refused(let status, _) where status >= 500: loginAway
    case .redirectMismatch: misconfigured
    default: error.reason
    }
  }
}
