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

  private struct State {
    var port = 0
    var isEnding = false
    var connections: [Task<Void, Never>] = []
  }

  private let script: Script
  private let opened = Atomic<Int>(0)
  private let heads = Atomic<Int>(0)
  private let state = Mutex(State())

  private init(_ script: @escaping Script) {
    self.script = script
  }

  /// Listens on this port of 127.0.0.1.
  package var port: Int { state.withLock { $0.port } }

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
    let server = MisbehavingServer(script)
    let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .serverChannelOption(.backlog, value: 4096)
      .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          if let tls {
            try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls))
          }
          server.serve(
            try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel))
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    server.state.withLock { $0.port = listener.localAddress?.port ?? 0 }
    do {
      let result = try await body(server)
      try await server.end(listener)
      return result
    } catch {
      try await server.end(listener)
      throw error
    }
  }

  /// Runs the script on its own task.
  ///
  /// Connections are not taken from a stream of the listener: one that is still in there when it
  /// ends is dropped unclosed, which NIO punishes with a trap.
  private func serve(_ connection: NIOAsyncChannel<ByteBuffer, ByteBuffer>) {
    opened.add(1, ordering: .acquiringAndReleasing)
    let task = Task<Void, Never> {
      // The client going away is part of the game.
      _ = try? await connection.executeThenClose { inbound, outbound in
        try await script(MisbehavingConnection(self, connection.channel, inbound, outbound))
      }
    }
    let isEnding = state.withLock { state in
      state.connections.append(task)
      return state.isEnding
    }
    if isEnding { task.cancel() }
  }

  private func end(_ listener: any Channel) async throws {
    let connections = state.withLock { state in
      state.isEnding = true
      return state.connections
    }
    try await listener.close().get()
    for connection in connections { connection.cancel() }
    for connection in connections { await connection.value }
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
    let head = try await read(through: "\r\n\r\n")
    server.noteHead()
    return head
  }

  /// Reads so many bytes.
  package func read(_ count: Int) async throws -> ByteBuffer {
    while buffer.readableBytes < count { try await readMore() }
    return buffer.readSlice(length: count) ?? ByteBuffer()
  }

  /// Reads up to and with this text.
  package func read(through end: String) async throws -> String {
    let end = Array(end.utf8)
    var searched = 0
    while true {
      let view = buffer.readableBytesView.dropFirst(searched)
      if let range = view.firstRange(of: end) {
        return buffer.readString(length: range.upperBound - buffer.readerIndex) ?? ""
      }
      searched = max(0, buffer.readableBytes - end.count + 1)
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
