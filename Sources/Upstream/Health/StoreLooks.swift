import Base
import BigCommerce
import Curl
package import Logging
import Postgres
package import Storage
package import Vault

/// Asks stores with the tokens that are kept, and writes down how they answer.
///
/// What the revocation watch, the clock and an operator ask goes through here.
package struct StoreLooks: Sendable {
  private let canary: CanaryCall
  private let keyring: Keyring
  private let checks: StoreChecks
  private let logger: Logger

  package init(canary: CanaryCall, keyring: Keyring, checks: StoreChecks, logger: Logger) {
    self.canary = canary
    self.keyring = keyring
    self.checks = checks
    self.logger = logger
  }

  /// How a store answers; `nil` when nothing was learned, because its quota had no place for us, or
  /// for reasons of our own.
  func ask(
    _ installation: InstallationID, _ generation: Generation, _ sealedToken: [UInt8]
  ) async -> HealthLook? {
    guard let token = open(installation, generation, sealedToken) else { return nil }
    let trace = TraceSource.shared.begin()
    do throws(UpstreamError) {
      let answer = try await canary.send(token, of: installation, in: trace)
      logger.debug(
        "a store was asked",
        metadata: installation.metadata([
          "status": "\(answer.status)", "trace_id": "\(trace.traceID)",
        ]))
      return HealthLook(
        status: answer.status, hasRetryAfter: QuotaHeaders(answer.headers).retryAfter != nil)
    } catch {
      logger.info(
        "a canary got no answer",
        metadata: installation.metadata([
          "error": "\(error)", "trace_id": "\(trace.traceID)",
        ]))
      return HealthLook(error)
    }
  }

  /// Writes down what a look told.
  func note(
    _ look: HealthLook, of installation: InstallationID, _ generation: Generation
  ) async throws(PostgresError) {
    guard let change = try await checks.note(look, of: installation, generation) else { return }
    let isGood = change.to == .healthy
    logger.log(
      level: isGood ? .notice : .warning,
      isGood ? "a store is healthy again" : "a store is not healthy",
      metadata: installation.metadata([
        "health": "\(change.to.rawValue)", "before": "\(change.from?.rawValue ?? "unknown")",
        "detail": "\(look.detail.rawValue)",
      ]))
  }

  private func open(
    _ installation: InstallationID, _ generation: Generation, _ sealedToken: [UInt8]
  ) -> Secret<String>? {
    let place = SealedPlace(.accessToken, of: installation, generation: generation)
    do throws(VaultError) {
      let opened = try keyring.open(Sealed(bytes: sealedToken), for: place)
      return Secret(String(decoding: opened.expose(), as: UTF8.self))
    } catch {
      logger.error(
        "a store's token cannot be opened; no canary is sent",
        metadata: installation.metadata(["reason": "\(error.reason)"]))
      return nil
    }
  }
}

extension InstallationID {
  fileprivate func metadata(_ more: Logger.Metadata) -> Logger.Metadata {
    more.merging(["app": "\(app)", "store_hash": "\(store)"]) { $1 }
  }
}

extension HealthLook {
  /// What a call that got no answer says of the store; `nil`: nothing.
  init?(_ error: UpstreamError) {
    switch error {
    case .unreachable: self.init(.network, .unreachable)
    case .broken: self.init(.network, .brokenAnswer)
    case .timeout: self.init(.network, .timeout)
    case .brokenStore(let refusal):
      self.init(refusal.cause == .storeUnavailable ? .suspended : .network, .breakerOpen)
    case .notSendable, .bodyFailed, .cancelled, .draining, .quota: return nil
    }
  }
}

extension CanaryAnswer {
  /// What a look says of the token.
  init(_ look: HealthLook?) {
    self =
      switch look?.health {
      case .healthy: .accepted
      case .revoked: .refused
      case .scope, .suspended, .plan, .rate, .network, nil: .inconclusive
      }
  }
}
