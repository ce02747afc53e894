import Base
import BigCommerce
import Curl
import Events
import Fields
import Gateway
import HTTPTypes
import Install
import Linux
import Logging
import NIOCore
import Postgres
import ServiceLifecycle
import Storage
import Upstream
import Vault
import Web

extension Callbacks: CallbackHandling {}

/// Connects the parts to the two listeners.
struct Wiring: Sendable {
  let settings: Settings
  let session: DatabaseSession
  let client: CurlClient
  let parts: Parts
  let budget: DescriptorBudget
  let draining: Draining
  let accessLog: AccessLog
  let logger: Logger

  func listeners() throws -> [any Service] {
    guard let proxies = TrustedProxies(settings.trustedProxies) else {
      throw StartProblem("LATCHKEY_TRUSTED_PROXIES holds something other than addresses and blocks")
    }
    let environment = ListenerEnvironment(
      loops: session.loops, draining: draining,
      requestIDs: RequestIDSource(seed: .random(in: .min ... .max)), logger: logger,
      trustedProxies: proxies, accessLog: accessLog)
    let internalIdentity = try identity(settings.internalListener)
    let publicIdentity = try identity(settings.publicListener)
    let directory = parts.directory
    let log = logger
    let counters = (public: ListenerCounters(), internal: ListenerCounters())
    let metrics = ServiceMetrics(
      parts: parts, database: session.database,
      listeners: [("public", counters.public), ("internal", counters.internal)])
    let api = api()
    let events = EventStream(reader: parts.events.reader, draining: draining)
    return [
      try Listeners.internalListener(
        place(
          settings.internalListener, internalIdentity, .internalListener,
          counters.internal, beside: counters.public), gateway: parts.gateway, api: api,
        authenticate: authenticate,
        readiness: {
          directory.current() == nil ? "Changes of stores and keys could not be read for 5 s." : nil
        },
        pages: try ServicePages(
          api.operations(with: events), version: Server.version, areOpen: settings.metricsOpen
        ) { metrics.families }, events: events, console: try console(api), in: environment
      ) { log.notice("internal listener", metadata: ["port": "\($0)"]) },
      try Listeners.publicListener(
        place(
          settings.publicListener, publicIdentity, .publicListener,
          counters.public, beside: counters.internal), site(),
        callbacks: NoticedCallbacks(
          callbacks: parts.callbacks, outcomes: parts.callbackOutcomes,
          failurePages: failurePages, changed: changed),
        deliveries: intake,
        isReady: { directory.current() != nil }, in: environment
      ) { log.notice("public listener", metadata: ["port": "\($0)"]) },
      IdentityReload(
        identities: [internalIdentity, publicIdentity].compactMap { $0 }, logger: logger),
    ]
  }

  private var intake: Intake {
    Intake(
      addresses: parts.webhooks.directory, inspector: parts.events.inspector,
      writer: parts.events.writer, meter: parts.events.intakeMeter, logger: logger)
  }

  private func identity(_ listener: ListenerSettings) throws -> TLSIdentity? {
    try listener.tls.map { files in try TLSIdentity(files: files) }
  }

  private func place(
    _ listener: ListenerSettings, _ identity: TLSIdentity?, _ usual: GuardLimits,
    _ counters: ListenerCounters, beside other: ListenerCounters
  ) -> ListenerPlace {
    var limits = usual
    limits.connections = budget.connectionsOfListener
    limits.refusedConnections = budget.refusedOfListener
    // Calls have a bound of their own; beyond it there is room to tell them so, and for health,
    // metrics and the API.
    limits.requestsInFlight = max(limits.requestsInFlight, 2 * budget.calls)
    return ListenerPlace(
      host: listener.address.host, port: listener.address.port, tls: identity, limits: limits,
      share: ConnectionShare(
        total: budget.connections, kept: budget.sureOfListener, other: other),
      counters: counters)
  }

