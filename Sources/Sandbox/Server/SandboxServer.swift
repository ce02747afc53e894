import Base
import NIOCore
import NIOHTTP1
import NIOHTTPCompression
import NIOPosix
import NIOSSL
import ServiceLifecycle
import Synchronization

/// A running sandbox: login host, API host, panel and control API on one port.
package final class SandboxServer: Service {
  let platform: Platform
  private let group: MultiThreadedEventLoopGroup
  private let channels: [any Channel]
  /// The port that answers for login and API host.
  package let port: Int
  /// The port of the panel and the control API; the same one unless configured.
  package let controlPort: Int
  /// `http://127.0.0.1:PORT` of login and API host.
  package let origin: String
  /// The same of panel and control API.
  package let controlOrigin: String

  /// Binds the ports; on return the sandbox answers.
  package static func start(_ configuration: SandboxConfiguration) async throws -> SandboxServer {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: max(1, configuration.threads))
    do {
      return try await SandboxServer(configuration, group: group)
    } catch {
      try await group.shutdownGracefully()
      throw error
    }
  }

  private init(
    _ configuration: SandboxConfiguration, group: MultiThreadedEventLoopGroup
  ) async throws {
    self.group = group
    platform = Platform(configuration, loop: group.next())
    let tls = try SandboxServer.tlsContext(configuration)
    let isSplit = configuration.controlPort != nil
    let main = try await SandboxServer.listen(
      configuration, port: configuration.port, group: group, tls: tls, platform: platform,
      surface: isSplit ? .platform : .everything)
    port = main.localAddress?.port ?? configuration.port
    var channels = [main]
    if let wanted = configuration.controlPort {
      let control = try await SandboxServer.listen(
        configuration, port: wanted, group: group, tls: tls, platform: platform, surface: .control)
      channels.append(control)
      controlPort = control.localAddress?.port ?? wanted
    } else {
      controlPort = port
    }
    self.channels = channels
    let scheme = tls == nil ? "http" : "https"
    origin = "\(scheme)://\(configuration.host):\(port)"
    controlOrigin = "\(scheme)://\(configuration.host):\(controlPort)"
  }

  /// Serves until the program is asked to end.
  package func run() async throws {
    try await gracefulShutdown()
    try await stop()
  }

  /// Closes the ports and ends the threads.
  package func stop() async throws {
    for channel in channels { try await channel.close() }
    try await platform.webhooks.stop().get()
    try await group.shutdownGracefully()
  }

  /// Back to the seeded state; apps stay.
  package func reset() { platform.reset() }

  /// Registers an app, in place of one with the same client ID.
  package func register(_ app: AppRegistration) {
    platform.accounts.withLock { $0.register(app) }
  }

  private static func tlsContext(_ configuration: SandboxConfiguration) throws -> NIOSSLContext? {
    guard let certificate = configuration.certificateFile, let key = configuration.privateKeyFile
    else { return nil }
    return try NIOSSLContext(
      configuration: .makeServerConfiguration(
        certificateChain: try NIOSSLCertificate.fromPEMFile(certificate).map { .certificate($0) },
        privateKey: .privateKey(try NIOSSLPrivateKey(file: key, format: .pem))))
  }

  private static func listen(
    _ configuration: SandboxConfiguration, port: Int, group: MultiThreadedEventLoopGroup,
    tls: NIOSSLContext?, platform: Platform, surface: Site.Surface
  ) async throws -> any Channel {
    let site = try Site(
      platform: platform, scheme: tls == nil ? "http" : "https", surface: surface)
    let bodyLimit = configuration.bodyLimit.bytes
    return try await ServerBootstrap(group: group)
      .serverChannelOption(.backlog, value: 1024)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try install(on: channel, site: site, tls: tls, bodyLimit: bodyLimit)
        }
      }
      .bind(host: configuration.host, port: port).get()
  }

  private static func install(
    on channel: any Channel, site: Site, tls: NIOSSLContext?, bodyLimit: Int
  ) throws {
    let pipeline = channel.pipeline.syncOperations
    if let tls { try pipeline.addHandler(NIOSSLServerHandler(context: tls)) }
    let wire = WireFault()
    try pipeline.addHandler(wire)
    try pipeline.configureHTTPServerPipeline(withErrorHandling: true)
    try pipeline.addHandler(
      HTTPResponseCompressor(responseCompressionPredicate: { head, isPossible in
        // Small answers and answers without a body gain nothing.
        let isMarked = head.headers.contains(name: PlainMark.name)
        if isMarked { head.headers.remove(name: PlainMark.name) }
        let length = head.headers.first(name: "content-length").flatMap { Int($0) } ?? 0
        return isPossible && !isMarked && length > 256 ? .compressIfPossible : .doNotCompress
      }))
    try pipeline.addHandler(ConnectionHandler(site: site, wire: wire, bodyLimit: bodyLimit))
  }
}
