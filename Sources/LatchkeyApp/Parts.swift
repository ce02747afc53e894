import Base
import BigCommerce
import Curl
import Gateway
import Install
import Linux
import Logging
import NIOPosix
import Postgres
import ServiceLifecycle
import Spooling
import Storage
import Upstream
import Vault

/// The parts below the listeners, made from the settings.
struct Parts: Sendable {
  let directory: StoreDirectory
  let canary: CanaryCall
  let watch: RevocationWatch
  let health: HealthWatch
  let admission: CallAdmission
  let gateway: StoreGateway
  let callbacks: Callbacks
  /// `nil` when the setting turns it off.
  let spool: InstallSpool?
  /// Of callers' calls and our own.
  let time: CallTime
  let gatewayMeter: GatewayMeter
  let keyedMeter = KeyedWriteMeter()
  let usage: UsageBook
  let events: EventParts
  let webhooks: WebhookParts
  let pushes: PushParts
  let callbackOutcomes = CallbackOutcomes()
  /// In the order of their start; they end in the reverse order, after the listeners.
  let services: [any Service]

  init(
    settings: Settings, session: DatabaseSession, client: CurlClient,
    pushes: PushParts, admission: CallAdmission, logger: Logger
  ) throws {
    self.pushes = pushes
    let database = session.database
    self.admission = admission
    let suspicions = Suspicions()
    time = CallTime.system
    gatewayMeter = GatewayMeter()
    usage = UsageBook(loops: session.loops.makeIterator())
    directory = StoreDirectory(
      source: StoreSnapshot(database: database), keyring: session.keyring, logger: logger)
    canary = CanaryCall(
      client: client, origin: settings.platform.api, directory: directory, time: time)
    let checks = StoreChecks(database: database, every: settings.checkEvery)
    let looks = StoreLooks(
      canary: canary, keyring: session.keyring, checks: checks, logger: logger)
    watch = RevocationWatch(
      revocations: Revocations(database: database), suspicions: suspicions, directory: directory,
      looks: looks, logger: logger)
    health = HealthWatch(
      checks: checks, looks: looks, directory: directory, suspicions: suspicions,
      every: settings.checkEvery, logger: logger)
    let upstream = Upstream(
      client: client, origin: settings.platform.api, suspicions: suspicions, time: time)
    let reader = NameReader(
      names: StoreNames(database: database), upstream: upstream, directory: directory,
      userAgent: "Latchkey/\(Server.version)", logger: logger)
    webhooks = WebhookParts(
      settings, session: session, stores: directory, upstream: upstream, logger: logger)
    gateway = StoreGateway(
      directory: directory, upstream: upstream,
      admission: admission,
      settings: GatewaySettings(
        apps: settings.core.apps.map(\.name), userAgent: "Latchkey/\(Server.version)"),
      meter: gatewayMeter, ledger: KeyedWrites(database: database, keyring: session.keyring),
      keyedMeter: keyedMeter, usage: settings.retention.usage > 0 ? usage : nil, logger: logger)
    if case .failure(let error) = Directory.make(settings.core.dataDirectory, mode: 0o700) {
      throw StartProblem("LATCHKEY_DATA_DIR cannot be made: \(error)")
    }
    spool =
      try settings.spools
      ? InstallSpool(
        directory: settings.core.dataDirectory + "/spool", keyring: session.keyring, logger: logger)
      : nil
    events = try EventParts(
      settings: settings, database: database, keyring: session.keyring, pushes: pushes.sender,
      logger: logger)
    callbacks = Callbacks(
      settings: settings.callbacks, database: database, keyring: session.keyring,
      login: CurlLoginHost(client: client, origin: settings.platform.login), spool: spool,
      logger: logger)
    var services: [any Service] = [
      directory, watch, health,
      KeyUseWriter(directory: directory, keys: ServiceKeys(database: database), logger: logger),
      UsageWriter(
        book: usage, ledger: UsageLedger(database: database),
        failures: CallFailures(database: database), keepDays: settings.retention.usage,
        name: Hex.encode(RandomSource.system.bytes(8)), logger: logger),
      Sweeper(
        database: database, uninstalledDays: settings.retention.uninstalled, logger: logger),
    ]
    // Without looks by the clock no store is asked on our own account.
    if settings.checkEvery > .zero { services.append(reader) }
    services += webhooks.services
    if let spool {
      services.append(
        SpoolReplay(spool: spool, database: database, keyring: session.keyring, logger: logger))
    }
    services += events.services + [pushes.sender]
    services.append(InstallDrain(callbacks: callbacks))
    self.services = services
  }
}

/// Keeps what installs need alive until the last one has ended.
private struct InstallDrain: Service {
  let callbacks: Callbacks

  func run() async throws {
    try await gracefulShutdown()
    await callbacks.drain()
  }
}

extension Settings {
  var callbacks: CallbackSettings {
    let apps = core.apps.map { app in
      CallbackApp(
        name: app.name, clientID: app.clientID,
        clientSecrets: [app.clientSecret] + [app.clientSecretOld].compactMap { $0 },
        requiredScopes: Scopes(app.scopes), installPaths: installPaths(of: app.name))
    }
    return CallbackSettings(
      apps: apps, appOrigin: appOrigin.text, appURL: appURL?.description,
      loginOrigin: platform.login)
  }

  /// The raw paths on which an app's auth callback may arrive.
  private func installPaths(of app: AppName) -> Set<String> {
    var paths: Set<String> = ["/apps/\(app)/auth/callback", "/apps/\(app)/auth"]
    if app == .default {
      for path in CallbackPath.builtIn + callbackPaths where path.kind == .install {
        paths.insert(path.path)
      }
    }
    return paths
  }
}
