import Base
import BigCommerce
import Events
import Logging
import Prometheus
import ServiceLifecycle
import Storage
import Upstream
import Web

/// The parts that register webhooks and know their addresses.
struct WebhookParts: Sendable {
  let registration: WebhookRegistration
  let directory: WebhookDirectory
  let addresses: WebhookAddresses
  let states: WebhookStates
  let check: HookCheck
  let meter = HookMeter()
  let services: [any Service]

  var metrics: [MetricFamily] { meter.families }

  var api: WebhooksAPI {
    let check = check
    return WebhooksAPI(states: states, addresses: addresses) { installation in
      do throws(HookFailure) {
        return .success(try await check.plan(installation))
      } catch {
        return .failure(error)
      }
    }
  }

  init(
    registration: WebhookRegistration, session: DatabaseSession, stores: StoreDirectory,
    upstream: Upstream, logger: Logger
  ) {
    self.registration = registration
    directory = WebhookDirectory(
      source: WebhookAddressSnapshot(database: session.database), logger: logger)
    addresses = WebhookAddresses(database: session.database, keyring: session.keyring)
    states = WebhookStates(database: session.database)
    check = HookCheck(
      registration: registration, addresses: addresses, states: states, stores: stores,
      directory: directory,
      calls: HookCalls(upstream: upstream, userAgent: "Latchkey/\(Server.version)"), meter: meter,
      logger: logger)
    services = [
      directory,
      HookReconciler(
        wishes: registration.wishes, states: states, addresses: addresses, check: check,
        meter: meter, logger: logger),
    ]
  }
}

extension Settings {
  /// What the database is told of them.
  var webhookWishes: [WebhookWish] { webhookRegistration.wishes }

  /// How all webhooks are registered.
  var webhookRegistration: WebhookRegistration {
    WebhookRegistration(
      apps: core.apps.map { app in
        WebhookRegistration.App(
          name: app.name, clientID: app.clientID, scopes: app.webhooks.compactMap { HookScope($0) })
      }, origin: appOrigin, exceptionsOrigin: webhookExceptionsOrigin)
  }
}
