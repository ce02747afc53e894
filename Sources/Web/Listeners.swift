package import Base
package import Gateway
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
package import Logging
package import NIOCore
package import NIOSSL
package import ServiceLifecycle

/// Where and how a listener listens.
package struct ListenerSettings: Sendable {
  package let host: String
  /// 0 takes a free one.
  package let port: Int
  /// `nil`: plain HTTP.
  package let tls: TLSConfiguration?
  package let limits: GuardLimits

  package init(host: String, port: Int, tls: TLSConfiguration?, limits: GuardLimits = GuardLimits())
  {
    self.host = host
    self.port = port
    self.tls = tls
    self.limits = limits
  }
}

/// What both listeners share.
package struct ListenerEnvironment: Sendable {
  package let loops: any EventLoopGroup
  package let draining: Draining
  package let requestIDs: RequestIDSource
  package let logger: Logger

  package init(
    loops: any EventLoopGroup, draining: Draining, requestIDs: RequestIDSource, logger: Logger
  ) {
    self.loops = loops
    self.draining = draining
    self.requestIDs = requestIDs
    self.logger = logger
  }
}

/// Builds the two listeners, each an application with a connection guard.
package enum Listeners {
  /// The listener for BigCommerce and merchants' browsers.
  ///
  /// The service runs until graceful shutdown; `started` is called with the port once it listens.
  package static func publicListener(
    _ settings: ListenerSettings, _ site: PublicSettings, callbacks: any CallbackHandling,
    isReady: @escaping @Sendable () -> Bool, in environment: ListenerEnvironment,
    started: @escaping @Sendable (Int) -> Void = { _ in }
  ) throws -> any Service {
    let state = ListenerState(
      draining: environment.draining, requestIDs: environment.requestIDs)
    let responder = PublicResponder(
      routes: PublicRoutes(settings: site), callbacks: callbacks,
      pages: try MerchantPages(brand: site.brand, frameAncestors: site.frameAncestors),
      state: state, isReady: isReady, logger: environment.logger)
    return try application(responder, settings, state, environment, started)
  }

  /// The listener for services and operators.
  ///
  /// The service runs until graceful shutdown; `started` is called with the port once it listens.
  package static func internalListener(
    _ settings: ListenerSettings, gateway: any GatewayResponding, api: APIRoutes,
    authenticate: @escaping Authenticate, readiness: @escaping Readiness,
    in environment: ListenerEnvironment, started: @escaping @Sendable (Int) -> Void = { _ in }
  ) throws -> any Service {
    let state = ListenerState(
      draining: environment.draining, requestIDs: environment.requestIDs)
    let responder = InternalResponder(
      gateway: gateway, api: api, authenticate: authenticate, readiness: readiness, state: state,
      logger: environment.logger)
    return try application(responder, settings, state, environment, started)
  }

  private static func application<Responder: HTTPResponder>(
    _ responder: Responder, _ settings: ListenerSettings, _ state: ListenerState,
    _ environment: ListenerEnvironment, _ started: @escaping @Sendable (Int) -> Void
  ) throws -> any Service where Responder.Context == ListenerContext {
    let limits = settings.limits
    let channel = HTTP1Channel.Configuration(
      additionalChannelHandlers: [GuardInstaller(limits: limits, listener: state)],
      idleTimeout: nil,
      httpDecoderConfiguration: .init(
        maxHeaderFieldSize: limits.headBytes.bytes, maxHeaderListSize: limits.headBytes.bytes,
        maxHeaderFieldCount: limits.headFields))
    let plain = HTTPServerBuilder.http1(configuration: channel)
    let server =
      try settings.tls.map { try HTTPServerBuilder.tls(plain, tlsConfiguration: $0) } ?? plain
    return Application(
      responder: responder, server: server,
      configuration: .init(
        address: .hostname(settings.host, port: settings.port), serverName: nil,
        availableConnectionsDelegate: .maximum(limits.connections, logger: environment.logger)),
      onServerRunning: { started($0.localAddress?.port ?? settings.port) },
      eventLoopGroupProvider: .shared(environment.loops), logger: environment.logger)
  }
}
