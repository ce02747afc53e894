import HummingbirdCore
import Logging
import NIOCore
import Synchronization

/// A connection that is set up and waits to be served.
///
/// NIO ends the process when a channel's writer goes away without its end, and a listener that
/// stops drops the connections which it has accepted and not yet served. So a connection that
/// nobody serves is closed here.
final class AcceptedConnection: ServerChildChannelValue {
  let connection: Connection
  private let value: HTTP1Channel.Value
  private let server: HTTP1Channel
  private let logger: Logger
  private let isServed = Atomic<Bool>(false)

  init(
    _ value: HTTP1Channel.Value, connection: Connection, server: HTTP1Channel, logger: Logger
  ) {
    self.value = value
    self.connection = connection
    self.server = server
    self.logger = logger
  }

  var channel: any Channel { value.channel }

  /// Answers the connection's requests until it ends; to be called once.
  func serve() async {
    isServed.store(true, ordering: .relaxed)
    await server.handle(value: value, logger: logger)
  }

  deinit {
    guard !isServed.load(ordering: .relaxed) else { return }
    let (value, server, logger) = (value, server, logger)
    value.channel.close(promise: nil)
    // Serving a closed connection ends its writer and returns.
    Task { await server.handle(value: value, logger: logger) }
  }
}
