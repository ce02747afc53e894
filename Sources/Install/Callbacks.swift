package import Base
import BigCommerce
package import Logging
package import Postgres
import Spooling
import Storage
package import Vault

/// BigCommerce's callbacks, each turned into a durable act before it is answered.
package final class Callbacks: Sendable {
  /// How many token requests are in flight at most.
  package static let exchangesInFlight = 32

  let settings: CallbackSettings
  let attempts: InstallAttempts
  let writes: InstallationWrites
  let endings: CallbackWrites
  let loads: LoadWrites
  let login: any LoginHost
  /// `nil` when the setting turns it off.
  let spool: InstallSpool?
  let clock: WallClock
  let random: RandomSource
  let logger: Logger
  let flights = InstallFlights()
  let claims = UnusedClaims()
  let gate = ExchangeGate(places: Callbacks.exchangesInFlight)

  package init(
    settings: CallbackSettings, database: Database, keyring: Keyring, login: any LoginHost,
    spool: InstallSpool?, clock: WallClock = .system, random: RandomSource = .system, logger: Logger
  ) {
    self.settings = settings
    attempts = InstallAttempts(database: database)
    writes = InstallationWrites(database: database, keyring: keyring)
    endings = CallbackWrites(database: database)
    loads = LoadWrites(database: database)
    self.login = login
    self.spool = spool
    self.clock = clock
    self.random = random
    self.logger = logger
  }

  /// How many installs run at this moment.
  package var installsRunning: Int { flights.count }

  /// Waits for the installs that run; for shutdown, after the listeners have closed.
  package func drain() async { await flights.drain() }

  var timings: CallbackTimings { settings.timings }

  /// A logger that names the request and, once it is certain, the store.
  func logger(_ request: CallbackRequest, _ store: StoreHash? = nil) -> Logger {
    var logger = logger
    logger[metadataKey: "request_id"] = "\(request.requestID)"
    logger[metadataKey: "trace_id"] = "\(request.notes.trace.traceID)"
    logger[metadataKey: "app"] = "\(request.app)"
    if let store {
      logger[metadataKey: "store_hash"] = "\(store)"
      request.notes.note(InstallationID(app: request.app, store: store))
    }
    return logger
  }

  /// The verified payload of a load, uninstall or remove-user callback.
  func payload(
    _ request: CallbackRequest
  ) throws(PayloadRefusal) -> (app: CallbackApp, payload: SignedPayload, token: CallbackToken) {
    guard let app = settings.apps[request.app] else { throw .unknownApp }
    let text: Secret<String>
    do throws(CallbackQueryError) {
      text = try CallbackQuery.signedPayload(request.query)
    } catch {
      throw .malformed
    }
    do throws(SignedPayloadError) {
      let payload = try SignedPayload.verify(
        token: text, clientID: app.clientID, secrets: app.clientSecrets, now: clock.now())
      return (
        app, payload,
        CallbackToken(
          installation: InstallationID(app: app.name, store: payload.store), jti: payload.tokenID,
          userID: payload.userID, ownerID: payload.ownerID, issuedAt: payload.issuedAt,
          expiresAt: payload.expiresAt)
      )
    } catch {
      throw .notVerified(error.reason)
    }
  }

  /// Where a merchant goes with a ticket.
  func redirect(to appURL: String, _ ticket: Ticket) -> CallbackAnswer {
    let separator = appURL.contains("?") ? "&" : "?"
    return .redirect(
      status: 303, location: appURL + separator + "ticket=" + ticket.text.expose())
  }
}

/// Why a signed callback has no effect.
enum PayloadRefusal: Error {
  case unknownApp
  /// The query is not what a callback's can be.
  case malformed
  /// The word is for the log.
  case notVerified(String)

  var reason: String {
    switch self {
    case .unknownApp: "unknown_app"
    case .malformed: "malformed_query"
    case .notVerified(let word): word
    }
  }
}