  /// Where merchants are sent whose external install has failed.
  private var failurePages: Set<String> {
    Set(
      settings.core.apps.map {
        PlatformLinks(login: settings.platform.login, clientID: $0.clientID).failed
      })
  }

  private func site() -> PublicSettings {
    let links = settings.core.apps.map { app in
      (app.name, PlatformLinks(login: settings.platform.login, clientID: app.clientID).install)
    }
    let aliases = settings.callbackPaths.map { path in
      (path.path, CallbackKind(rawValue: path.kind.rawValue) ?? .install)
    }
    return PublicSettings(
      installLinks: Dictionary(uniqueKeysWithValues: links),
      aliases: Dictionary(aliases, uniquingKeysWith: { first, _ in first }),
      frameAncestors: settings.frameAncestors,
      brand: Brand(
        name: settings.brand.name, logoURL: settings.brand.logoURL, color: settings.brand.color,
        supportURL: settings.brand.supportURL))
  }

  func authenticate(_ headers: HTTPFields) -> Result<APICaller, Problem> {
    guard let snapshot = parts.directory.current() else { return .failure(.databaseUnavailable) }
    guard let presented = CallerKey.read(FieldSection(headers)),
      let key = snapshot.caller(presented, at: WallClock.system.now())
    else { return .failure(.keyInvalid) }
    return .success(
      APICaller(
        keyID: key.id, grant: key.grant, labels: { snapshot.store($0)?.labels ?? [] },
        again: { authenticate(headers) }))
  }

  private var changed: @Sendable () async -> Void {
    let directory = parts.directory
    let log = logger
    return {
      do throws(PostgresError) {
        try await directory.refreshNow()
      } catch {
        // The poll that follows within a second does it.
        log.info("a change counts here a moment later", metadata: ["error": "\(error)"])
      }
    }
  }

  private func api() -> APIRoutes {
    let database = session.database
    let directory = parts.directory
    let calls = parts.time.clock
    let tokens = TokenProver(canary: parts.canary, watch: parts.watch)
    let importer = StoreImporter(
      writes: InstallationWrites(database: database, keyring: session.keyring), tokens: tokens,
      requiredScopes: Dictionary(
        uniqueKeysWithValues: settings.core.apps.map { ($0.name, Scopes($0.scopes)) }))
    return APIRoutes(
      KeysAPI(keys: ServiceKeys(database: database), clock: .system, changed: changed).routes
        + StoresAPI(
          listing: StoreListing(database: database),
          activity: { id in
            directory.current()?.store(id)?.activity.report(
              now: calls.now(), at: WallClock.system.now()) ?? .nothing
          },
          states: InstallationStates(database: database), tokens: tokens, importer: importer,
          changed: changed
        ).routes
        + StoreErrorsAPI(
          failures: CallFailures(database: database), listing: StoreListing(database: database)
        ).routes
        + EventsAPI(reader: parts.events.reader, feed: parts.events.feed, draining: draining).routes
        + DeliveriesAPI(log: DeliveryLog(database: database)).routes
        + parts.webhooks.api.routes + RepairsAPI(repairs: parts.webhooks.repairs).routes
        + parts.pushes.api(parts.events.feed).routes
        + ScopesAPI(
          drift: ScopeDrift(database: database), listing: StoreListing(database: database),
          apps: settings.core.apps.map(\.name)
        ).routes
        + FleetAPI(
          count: FleetCount(database: database), drift: ScopeDrift(database: database),
          webhooks: WebhookStates(database: database), apps: settings.core.apps.map(\.name),
          waiting: { [meter = parts.events.backlog] in meter.backlog }
        ).routes
        + FlowAPI(ledger: FlowLedger(database: database)).routes
        + AuditAPI(trail: AuditTrail(database: database)).routes
        + UsageAPI(
          reading: UsageReading(database: database), apps: settings.core.apps.map(\.name)
        ).routes
        + TicketsAPI(tickets: TicketRedemption(database: database)).routes)
  }
}
