package import Base
package import Events
package import Gateway
import Hummingbird
import HummingbirdCore
package import Logging
package import NIOCore
package import ServiceLifecycle

/// Where and how a listener listens.
package struct ListenerPlace: Sendable {
  package let host: String
  /// 0 takes a free one.
  package let port: Int
  /// `nil`: plain HTTP.
  package let tls: TLSIdentity?
  /// `nil`: those of the listener's kind.
  package let limits: GuardLimits?
  /// `nil`: its connections are its own.
  package let share: ConnectionShare?
  /// What its guards count.
  package let counters: ListenerCounters
  /// Whether requests that come whole take the short way.
  package let hasLane: Bool

  package init(
    host: String, port: Int, tls: TLSIdentity?, limits: GuardLimits? = nil,
    share: ConnectionShare? = nil, counters: ListenerCounters = ListenerCounters(),
    hasLane: Bool = true
  ) {
    self.host = host
    self.port = port
    self.tls = tls
    self.limits = limits
    self.share = share
    self.counters = counters
    self.hasLane = hasLane
  }
}

/// What both listeners share.
package struct ListenerEnvironment: Sendable {
  package let loops: any EventLoopGroup
  package let draining: Draining
  package let requestIDs: RequestIDSource
  package let logger: Logger
  /// Whose `X-Forwarded-For` counts.
  package let trustedProxies: TrustedProxies
  package let accessLog: AccessLog

  /// `accessLog` is one line per request to `logger` unless given.
  package init(
    loops: any EventLoopGroup, draining: Draining, requestIDs: RequestIDSource, logger: Logger,
    trustedProxies: TrustedProxies = .none, accessLog: AccessLog? = nil
  ) {
    self.loops = loops
    self.draining = draining
    self.requestIDs = requestIDs
    self.logger = logger
    self.trustedProxies = trustedProxies
    self.accessLog = accessLog ?? .lines(to: logger)
  }
}

/// Builds the two listeners, each an application behind a connection guard.
package enum Listeners {
  /// The listener for BigCommerce and merchants' browsers.
  ///
  /// The service runs until graceful shutdown, and then until its requests are answered; `started`
  /// is called with the port once it listens. Throws when the page template is wrong, which a test
  /// would have found.
  package static func publicListener(
    _ settings: ListenerPlace, _ site: PublicSettings, callbacks: any CallbackHandling,
    deliveries: (any DeliveryTaking)? = nil,
    isReady: @escaping @Sendable () -> Bool, in environment: ListenerEnvironment,
    started: @escaping @Sendable (Int) -> Void = { _ in }
  ) throws -> any Service {
    let limits = settings.limits ?? .publicListener
    let door = deliveries.map { DeliveryDoor(intake: $0) }
    let routes = PublicResponder(
      routes: PublicRoutes(settings: site), callbacks: callbacks, deliveries: door,
      underWay: CallbacksUnderWay(most: limits.requestsInFlight),
      pages: try MerchantPages(brand: site.brand, frameAncestors: site.frameAncestors),
      draining: environment.draining, isReady: isReady)
    return application(
      "public", routes, door.map { DeliveryLane(door: $0, routes: routes.routes) }, settings,
      limits, environment, methods: { $0.hasPrefix("/webhooks/") ? ["POST"] : ["GET"] }, started)
  }

  /// The listener for services and operators.
  ///
  /// The service runs until graceful shutdown, and then until its requests are answered; `started`
  /// is called with the port once it listens. Throws when the template of the page for people is wrong,
  /// which a test would have found.
  package static func internalListener(
    _ settings: ListenerPlace, gateway: any GatewayResponding, api: APIRoutes,
    authenticate: @escaping Authenticate, readiness: @escaping Readiness, pages: ServicePages,
    events: EventStream? = nil, console: Console? = nil, in environment: ListenerEnvironment,
    started: @escaping @Sendable (Int) -> Void = { _ in }
  ) throws -> any Service {
    let routes = InternalResponder(
      gateway: gateway, api: api, events: events, authenticate: authenticate, readiness: readiness,
      pages: pages, console: console, draining: environment.draining)
    return application(
      "internal", routes, CallLane(gateway: gateway), settings,
      settings.limits ?? .internalListener, environment, methods: pages.methods(at:), started)
  }

  private static func rest(_ listener: any Channel, _ logger: Logger) async {
    do {
      try await listener.eventLoop.submit {
        try listener.pipeline.syncOperations.addHandler(
          AcceptPause(logger: logger), position: .first)
      }.get()
    } catch {
      logger.info("a listener was closed as it began", metadata: ["error": "\(error)"])
    }
  }

  private static func application(
    _ name: String, _ routes: some Routes, _ lane: (any LaneService)?,
    _ settings: ListenerPlace, _ limits: GuardLimits, _ environment: ListenerEnvironment,
    methods: @escaping @Sendable (String) -> [String],
    _ started: @escaping @Sendable (Int) -> Void
  ) -> any Service {
    let isInternal = name == "internal"
    let security = SecurityFields(speaker: isInternal ? "gateway" : nil)
    let frame = RequestFrame(
      name: name, usesTLS: settings.tls != nil, proxies: environment.trustedProxies,
      requestIDs: environment.requestIDs,
      traces: .shared, security: security, log: environment.accessLog)
    let state = ListenerState(
      limits: limits, share: settings.share, counters: settings.counters,
      draining: environment.draining,
      requestIDs: environment.requestIDs, fixedFields: security.lines, methods: methods,
      cancelsWhenGone: isInternal, usesTLS: settings.tls != nil,
      priority: isInternal ? nil : .high,
      lanes: (settings.hasLane ? lane : nil).map {
        Lanes(
          Lane(service: $0, frame: frame, clock: .system), on: environment.loops.makeIterator())
      })
    let server = HTTPServerBuilder { responder in
      GuardedChannel(state: state, identity: settings.tls, responder: responder)
    }
    let logger = environment.logger
    return Application(
      responder: ListenerFrame(routes: routes, frame: frame), server: server,
      configuration: .init(
        address: .hostname(settings.host, port: settings.port), serverName: nil, backlog: 1024),
      onServerRunning: { channel in
        await rest(channel, logger)
        started(channel.localAddress?.port ?? settings.port)
      },
      eventLoopGroupProvider: .shared(environment.loops), logger: logger)
  }
}
