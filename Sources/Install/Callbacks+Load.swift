import Base
import BigCommerce
import Logging
import Postgres
import Storage
import Vault

/// The load callback: a merchant opens the app.
extension Callbacks {
  package func load(_ request: CallbackRequest) async -> CallbackAnswer {
    let app: CallbackApp
    let payload: SignedPayload
    let token: CallbackToken
    do throws(PayloadRefusal) {
      (app, payload, token) = try self.payload(request)
    } catch {
      logger(request).notice("load refused", metadata: ["reason": "\(error.reason)"])
      return refuse(error)
    }
    let logger = logger(request, payload.store)
    let ticket = settings.appURL.map { _ in Ticket.generate(random: random) }
    let visit = LoadVisit(
      token: token,
      user: StoreUser(
        id: payload.userID, email: payload.userEmail.isEmpty ? nil : payload.userEmail,
        locale: payload.userLocale),
      ticket: ticket.map {
        NewTicket(
          sha256: $0.digest.bytes, userID: payload.userID, channelID: payload.channelID,
          deepLink: payload.deepLink)
      })
    switch await load(visit) {
    case .failure(let error):
      logger.error("load failed", metadata: ["cause": "\(error)"])
      return error.isPassing ? page(503, .databaseAway) : page(500, .internalFault)
    case .success(.admitted(let scopes)):
      if let ticket, let appURL = settings.appURL { return redirect(to: appURL, ticket) }
      let missing = scopes.missing(of: app.requiredScopes).names
      return .page(
        MerchantPage(status: 200, kind: .opened(missingScopes: missing), store: payload.store))
    case .success(let refusal):
      logger.notice("load refused", metadata: ["reason": "\(refusal)"])
      return refuse(refusal)
    }
  }

  /// Decides the load, waiting a little for an install that is about to finish.
  private func load(_ visit: LoadVisit) async -> Result<LoadResult, PostgresError> {
    let clock = ContinuousClock()
    let end = clock.now + timings.load
    var isInstalling = false
    while true {
      let result = await Deadline.settle(
        within: end - clock.now, each: timings.transaction
      ) { () throws(PostgresError) in try await self.loads.load(visit) }
      // There was no time for another look; that is not the database's fault.
      if case .failure = result, isInstalling, clock.now >= end { return .success(.installing) }
      guard case .success(.installing) = result, clock.now + timings.poll < end else {
        return result
      }
      isInstalling = true
      try? await Task.sleep(for: timings.poll)
    }
  }

  private func refuse(_ refusal: PayloadRefusal) -> CallbackAnswer {
    switch refusal {
    case .unknownApp: page(404, .malformedLink)
    case .malformed: page(400, .malformedLink)
    case .notVerified: page(403, .linkNotVerified)
    }
  }

  private func refuse(_ result: LoadResult) -> CallbackAnswer {
    switch result {
    case .admitted: page(500, .internalFault)
    case .notInstalled: page(404, .notConnected)
    case .revoked, .lost: page(409, .connectionLost)
    case .suspended: page(403, .suspended)
    case .installing: page(503, .installRunning)
    case .stale, .otherPurpose: page(403, .linkNotVerified)
    case .userRemoved: page(403, .userRemoved)
    }
  }

  private func page(_ status: Int, _ failure: MerchantPage.Failure) -> CallbackAnswer {
    .page(MerchantPage(status: status, kind: .failed(failure)))
  }
}
