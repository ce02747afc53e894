import Base
import BigCommerce
import Logging
import Postgres
import Spooling
import Storage

/// The uninstall and remove-user callbacks: taken once they are verified, also while the database
/// is away.
///
/// BigCommerce does not promise to repeat them.
extension Callbacks {
  package func uninstall(_ request: CallbackRequest) async -> CallbackAnswer {
    let token: CallbackToken
    do throws(PayloadRefusal) {
      token = try payload(request).token
    } catch {
      logger(request).notice("uninstall refused", metadata: ["reason": "\(error.reason)"])
      return refuse(error)
    }
    let logger = logger(request, token.installation.store)
    let act = Act.bigCommerce(request.requestID)
    FailPoint.reach("uninstall.after_verify")
    let result = await Deadline.settle(
      within: timings.ending, each: timings.ending
    ) { () throws(PostgresError) in try await self.endings.uninstall(token, act: act) }
    FailPoint.reach("uninstall.after_commit")
    defer { FailPoint.reach("uninstall.before_answer") }
    switch result {
    case .success(.otherPurpose(let purpose)):
      logger.warning("uninstall refused", metadata: ["first_purpose": "\(purpose.rawValue)"])
      return Callbacks.usedOtherwise
    case .success(let result):
      logger.info("uninstall", metadata: ["result": "\(result)"])
      return .acknowledged
    case .failure(let error):
      let answer = await keep(.uninstall(token, act), after: error, logger)
      FailPoint.reach("uninstall.after_spool")
      return answer
    }
  }

  package func removeUser(_ request: CallbackRequest) async -> CallbackAnswer {
    let token: CallbackToken
    do throws(PayloadRefusal) {
      token = try payload(request).token
    } catch {
      logger(request).notice("remove_user refused", metadata: ["reason": "\(error.reason)"])
      return refuse(error)
    }
    let logger = logger(request, token.installation.store)
    let act = Act.bigCommerce(request.requestID)
    FailPoint.reach("remove_user.after_verify")
    let result = await Deadline.settle(
      within: timings.ending, each: timings.ending
    ) { () throws(PostgresError) in try await self.endings.removeUser(token, act: act) }
    FailPoint.reach("remove_user.after_commit")
    defer { FailPoint.reach("remove_user.before_answer") }
    switch result {
    case .success(.otherPurpose(let purpose)):
      logger.warning("remove_user refused", metadata: ["first_purpose": "\(purpose.rawValue)"])
      return Callbacks.usedOtherwise
    case .success(let result):
      logger.info(
        "remove_user", metadata: ["result": "\(result)", "user_id": "\(token.userID)"])
      return .acknowledged
    case .failure(let error):
      let answer = await keep(.removeUser(token, act), after: error, logger)
      FailPoint.reach("remove_user.after_spool")
      return answer
    }
  }

  private func keep(
    _ record: SpoolRecord, after error: PostgresError, _ logger: Logger
  ) async -> CallbackAnswer {
    logger.error(
      "\(record.kind) not carried out yet",
      metadata: ["cause": "\(error)", "spool": "\(spool != nil)"])
    guard error.isPassing else { return Callbacks.fault }
    guard let spool else { return Callbacks.databaseAway }
    do throws(SpoolError) {
      _ = try await spool.append(record, held: false)
      return .acknowledged
    } catch {
      return Callbacks.databaseAway
    }
  }

  private func refuse(_ refusal: PayloadRefusal) -> CallbackAnswer {
    switch refusal {
    case .unknownApp:
      .refused(
        Problem(
          status: 404, code: "app_unknown", title: "Unknown app",
          detail: "This deployment serves no app of that name."))
    case .malformed:
      .refused(
        Problem(
          status: 400, code: "callback_malformed", title: "Malformed callback",
          detail: "The query must have exactly one signed_payload_jwt."))
    case .notVerified:
      .refused(
        Problem(
          status: 401, code: "callback_not_verified", title: "Callback not verified",
          detail: "The signed payload is forged, expired or for another app."))
    }
  }

  private static let usedOtherwise = CallbackAnswer.refused(
    Problem(
      status: 403, code: "callback_used", title: "Callback used before",
      detail: "This signed payload was first used for another callback."))

  private static let databaseAway = CallbackAnswer.refused(
    Problem(
      status: 503, code: "database_unavailable", title: "Database unavailable",
      detail: "Nothing was changed; call again.", retryAfter: 5))

  private static let fault = CallbackAnswer.refused(
    Problem(
      status: 500, code: "internal_fault", title: "Internal fault",
      detail: "The log has the cause under the request ID."))
}
