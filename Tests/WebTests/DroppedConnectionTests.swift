import Base
import HTTPTypes
import Logging
import NIOCore
import NIOPosix
import TestSupport
import Testing

@testable import Web

@Suite struct `Connections that nobody serves` {
  /// As when the listener stops between accepting a connection and serving it.
  @Test func `end in order`() async throws {
    let loops = MultiThreadedEventLoopGroup.singleton
    let counters = ListenerCounters()
    let state = ListenerState(
      limits: .internalListener, share: nil, counters: counters, draining: Draining(),
      requestIDs: RequestIDSource(seed: 1), fixedFields: "", methods: { _ in [] },
      cancelsWhenGone: true, usesTLS: false, priority: nil, lanes: nil)
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let guarded = GuardedChannel(state: state, identity: nil) { _, _, _ in
      Issue.record("nobody serves it")
    }
    let server = try await ServerBootstrap(group: loops)
      .childChannelInitializer { channel in
        guarded.setup(channel: channel, logger: logger).map { _ in }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    let port = try #require(server.localAddress?.port)
    try await blocking {
      for _ in 0..<20 {
        let connection = try RawConnection(port: port)
        connection.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        // Ends, or the read fails with its deadline.
        #expect(connection.receiveToEnd().text == "")
      }
    }
    try await server.close()
    #expect(try await eventually { counters.openConnections == 0 })
  }
}
