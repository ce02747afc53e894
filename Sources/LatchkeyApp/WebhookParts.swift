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
  let repairs: Repairs
  let meter = HookMeter()
  let repairMeter = RepairMeter()
  let services: [any Service]

  var metrics: [MetricFamily] { meter.families + repairMeter.families }

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
    _ settings: Settings, session: DatabaseSession, stores: StoreDirectory, upstream: Upstream,
    logger: Logger
  ) {
    let registration = settings.webhookRegistration
    self.registration = registration
    let calls = OwnCalls(upstream: upstream, userAgent: "Latchkey/\(Server.version)")
    directory = WebhookDirectory(
      source: WebhookAddressSnapshot(database: session.database), logger: logger)
    addresses = WebhookAddresses(database: session.database, keyring: session.keyring)
    states = WebhookStates(database: session.database)
    check = HookCheck(
      registration: registration, addresses: addresses, states: states, stores: stores,
      directory: directory, calls: HookCalls(calls: calls), meter: meter, logger: logger)
    repairs = Repairs(database: session.database)
    services = [
      directory,
      HookReconciler(
        wishes: registration.wishes, states: states, addresses: addresses, check: check,
        meter: meter, logger: logger),
      GapRepair(
        registration: registration, repairs: repairs, stores: stores, calls: calls,
        meter: repairMeter, logger: logger),
      ServiceBeats(
        beat: ServiceBeat(database: session.database), threshold: settings.repairAfter,
        keepsWithoutDatabase: settings.spools, meter: repairMeter, logger: logger),
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
