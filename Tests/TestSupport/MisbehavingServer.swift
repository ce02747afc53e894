import Glibc
package import NIOCore
import NIOPosix
package import NIOSSL
import Synchronization

/// An HTTP server on raw TCP that does what its script says, however wrong that is.
///
/// The script runs once per connection; when it returns, the connection is closed.
package final class MisbehavingServer: Sendable {
  /// What is done with one connection.
  package typealias Script = @Sendable (MisbehavingConnection) async throws -> Void

  /// Listens on this port of 127.0.0.1.
  package let port: Int
  private let opened = Atomic<Int>(0)
  private let heads = Atomic<Int>(0)

  private init(port: Int) {
    self.port = port
  }

  /// How many connections were accepted.
  package var connectionCount: Int { opened.load(ordering: .acquiring) }

  /// How many complete request heads were read, on all connections.
  package var headCount: Int { heads.load(ordering: .acquiring) }

  func noteHead() {
    heads.add(1, ordering: .acquiringAndReleasing)
  }

  /// Runs a server while the body runs.
  ///
  /// - Parameters:
  ///   - tls: what to speak TLS with; `nil` for plain TCP.
  ///   - script: what to do with each connection. What it throws ends that connection only.
  ///   - body: is lent the server.
  /// - Returns: what the body returns.
  /// - Throws: what the body throws, or why the server cannot listen.
  package static func run<Result: Sendable>(
    tls: NIOSSLContext? = nil, script: @escaping Script,
    body: @Sendable (MisbehavingServer) async throws -> Result
  ) async throws -> Result {
    let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .serverChannelOption(.backlog, value: 4096)
      .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
      .bind(host: "127.0.0.1", port: 0) { channel in
        channel.eventLoop.makeCompletedFuture {
          if let tls {
            try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls))
          }
          return try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
            wrappingChannelSynchronously: channel,
            configuration: .init(isOutboundHalfClosureEnabled: false))
        }
      }
    let server = MisbehavingServer(port: listener.channel.localAddress?.port ?? 0)
    return try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await server.serve(listener, script) }
      defer { group.cancelAll() }
      return try await body(server)
    }
  }

  private func serve(
    _ listener: NIOAsyncChannel<NIOAsyncChannel<ByteBuffer, ByteBuffer>, Never>,
    _ script: @escaping Script
  ) async throws {
    try await listener.executeThenClose { connections in
      try await withThrowingDiscardingTaskGroup { group in
        for try await connection in connections {
          opened.add(1, ordering: .acquiringAndReleasing)
          group.addTask {
            // The client going away is part of the game.
            try? await connection.executeThenClose { inbound, outbound in
              try await script(
                MisbehavingConnection(self, connection.channel, inbound, outbound))
            }
          }
        }
      }
    }
  }
}

/// One connection of a `MisbehavingServer`, as its script sees it.
package final class MisbehavingConnection {
  /// The client closed the connection before everything that was waited for had come.
  package struct Ended: Error {}

  private let server: MisbehavingServer
  private let channel: any Channel
  private var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
  private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
  private var buffer = ByteBuffer()

  init(
    _ server: MisbehavingServer, _ channel: any Channel,
    _ inbound: NIOAsyncChannelInboundStream<ByteBuffer>,
    _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
  ) {
    self.server = server
    self.channel = channel
    self.inbound = inbound.makeAsyncIterator()
    self.outbound = outbound
  }

  /// Reads a request head, with the empty line.
  package func readHead() async throws -> String {
    while true {
      let text = String(buffer: buffer)
      if let end = text.firstRange(of: "\r\n\r\n") {
        let head = text[..<end.upperBound]
        buffer.moveReaderIndex(forwardBy: head.utf8.count)
        server.noteHead()
        return String(head)
      }
      try await readMore()
    }
  }

  /// Reads so many bytes.
  package func read(_ count: Int) async throws -> ByteBuffer {
    while buffer.readableBytes < count { try await readMore() }
    return buffer.readSlice(length: count) ?? ByteBuffer()
  }

  /// Reads up to and with this text.
  package func read(through end: String) async throws -> String {
    while true {
      let text = String(buffer: buffer)
      if let range = text.firstRange(of: end) {
        let piece = text[..<range.upperBound]
        buffer.moveReaderIndex(forwardBy: piece.utf8.count)
        return String(piece)
      }
      try await readMore()
    }
  }

  /// Reads a chunked body.
  package func readChunked() async throws -> ByteBuffer {
    var body = ByteBuffer()
    while true {
      let line = try await read(through: "\r\n")
      guard let size = Int(line.dropLast(), radix: 16)
      else { throw Ended() }
      var chunk = try await read(size)
      _ = try await read(2)
      if size == 0 { return body }
      body.writeBuffer(&chunk)
    }
  }

  /// Reads whatever comes, until the client closes; the number of bytes.
  package func drain() async throws -> Int {
    var count = buffer.readableBytes
    buffer.clear()
    while let more = try await inbound.next() { count += more.readableBytes }
    return count
  }

  /// Whatever came that was not asked for yet.
  package var unread: Int { buffer.readableBytes }

  /// Sends bytes as they are.
  package func send(_ text: String) async throws {
    try await outbound.write(ByteBuffer(string: text))
  }

  /// Sends bytes as they are.
  package func send(_ bytes: ByteBuffer) async throws {
    try await outbound.write(bytes)
  }

  /// Sends an answer with `Content-Length`.
  package func answer(
    _ status: String = "200 OK", _ body: String = "", headers: [String] = []
  ) async throws {
    let lines = ["HTTP/1.1 \(status)", "Content-Length: \(body.utf8.count)"] + headers
    try await send(lines.joined(separator: "\r\n") + "\r\n\r\n" + body)
  }

  /// Does nothing until the client has closed the connection.
  package func stall() async throws {
    _ = try await drain()
  }

  /// Ends the connection with a reset instead of an orderly close.
  package func reset() async throws {
    guard let socket = channel as? any SocketOptionProvider else { throw Ended() }
    try await socket.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
    try await channel.close().get()
  }

  private func readMore() async throws {
    guard var more = try await inbound.next() else { throw Ended() }
    buffer.discardReadBytes()
    buffer.writeBuffer(&more)
  }
}
